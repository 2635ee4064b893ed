//! What `listen` names: a host and its ports, or a path.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use realpeer::Peer;

/// Where a server listens, ports apart. Equal where nginx takes two for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Ip(IpAddr),
    /// To be looked up by nginx on its own machine, and not by us.
    Name(String),
    Unix(String),
}

impl Host {
    /// Whether a source gets there at all. `takes_ipv4` is what `ipv6only=off` says of
    /// a socket of IPv6.
    pub(super) fn can_be_reached_by(&self, peer: Peer, takes_ipv4: bool) -> bool {
        // A mapped address is one of IPv4.
        match (self, peer) {
            (Host::Unix(_), Peer::Unix) => true,
            (Host::Unix(_), _) | (_, Peer::Unix) => false,
            (Host::Ip(IpAddr::V4(_)), Peer::Ip(ip)) => ip.to_canonical().is_ipv4(),
            (Host::Ip(IpAddr::V6(own)), Peer::Ip(ip)) => match ip.to_canonical() {
                IpAddr::V4(_) => takes_ipv4 && (own.is_unspecified() || is_mapped(own)),
                IpAddr::V6(_) => !is_mapped(own),
            },
            (Host::Name(_), Peer::Ip(_)) => true,
        }
    }
}

fn is_mapped(ip: &Ipv6Addr) -> bool {
    ip.to_ipv4_mapped().is_some()
}

/// A host with one port or some that follow each other, as logs have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ports<'a>(pub(super) &'a Host, pub(super) u16, pub(super) u16);

impl fmt::Display for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ports(host, first, last) = self;
        match host {
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}:{first}")?,
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{first}")?,
            Host::Name(name) => write!(f, "{name}:{first}")?,
            Host::Unix(path) => return write!(f, "unix:{path}"),
        }
        if last > first { write!(f, "-{last}") } else { Ok(()) }
    }
}

/// Reads the first argument of `listen` as nginx does, and says why it does not.
pub(super) fn read(text: &str, default_port: u16) -> Result<(Host, RangeInclusive<u16>), String> {
    if text.contains('$') {
        return Err("nginx knows no variables here; put in the value first".to_owned());
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("no path".to_owned()),
            path => Ok((Host::Unix(path.to_owned()), 0..=0)),
        };
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| "invalid IPv6 address")?;
        let ports = match rest.strip_prefix(':') {
            Some(text) => ports(text)?,
            None if rest.is_empty() => default_port..=default_port,
            None => return Err("invalid host".to_owned()),
        };
        return Ok((Host::Ip(ip.into()), ports));
    }
    let (host, ports) = match text.split_once(':') {
        Some((host, text)) => (host, ports(text)?),
        None if text.starts_with(|char: char| char.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
            && !text.ends_with('-') =>
        {
            ("*", ports(text)?)
        }
        None => (text, default_port..=default_port),
    };
    let host = match (host, dotted(host)) {
        ("", _) => return Err("no host".to_owned()),
        ("*", _) => Host::Ip(Ipv4Addr::UNSPECIFIED.into()),
        (_, Some(ip)) => Host::Ip(ip.into()),
        (name, None) => Host::Name(name.to_owned()),
    };
    Ok((host, ports))
}

/// `80`, `080` or `8000-8010`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = if digits { text.parse::<u16>().ok() } else { None };
        port.filter(|port| *port > 0).ok_or_else(|| "invalid port".to_owned())
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err("invalid port range".to_owned());
    }
    Ok(first..=last)
}

/// Four decimal numbers; unlike elsewhere, they may begin with 0.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *byte = part.parse().ok()?;
    }
    parts.next().is_none().then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::{Ports, read};

    /// Each of these was shown to nginx 1.22.1.
    #[test]
    fn as_nginx_reads_them() {
        for (text, wanted) in [
            ("80", "0.0.0.0:80"),
            ("*", "0.0.0.0:8000"),
            ("*:081", "0.0.0.0:81"),
            ("127.0.0.1", "127.0.0.1:8000"),
            ("127.0.0.01:082-0083", "127.0.0.1:82-83"),
            ("8081-8083", "0.0.0.0:8081-8083"),
            ("[::1]", "[::1]:8000"),
            ("[0:0::1]:90", "[::1]:90"),
            ("localhost:90", "localhost:90"),
            ("127.1:90", "127.1:90"),
            ("unix:/run/x:y", "unix:/run/x:y"),
        ] {
            let found = read(text, 8000)
                .map(|(host, ports)| Ports(&host, *ports.start(), *ports.end()).to_string());
            assert_eq!(found.as_deref(), Ok(wanted), "{text}");
        }
        for (text, wanted) in [
            ("70000", "invalid port"),
            ("0", "invalid port"),
            ("[::1]:0", "invalid port"),
            ("127.0.0.1:", "invalid port"),
            ("127.0.0.1:95/x", "invalid port"),
            ("127.0.0.1:99-95", "invalid port range"),
            ("127.0.0.1:-95", "invalid port"),
            ("[::1%lo]:90", "invalid IPv6 address"),
            ("[::1", "the bracket is not closed"),
            ("[::1]x", "invalid host"),
            ("", "no host"),
            (":80", "no host"),
            ("unix:", "no path"),
            ("${PORT}", "nginx knows no variables here; put in the value first"),
            ("[::]:$port", "nginx knows no variables here; put in the value first"),
        ] {
            assert_eq!(read(text, 8000), Err(wanted.to_owned()), "{text}");
        }
    }
}
