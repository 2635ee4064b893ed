//! nginx's module realip, as far as it changes addresses that come from elsewhere.

use realpeer::{Peer, Policy, Rule, Rules};

use super::syntax::Directive;
use crate::check::rules::Place;

/// A `set_real_ip_from`.
#[derive(Debug, Clone)]
pub(super) struct From {
    pub(super) text: String,
    pub(super) place: Place,
    /// None for a host name, which is not looked up.
    rule: Option<Rule>,
}

impl From {
    fn new(text: &str, place: &Place) -> From {
        let rule = match text {
            // A host name for realip.
            "all" => None,
            text => Rule::parse(text, Policy::Require, 0).ok().map(|(rule, _)| rule),
        };
        From { text: text.to_owned(), place: place.clone(), rule }
    }

    /// Whether this is an address, a block or `unix:`, and no name.
    pub(super) fn is_address(&self) -> bool {
        self.rule.is_some()
    }

    fn matches(&self, peer: Peer) -> bool {
        let Some(rule) = self.rule else { return false };
        Rules::prepare(&mut [rule]).is_ok_and(|rules| rules.find(peer).is_some())
    }
}

/// What holds at one level.
#[derive(Debug, Clone, Default)]
pub(super) struct RealIp {
    from: Option<Vec<From>>,
    header: Option<String>,
    /// The first directive of locations within.
    pub(super) deeper: Option<Place>,
    /// The first directive of this level itself.
    pub(super) place: Option<Place>,
}

/// Whether a source is in `set_real_ip_from`.
#[derive(Debug)]
pub(super) enum Trust<'a> {
    Yes(&'a From),
    No,
    /// That is for this host name to say.
    Unknown(&'a From),
}

impl RealIp {
    /// Reads the level that a block is.
    pub(super) fn read(block: &[Directive]) -> RealIp {
        let mut level = RealIp::default();
        for directive in block {
            let Directive { name, args, place, .. } = directive;
            let arg = args.first().map_or("", String::as_str);
            match name.as_str() {
                "set_real_ip_from" => {
                    level.from.get_or_insert_default().push(From::new(arg, place));
                }
                "real_ip_header" => level.header = Some(arg.to_owned()),
                _ => {
                    if level.deeper.is_none() {
                        level.deeper = deeper(directive);
                    }
                    continue;
                }
            }
            level.place.get_or_insert(place.clone());
        }
        level
    }

    /// What holds in a server that has this within `outer`.
    pub(super) fn within(&self, outer: &RealIp) -> RealIp {
        RealIp {
            from: self.from.clone().or_else(|| outer.from.clone()),
            header: self.header.clone().or_else(|| outer.header.clone()),
            deeper: self.deeper.clone(),
            place: self.place.clone().or_else(|| outer.place.clone()),
        }
    }

    /// The trusted sources, none where nothing is replaced.
    pub(super) fn from(&self) -> &[From] {
        self.from.as_deref().unwrap_or(&[])
    }

    /// Where http takes the address from.
    pub(super) fn header(&self) -> &str {
        self.header.as_deref().unwrap_or("X-Real-IP")
    }

    /// Whether the source is one of the trusted.
    pub(super) fn trusts(&self, peer: Peer) -> Trust<'_> {
        let from = self.from();
        match from.iter().find(|from| from.matches(peer)) {
            Some(from) => Trust::Yes(from),
            None => from.iter().find(|from| from.rule.is_none()).map_or(Trust::No, Trust::Unknown),
        }
    }

    /// Whether both replace the same addresses.
    pub(super) fn same(&self, other: &RealIp) -> bool {
        let texts = |it: &RealIp| it.from().iter().map(|it| it.text.clone()).collect::<Vec<_>>();
        let header = |it: &RealIp| it.header().to_ascii_lowercase();
        texts(self) == texts(other) && (self.from().is_empty() || header(self) == header(other))
    }
}

/// Where a location, or what is in one, has a directive of realip.
fn deeper(directive: &Directive) -> Option<Place> {
    if directive.name != "location" {
        return None;
    }
    let level = RealIp::read(directive.block.as_deref()?);
    level.place.or(level.deeper)
}
