//! The main server, the virtual hosts and the addresses of Apache.

use super::syntax::Line;
use crate::check::listeners::{Configuration, Level, Server, Words};
use crate::check::rules::Place;

pub(super) const WORDS: Words = Words {
    directive: "RealPeer",
    settings: &[
        ("RealPeerTimeout", "5s"),
        ("RealPeerMaxHeader", "4096"),
        ("RealPeerVersions", "1 2"),
        ("RealPeerNoAddress", "accept"),
    ],
    server: "virtual host",
    native: "RemoteIPProxyProtocol",
};

/// A host and a port, either of which may be `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    host: String,
    port: String,
}

impl Address {
    /// Of `Listen`, where a number alone is a port, or of `<VirtualHost>`.
    fn read(text: &str, is_listen: bool) -> Address {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ if is_listen && is_number => ("*", text),
            _ => (text, "*"),
        };
        let host = match host.trim_start_matches('[').trim_end_matches(']') {
            "*" | "_default_" | "0.0.0.0" | "::" => "*".to_owned(),
            inner => match inner.parse::<std::net::Ipv6Addr>() {
                Ok(ip) => format!("[{ip}]"),
                Err(_) => inner.to_owned(),
            },
        };
        Address { host, port: port.to_owned() }
    }

    fn text(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A server in the making; the first one is the main server.
struct Host {
    name: String,
    place: Place,
    addresses: Vec<Address>,
    level: Level,
    native: Option<Place>,
}

pub(super) fn read(lines: &[Line]) -> Result<Configuration, String> {
    let Some(first) = lines.first() else { return Ok(Configuration::default()) };
    let place = Place { file: first.place.file.clone(), line: 1 };
    let mut main = Host::new(&place, Vec::new());
    main.name = "main server".to_owned();
    let mut hosts = Vec::new();
    let mut listens: Vec<Address> = Vec::new();
    let mut open: Vec<(&str, &Place)> = Vec::new();
    for Line { name, args, place } in lines {
        let is_host = |name: &str| name.eq_ignore_ascii_case("<VirtualHost");
        if let Some(closed) = name.strip_prefix("</") {
            match open.pop() {
                Some((opened, _))
                    if opened.get(1..).is_some_and(|o| o.eq_ignore_ascii_case(closed)) => {}
                _ => return Err(format!("{place}: {name}> closes a section that is not open")),
            }
        } else if name.starts_with('<') {
            if is_host(name) {
                let addresses = args.iter().map(|text| Address::read(text, false)).collect();
                hosts.push(Host::new(place, addresses));
            }
            open.push((name, place));
        } else {
            let in_host = open.first().is_some_and(|(name, _)| is_host(name));
            let is_deeper = open.len() > usize::from(in_host);
            let host = match hosts.last_mut() {
                Some(host) if in_host => host,
                _ => &mut main,
            };
            match name.to_ascii_lowercase().as_str() {
                "listen" => {
                    let address = args.first().ok_or(format!("{place}: Listen names no port"))?;
                    listens.push(Address::read(address, true));
                }
                _ if is_deeper && name.to_ascii_lowercase().starts_with("realpeer") => {
                    return Err(format!(
                        "{place}: \"{name}\" stands in the main server or in a virtual host"
                    ));
                }
                _ if !is_deeper => host.directive(name, args, place)?,
                _ => {}
            }
        }
    }
    if let Some((name, place)) = open.first() {
        return Err(format!("{place}: {name}> is never closed"));
    }
    main.level.rules.prepare()?;
    for host in &mut hosts {
        host.level.rules.prepare()?;
    }
    Ok(configuration(main, hosts, &listens))
}

impl Host {
    fn new(place: &Place, addresses: Vec<Address>) -> Host {
        let place = place.clone();
        Host { name: String::new(), place, addresses, level: Level::default(), native: None }
    }

    fn directive(&mut self, name: &str, args: &[String], place: &Place) -> Result<(), String> {
        let first = args.first().map_or("", String::as_str);
        if name.eq_ignore_ascii_case("ServerName") && !self.addresses.is_empty() {
            self.name = first.to_owned();
        } else if name.eq_ignore_ascii_case(WORDS.native) && first.eq_ignore_ascii_case("On") {
            self.native = Some(place.clone());
        } else {
            self.level.add(&WORDS, name, args, place)?;
        }
        Ok(())
    }
}

/// Which address has which hosts: an address of its own goes before `*`, and where
/// neither is, the main server answers.
fn configuration(main: Host, hosts: Vec<Host>, listens: &[Address]) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.warnings.extend(main.level.rules.warnings.iter().cloned());
    configuration.servers.push(Server::new(
        main.name.clone(),
        main.place.clone(),
        &main.level,
        &Level::default(),
    ));
    for host in &hosts {
        configuration.warnings.extend(host.level.rules.warnings.iter().cloned());
        let index = configuration.servers.len();
        let server = Server::new(host.name.clone(), host.place.clone(), &host.level, &main.level);
        configuration.servers.push(server);
        for address in &host.addresses {
            for at in addresses(address, listens) {
                let native = host.native.as_ref().or(main.native.as_ref());
                add(&mut configuration, &at, index, native);
            }
        }
    }
    for listen in listens {
        let everywhere = Address { host: "*".to_owned(), port: listen.port.clone() };
        let has_hosts = configuration
            .listeners
            .iter()
            .any(|known| known.address == listen.text() || known.address == everywhere.text());
        if !has_hosts {
            add(&mut configuration, listen, 0, main.native.as_ref());
        }
    }
    configuration
}

/// The addresses that a virtual host with this one has: one for each port, where it
/// has none of its own.
fn addresses(address: &Address, listens: &[Address]) -> Vec<Address> {
    if address.port != "*" {
        return vec![address.clone()];
    }
    let mut all: Vec<Address> = Vec::new();
    for listen in listens {
        let at = Address { host: address.host.clone(), port: listen.port.clone() };
        if !all.contains(&at) {
            all.push(at);
        }
    }
    all
}

fn add(
    configuration: &mut Configuration,
    address: &Address,
    server: usize,
    native: Option<&Place>,
) {
    let Some(listener) = configuration.listener("apache", &address.text(), false) else { return };
    listener.servers.push(server);
    if listener.native.is_none() {
        listener.native = native.cloned();
    }
}
