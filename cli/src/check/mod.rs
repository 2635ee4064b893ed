//! `realpeer check`: which policy a source gets.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use realpeer::{Peer, Policy};

use crate::Verdict;
use crate::error::Error;

pub mod nginx;
pub mod policy;
mod rules;

/// Say which policy a source gets
///
/// From rules as they are given, or as a server's configuration has them. A source
/// is an IP address, or unix: for whoever connects through a Unix socket.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 where every source may connect, 1 where one is refused, 2 where \
the rules or the configuration have a fault. check nginx has 3 and 4 as well.")]
pub struct Args {
    /// Where the rules are.
    #[command(subcommand)]
    pub rules: Rules,
}

/// Where the rules are. Their help is what stands at their arguments.
#[derive(Debug, clap::Subcommand)]
#[allow(missing_docs)]
pub enum Rules {
    Policy(policy::Args),
    Nginx(nginx::Args),
}

/// Answers `args`.
///
/// # Errors
/// Where rules or configuration have a fault.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    match &args.rules {
        Rules::Policy(args) => policy::run(args, out),
        Rules::Nginx(args) => nginx::run(args, out),
    }
}

/// A source somebody asks about.
#[derive(Debug, Clone)]
pub struct Source {
    text: String,
    peer: Peer,
}

impl Source {
    /// Reads an address, one with a port behind it, or `unix:`.
    fn read(text: &str) -> Result<Source, String> {
        let peer = if text == "unix:" || text.starts_with("unix:/") {
            Peer::Unix
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            ip.into()
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            address.ip().into()
        } else {
            return Err("not an IPv4 or IPv6 address or \"unix:\"; names are not looked up".into());
        };
        Ok(Source { text: text.to_owned(), peer })
    }
}

/// What a policy means, for whoever does not know the words.
fn meaning(policy: Policy) -> &'static str {
    match policy {
        Policy::Require => "must send a header, and its address is used",
        Policy::Optional => "may send a header, and its address is used",
        Policy::Strip => "may send a header, which is thrown away",
        Policy::Direct => "is not asked for a header",
        Policy::Refuse => "is refused",
        _ => "is treated in a way that this program does not know",
    }
}

/// A line for each source: its policy, what that means, and the rule.
fn answer(
    rules: &rules::RuleList,
    sources: &[Source],
    can_connect: impl Fn(Peer) -> bool,
    indent: &str,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let mut verdict = Verdict::Fine;
    let width = sources.iter().map(|source| source.text.len()).max().unwrap_or(0);
    for source in sources {
        if !can_connect(source.peer) {
            writeln!(out, "{indent}{:<width$}  {:<8}  cannot connect here", source.text, "-")?;
            continue;
        }
        let origin = rules.find(source.peer);
        if origin.is_none_or(|origin| origin.policy == Policy::Refuse) {
            verdict = Verdict::Refused;
        }
        write!(out, "{indent}{:<width$}  ", source.text)?;
        match origin {
            Some(origin) => {
                let (policy, meaning) = (origin.policy.name(), meaning(origin.policy));
                writeln!(out, "{policy:<8}  {meaning}; {origin}")?;
            }
            None => writeln!(out, "{:<8}  no rule names it, so it is refused", "-")?,
        }
    }
    Ok(verdict)
}
