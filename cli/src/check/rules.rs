//! Rules with the places they were written at.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use realpeer::{Peer, Policy, Rule};

/// A line of a file, or of what was given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Rc<PathBuf>,
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What was written, and where.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) policy: Policy,
    pub(crate) source: String,
    /// With a blank before it, or nothing.
    quiet: String,
    pub(crate) place: Place,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{} ({})", self.policy.name(), self.source, self.quiet, self.place)
    }
}

/// A list of rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleList {
    rules: Vec<Rule>,
    origins: Vec<Origin>,
    /// What a server would warn of.
    pub(crate) warnings: Vec<String>,
}

impl RuleList {
    /// Adds what `words` say: a policy and its sources, and at the end which results
    /// are quiet for these.
    pub(crate) fn add(&mut self, words: &[String], place: &Place) -> Result<(), String> {
        let Some((policy, sources)) = words.split_first() else {
            return Err(format!("{place}: a policy and its sources are missing"));
        };
        let Some(policy) = Policy::from_name(policy.as_bytes()) else {
            let known: Vec<_> = Policy::ALL.iter().map(|policy| policy.name()).collect();
            return Err(format!(
                "{place}: unknown policy \"{policy}\"; it must be one of {}",
                known.join(", ")
            ));
        };
        let (quiet, sources) = match sources.split_last() {
            Some((last, others)) if last.starts_with("quiet=") => (Some(last), others),
            _ => (None, sources),
        };
        if sources.is_empty() {
            return Err(format!(
                "{place}: \"{}\" names no source; add addresses, CIDR blocks, \"unix:\" or \"all\"",
                policy.name()
            ));
        }
        for source in sources {
            let tag = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
            let (rule, has_low_bits) = Rule::parse(source, policy, tag)
                .map_err(|error| format!("{place}: invalid source \"{source}\": {error}"))?;
            if has_low_bits {
                self.warnings.push(format!(
                    "{place}: bits behind the prefix of \"{source}\" are set, they are ignored"
                ));
            }
            let rule = match quiet {
                Some(quiet) => rule
                    .with_quiet(quiet)
                    .map_err(|error| format!("{place}: invalid parameter \"{quiet}\": {error}"))?,
                None => rule,
            };
            self.rules.push(rule);
            let (source, place) = (source.clone(), place.clone());
            let quiet = quiet.map(|quiet| format!(" {quiet}")).unwrap_or_default();
            self.origins.push(Origin { policy, source, quiet, place });
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.origins.first().map(|origin| &origin.place)
    }

    /// Sorts the rules for the look-up; two for the same source are an error.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        let twice = match realpeer::Rules::prepare(&mut self.rules) {
            Ok(_) => return Ok(()),
            Err(twice) => twice.tags,
        };
        let origin = |tag: u32| self.origins.get(usize::try_from(tag).ok()?);
        match (origin(twice.0), origin(twice.1)) {
            (Some(first), Some(second)) => Err(format!(
                "{}: source \"{}\" is named twice, first in {}; remove one of them",
                second.place, second.source, first.place
            )),
            _ => Err(twice_text()),
        }
    }

    /// The rule that decides about `peer`; none where no rule matches.
    pub(crate) fn find(&self, peer: Peer) -> Option<&Origin> {
        let rule = realpeer::Rules::from_prepared(&self.rules).find_rule(peer)?;
        self.origins.get(usize::try_from(rule.tag()).ok()?)
    }

    /// Whether both lists treat all sources alike, in whatever order they are.
    pub(crate) fn same(&self, other: &RuleList) -> bool {
        self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(|(one, two)| one.same(two))
    }
}

fn twice_text() -> String {
    "the same source is named twice".to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::IpAddr;
    use std::rc::Rc;

    use realpeer::{Peer, Rules};

    use super::{Place, RuleList};

    /// The rule that is named is the one whose policy the library finds.
    #[test]
    fn names_the_rule_that_decides() {
        let mut list = RuleList::default();
        let place = |line| Place { file: Rc::new("rules".into()), line };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (line, text) in [
            "direct all unix:",
            "require 192.0.2.0/24 2001:db8::/32",
            "optional 192.0.2.128/25",
            "strip 192.0.2.192/26 2001:db8:1::/48",
            "refuse 192.0.2.193",
        ]
        .into_iter()
        .enumerate()
        {
            list.add(&words(text), &place(line + 1)).unwrap();
        }
        list.prepare().unwrap();
        let ip = |text: &str| Peer::Ip(text.parse::<IpAddr>().unwrap());
        for (peer, line) in [
            (ip("198.51.100.1"), 1),
            (Peer::Unix, 1),
            (ip("192.0.2.1"), 2),
            (ip("::ffff:192.0.2.1"), 2),
            (ip("192.0.2.129"), 3),
            (ip("192.0.2.194"), 4),
            (ip("192.0.2.193"), 5),
            (ip("2001:db8::1"), 2),
            (ip("2001:db8:1::1"), 4),
            (ip("2001:db9::1"), 1),
        ] {
            let found = list.find(peer).unwrap();
            assert_eq!(found.place.line, line, "{peer:?}");
            assert_eq!(Some(found.policy), Rules::from_prepared(&list.rules).find(peer));
        }
    }
}
