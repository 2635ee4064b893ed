//! Listeners whose header nginx reads by itself: `listen ... proxy_protocol`.

use std::fmt;
use std::io::Write;

use super::realip::{From, RealIp, Trust};
use crate::check::Source;
use crate::error::Error;

use realpeer::Peer;

/// What the address in the header becomes, in the words of a subsystem.
struct Words {
    /// What is replaced for the sources of `set_real_ip_from`.
    address: &'static str,
    /// Where the address in the header is to be found in any case.
    other: &'static str,
}

impl Words {
    fn new(subsystem: &str) -> Words {
        match subsystem {
            "mail" => Words { address: "the client's address", other: "Proxy-Protocol-Addr" },
            _ => Words { address: "$remote_addr", other: "$proxy_protocol_addr" },
        }
    }
}

/// The realip module, as far as it takes the address from the header.
struct Replacing<'a> {
    words: Words,
    realip: &'a RealIp,
    /// Whether the address is taken from the header at all: http may take another.
    is_asked: bool,
}

impl Replacing<'_> {
    fn from(&self) -> &[From] {
        if self.is_asked { self.realip.from() } else { &[] }
    }

    fn trusts(&self, peer: Peer) -> Trust<'_> {
        if self.is_asked { self.realip.trusts(peer) } else { Trust::No }
    }
}

/// Says what nginx does with the header, and whose address it takes from there.
pub(super) fn say(
    place: &dyn fmt::Display,
    subsystem: &'static str,
    realip: &RealIp,
    sources: &[Source],
    can_connect: impl Fn(Peer) -> bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let is_asked = subsystem != "http" || realip.header() == "proxy_protocol";
    let replacing = Replacing { words: Words::new(subsystem), realip, is_asked };
    let Words { address, other } = replacing.words;
    writeln!(
        out,
        "  no rules of realpeer: nginx itself reads the header, by proxy_protocol in {place}"
    )?;
    writeln!(
        out,
        "  every source must send a header, and a connection without one is closed; the address \
         in it is believed from every source, as {other}"
    )?;
    let from = replacing.from();
    if from.is_empty() {
        writeln!(
            out,
            "  {address} stays that of the source: no set_real_ip_from takes it from the header"
        )?;
    } else if sources.is_empty() {
        for From { text, place, .. } in from {
            writeln!(
                out,
                "  {address} is taken from headers of {text}: set_real_ip_from ({place})"
            )?;
        }
    }
    let known = rules(from).unwrap_or_else(|| "BALANCERS".to_owned());
    writeln!(
        out,
        "  to decide by source: \"realpeer require {known};\" instead of proxy_protocol in listen; \
         see docs/migrating.md"
    )?;
    let width = sources.iter().map(|source| source.text.len()).max().unwrap_or(0);
    for Source { text, peer } in sources {
        if !can_connect(*peer) {
            writeln!(out, "  {text:<width$}  {:<8}  cannot connect here", "-")?;
            continue;
        }
        write!(out, "  {text:<width$}  {:<8}  must send a header, which is believed; ", "native")?;
        match replacing.trusts(*peer) {
            Trust::Yes(From { text, place, .. }) => {
                writeln!(out, "{address} is taken from it; set_real_ip_from {text} ({place})")?;
            }
            Trust::No => writeln!(out, "{address} stays its own")?,
            Trust::Unknown(From { text, place, .. }) => writeln!(
                out,
                "{address} depends on the address of {text}, and names are not looked up; \
                 set_real_ip_from {text} ({place})"
            )?,
        }
    }
    Ok(())
}

/// The trusted sources as rules have them. None where these are all there are, or names,
/// of which nothing is known.
fn rules(from: &[From]) -> Option<String> {
    let is_usable = |from: &From| from.is_address() && !from.text.ends_with("/0");
    let texts: Vec<_> = from.iter().map(|from| from.text.as_str()).collect();
    (!from.is_empty() && from.iter().all(is_usable)).then(|| texts.join(" "))
}
