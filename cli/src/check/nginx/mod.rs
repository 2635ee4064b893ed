//! `realpeer check nginx`: what nginx's configuration says of a source.

use std::io::Write;
use std::path::PathBuf;

use realpeer::Peer;

use self::model::{Configuration, Listener};
use super::{Source, answer};
use crate::Verdict;
use crate::error::Error;

mod model;
mod syntax;

/// By the configuration of nginx
///
/// Reads the configuration with all files that it includes, and says for each
/// listener which policy the source gets there, and which rule says so. Without a
/// source, says which rules each listener has.
///
/// It knows the directives of realpeer and the listeners. Whether nginx takes the
/// rest of the configuration, nginx -t says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "/etc/nginx/nginx.conf")]
    pub config: PathBuf,

    /// Look only at listeners with this in their address, such as :443
    #[arg(short, long, value_name = "TEXT")]
    pub listener: Option<String>,

    /// Who connects: IP addresses, or unix:
    #[arg(value_name = "SOURCE", value_parser = Source::read)]
    pub sources: Vec<Source>,
}

/// Says the policy of each source on each listener.
///
/// # Errors
/// Where the configuration cannot be read or has a fault.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let directives = syntax::read(&args.config).map_err(Error::new)?;
    let configuration = Configuration::read(&directives).map_err(Error::new)?;
    for warning in &configuration.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    if !configuration.faults.is_empty() {
        return Err(Error::new(configuration.faults.join("\nrealpeer: ")));
    }
    let wanted = |listener: &&Listener| {
        args.listener.as_ref().is_none_or(|text| listener.address.contains(text))
    };
    let listeners: Vec<_> = configuration.listeners.iter().filter(wanted).collect();
    if listeners.is_empty() {
        return Err(Error::with_hint(
            format!("{}: no such listener", args.config.display()),
            "Name the main configuration, the one with http, stream or mail in it.",
        ));
    }
    let mut verdict = Verdict::Fine;
    for listener in listeners {
        if say(&configuration, listener, &args.sources, out)? == Verdict::Refused {
            verdict = Verdict::Refused;
        }
    }
    Ok(verdict)
}

fn say(
    configuration: &Configuration,
    listener: &Listener,
    sources: &[Source],
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let Some(server) = configuration.ruling(listener) else { return Ok(Verdict::Fine) };
    let Listener { subsystem, address, is_udp, .. } = listener;
    writeln!(out, "{subsystem} {address}, server \"{}\" ({})", server.name, server.place)?;
    if *is_udp {
        writeln!(
            out,
            "  not covered: connections over UDP or QUIC keep the address of their peer"
        )?;
        return Ok(Verdict::Fine);
    }
    if server.level.rules.is_empty() {
        writeln!(out, "  no rules: every source is served with its own address")?;
        return Ok(Verdict::Fine);
    }
    for (name, value) in &server.level.settings {
        writeln!(out, "  {name} {value}")?;
    }
    if sources.is_empty() {
        for origin in server.level.rules.origins() {
            writeln!(out, "  {origin}")?;
        }
        return Ok(Verdict::Fine);
    }
    let reachable: Vec<_> =
        sources.iter().filter(|source| can_connect(source.peer, address)).collect();
    if reachable.is_empty() {
        writeln!(out, "  the source cannot connect here")?;
    }
    answer(&server.level.rules, &reachable, "  ", out)
}

/// Whether somebody over IP or a Unix socket gets to such an address at all.
fn can_connect(peer: Peer, address: &str) -> bool {
    let is_v4 = address.parse::<std::net::SocketAddrV4>().is_ok();
    match peer {
        Peer::Unix => address.starts_with("unix:"),
        Peer::Ip(_) if address.starts_with("unix:") => false,
        // A mapped address is one of IPv4.
        Peer::Ip(ip) => !(is_v4 && ip.to_canonical().is_ipv6()),
    }
}
