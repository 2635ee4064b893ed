//! Listeners, with the servers that share them, and what they do with sources.

use std::collections::HashMap;
use std::io::Write;

use super::address::{Host, Ports};
use super::level::{DIRECTIVE, Level};
use super::native;
use super::realip::RealIp;
use crate::Verdict;
use crate::check::rules::Place;
use crate::check::{Source, answer};
use crate::error::Error;

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    place: Place,
    /// What holds in it, what it inherits included.
    level: Level,
    /// Where it says something itself.
    states: Option<Place>,
    /// What the realip module does in it.
    realip: RealIp,
}

impl Server {
    /// A server that says something at `states`, where `level` and `realip` hold.
    pub(super) fn new(
        name: String,
        place: Place,
        level: Level,
        states: Option<Place>,
        realip: RealIp,
    ) -> Self {
        Server { name, place, level, states, realip }
    }
}

/// What makes two listeners one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// `http`, `stream` or `mail`.
    pub(super) subsystem: &'static str,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) is_udp: bool,
}

/// An address and port, with the servers that share it: the default one first.
#[derive(Debug)]
pub(super) struct Listener {
    key: Key,
    /// Where nginx is told to read the header, by one server for all.
    native: Option<Place>,
    /// Whether a server is there because it has no `listen`.
    is_implied: bool,
    takes_ipv4: bool,
    servers: Vec<usize>,
    /// Where a server was made the default one.
    default: Option<Place>,
}

/// How `listen` was said.
#[derive(Debug)]
pub(super) struct Listen<'a> {
    pub(super) server: usize,
    pub(super) place: &'a Place,
    pub(super) is_default: bool,
    pub(super) is_native: bool,
    pub(super) is_implied: bool,
    pub(super) takes_ipv4: bool,
}

/// An `include` that was left out, and the subsystem that it is in.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) subsystem: Option<&'static str>,
    pub(super) place: Place,
}

/// All of a configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) servers: Vec<Server>,
    /// What nginx would warn of.
    pub(super) warnings: Vec<String>,
    /// What was left out, and may have rules or listeners.
    pub(super) skipped: Vec<Skipped>,
    listeners: Vec<Listener>,
    index: HashMap<Key, usize>,
}

/// Listeners on ports that follow each other and have the same servers.
struct Group<'a> {
    first: &'a Listener,
    last: u16,
}

impl Group<'_> {
    fn address(&self) -> Ports<'_> {
        Ports(&self.first.key.host, self.first.key.port, self.last)
    }

    fn goes_on_with(&self, listener: &Listener) -> bool {
        let next = Key { port: self.last.wrapping_add(1), ..self.first.key.clone() };
        next == listener.key
            && self.first.servers == listener.servers
            && self.first.native == listener.native
            && self.first.takes_ipv4 == listener.takes_ipv4
            && self.first.is_implied == listener.is_implied
    }
}

impl Configuration {
    /// A server listens there; where nginx refuses that, says why.
    pub(super) fn listen(&mut self, key: Key, listen: &Listen<'_>) -> Result<(), String> {
        let Listen { server, place, is_default, is_native, is_implied, takes_ipv4 } = *listen;
        let can_share = key.subsystem != "mail";
        let at = *self.index.entry(key).or_insert_with_key(|key| {
            let key = key.clone();
            self.listeners.push(Listener {
                key,
                native: None,
                is_implied: false,
                takes_ipv4: false,
                servers: Vec::new(),
                default: None,
            });
            self.listeners.len() - 1
        });
        let Some(listener) = self.listeners.get_mut(at) else { return Ok(()) };
        let address = Ports(&listener.key.host, listener.key.port, listener.key.port);
        if listener.servers.contains(&server) {
            return Err(format!("{place}: this server listens on {address} already"));
        }
        if let (false, Some(&other)) = (can_share, listener.servers.first()) {
            let other = self.servers.get(other).map(|other| other.place.to_string());
            return Err(format!(
                "{place}: {address} belongs to another server of mail, {}",
                other.unwrap_or_default()
            ));
        }
        match (&listener.default, is_default) {
            (Some(other), true) => {
                return Err(format!("{place}: {address} has a default server already, by {other}"));
            }
            (None, true) => {
                listener.servers.insert(0, server);
                listener.default = Some(place.clone());
            }
            (_, false) => listener.servers.push(server),
        }
        if is_native {
            listener.native.get_or_insert(place.clone());
        }
        listener.is_implied |= is_implied;
        listener.takes_ipv4 |= takes_ipv4;
        Ok(())
    }

    /// The listeners with `filter` in their address.
    fn groups(&self, filter: Option<&str>) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for listener in &self.listeners {
            let Key { host, port, .. } = &listener.key;
            let is_wanted = |text| Ports(host, *port, *port).to_string().contains(text);
            if !filter.is_none_or(is_wanted) {
                continue;
            }
            match groups.last_mut() {
                Some(group) if group.goes_on_with(listener) => group.last = *port,
                _ => groups.push(Group { first: listener, last: *port }),
            }
        }
        groups
    }

    /// What does not go together on a listener; nginx refuses to start.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for group in self.groups(None) {
            let address = group.address();
            let Listener { key, native, servers, .. } = group.first;
            if key.is_udp {
                continue;
            }
            let mut servers = servers.iter().filter_map(|&at| self.servers.get(at));
            let Some(ruling) = servers.next() else { continue };
            let has_policy = !ruling.level.rules.is_empty();
            if let (Some(native), true) = (native, has_policy) {
                faults.push(format!(
                    "{native}: \"proxy_protocol\" and \"{DIRECTIVE}\" would both read the header \
                     of {address}; remove one of them"
                ));
            }
            for server in servers {
                let Some(states) = &server.states else { continue };
                if server.level.treats_alike(&ruling.level) {
                    continue;
                }
                faults.push(format!(
                    "{states}: server \"{}\" states another policy for {address} than the default \
                     server \"{}\" ({}), which rules there; state the same, or nothing",
                    server.name, ruling.name, ruling.place
                ));
            }
        }
        faults
    }

    /// Says the policy of each source on each listener with `filter` in its address.
    pub(super) fn say(
        &self,
        filter: Option<&str>,
        sources: &[Source],
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(Error::with_hint(
                faults.join("\nrealpeer: "),
                "nginx does not start with this configuration.",
            ));
        }
        let groups = self.groups(filter);
        if self.listeners.is_empty() && !self.skipped.is_empty() {
            writeln!(out, "no listener in the files that were read")?;
            return Ok(Verdict::Incomplete);
        }
        if groups.is_empty() {
            return Err(match filter {
                Some(filter) if !self.listeners.is_empty() => Error::with_hint(
                    format!("the configuration has no such listener: {filter:?} is in no address"),
                    "Without --listener all of them are listed.",
                ),
                _ => Error::with_hint(
                    "the configuration has no such listener, and no other one",
                    "Name the main configuration, and not a file that it includes.",
                ),
            });
        }
        let mut verdict = match self.skipped.is_empty() {
            true => Verdict::Fine,
            false => Verdict::Incomplete,
        };
        for group in groups {
            verdict = verdict.max(self.say_group(&group, sources, out)?);
        }
        Ok(verdict)
    }

    fn say_group(
        &self,
        group: &Group<'_>,
        sources: &[Source],
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        let Listener { key, servers, native, takes_ipv4, .. } = group.first;
        let servers: Vec<_> = servers.iter().filter_map(|&at| self.servers.get(at)).collect();
        let Some(Server { name, place, level, realip, .. }) = servers.first() else {
            return Ok(Verdict::Fine);
        };
        writeln!(out, "{} {}, server \"{name}\" ({place})", key.subsystem, group.address())?;
        let is_complete = self.say_what_is_unknown(group, out)?;
        if key.subsystem == "http" {
            say_realip(&servers, out)?;
        }
        if key.is_udp {
            writeln!(
                out,
                "  not covered: connections over UDP or QUIC keep the address of their peer"
            )?;
            return Ok(Verdict::Fine);
        }
        let can_connect = |peer| key.host.can_be_reached_by(peer, *takes_ipv4);
        if let Some(native) = native {
            native::say(native, key.subsystem, realip, sources, can_connect, out)?;
            return Ok(Verdict::Native);
        }
        if level.rules.is_empty() {
            match is_complete {
                true => writeln!(
                    out,
                    "  no rules: no header is read, every connection keeps the address of its source"
                )?,
                false => writeln!(out, "  no rules in the files that were read")?,
            }
            return Ok(Verdict::Fine);
        }
        for (name, value) in level.settings() {
            writeln!(out, "  {name} {value}")?;
        }
        if sources.is_empty() {
            for origin in level.rules.origins() {
                writeln!(out, "  {origin}")?;
            }
            return Ok(Verdict::Fine);
        }
        answer(&level.rules, sources, can_connect, "  ", out)
    }

    /// Says what this program does not know of a listener, and whether all files were
    /// read that may have something for it.
    fn say_what_is_unknown(&self, group: &Group<'_>, out: &mut dyn Write) -> Result<bool, Error> {
        let Listener { key, servers, is_implied, .. } = group.first;
        if matches!(key.host, Host::Name(_)) {
            writeln!(
                out,
                "  names are not looked up: if another listener has the address of this one, the two \
                 are one, with one default server, and proxy_protocol of either holds for both"
            )?;
        }
        if *is_implied {
            writeln!(
                out,
                "  no listen: the port is 80, but 8000 where nginx is not started by root"
            )?;
        }
        if key.subsystem == "stream" && servers.len() > 1 {
            writeln!(
                out,
                "  shared by {} servers, which nginx takes from 1.25.5 on; older ones do not start",
                servers.len()
            )?;
        }
        let mut skipped =
            self.skipped.iter().filter(|it| it.subsystem == Some(key.subsystem)).peekable();
        let is_complete = skipped.peek().is_none();
        for Skipped { place, .. } in skipped {
            writeln!(
                out,
                "  incomplete: a file was left out in {place}, with what it may say of this \
                 listener"
            )?;
        }
        Ok(is_complete)
    }
}

/// Says where requests have another address than the connection, as far as that does
/// not come from the PROXY protocol.
fn say_realip(servers: &[&Server], out: &mut dyn Write) -> Result<(), Error> {
    let Some(Server { realip, .. }) = servers.first() else { return Ok(()) };
    if realip.header() != "proxy_protocol" && !realip.from().is_empty() {
        let from: Vec<_> = realip.from().iter().map(|from| from.text.as_str()).collect();
        let place = realip.from().first().map(|from| from.place.to_string());
        writeln!(
            out,
            "  per request, real_ip_header {} replaces the address if that is of {} ({})",
            realip.header(),
            from.join(" "),
            place.unwrap_or_default()
        )?;
    }
    let other = servers.iter().find(|other| !other.realip.same(realip));
    let deeper = servers.iter().find_map(|server| server.realip.deeper.as_ref());
    let other = other.and_then(|other| other.realip.place.as_ref().or(Some(&other.place)));
    if let Some(place) = deeper.or(other) {
        writeln!(
            out,
            "  per request, set_real_ip_from and real_ip_header may differ: see {place}"
        )?;
    }
    Ok(())
}
