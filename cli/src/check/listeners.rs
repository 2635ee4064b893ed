//! What a configuration says of realpeer, whatever server it is for: levels, servers,
//! and listeners with the servers that share them.

use std::collections::BTreeMap;
use std::io::Write;

use realpeer::Peer;

use super::rules::{Place, RuleList};
use super::{Source, answer};
use crate::Verdict;
use crate::error::Error;

/// How people call things in the configuration of one server program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// The directive with the rules.
    pub(super) directive: &'static str,
    /// Those that set something else, and what holds where they are missing.
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// What shares a listener with others.
    pub(super) server: &'static str,
    /// What takes the header off without us.
    pub(super) native: &'static str,
}

/// What is said at one level: in a server, or around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) rules: RuleList,
    off: Option<Place>,
    /// The other directives, by their names, and their arguments.
    settings: BTreeMap<&'static str, String>,
    /// Of the first directive.
    place: Option<Place>,
}

impl Level {
    /// Takes a directive; false if it is none of ours.
    pub(super) fn add(
        &mut self,
        words: &Words,
        name: &str,
        args: &[String],
        place: &Place,
    ) -> Result<bool, String> {
        let setting = words.settings.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case(words.directive) {
            self.rule(words.directive, args, place)?;
        } else if let Some((setting, _)) = setting {
            if self.settings.insert(setting, args.join(" ")).is_some() {
                return Err(format!("{place}: \"{setting}\" is stated twice"));
            }
        } else {
            return Ok(false);
        }
        self.place.get_or_insert(place.clone());
        Ok(true)
    }

    fn rule(&mut self, directive: &str, args: &[String], place: &Place) -> Result<(), String> {
        let is_off = args.first().is_some_and(|word| word == "off");
        if is_off && args.len() > 1 {
            return Err(format!("{place}: \"{directive} off\" takes no source"));
        }
        let contradicts = match is_off {
            true => self.rules.place().or(self.off.as_ref()),
            false => self.off.as_ref(),
        };
        if let Some(other) = contradicts {
            return Err(format!(
                "{place}: \"{directive} off\" does not go together with {other}; remove one of \
                 them"
            ));
        }
        match is_off {
            true => self.off = Some(place.clone()),
            false => self.rules.add(args, place)?,
        }
        Ok(())
    }

    /// What holds in a server that says this within `outer`.
    pub(super) fn within(&self, outer: &Level) -> Level {
        let mut level = self.clone();
        if self.rules.is_empty() && self.off.is_none() {
            level.rules = outer.rules.clone();
        }
        for (name, value) in &outer.settings {
            level.settings.entry(name).or_insert_with(|| value.clone());
        }
        level
    }

    fn treats_alike(&self, words: &Words, other: &Level) -> bool {
        let value = |level: &Level, name: &str, default: &str| {
            canonical(name, level.settings.get(name).map_or(default, String::as_str))
        };
        let mut settings = words.settings.iter();
        match (self.rules.is_empty(), other.rules.is_empty()) {
            (false, false) => {
                self.rules.same(&other.rules)
                    && settings.all(|(name, default)| {
                        value(self, name, default) == value(other, name, default)
                    })
            }
            (one, two) => one == two,
        }
    }
}

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    place: Place,
    /// What holds in it, what it inherits included.
    level: Level,
    /// Where it says something itself.
    states: Option<Place>,
}

impl Server {
    /// A server that says `own` within `outer`.
    pub(super) fn new(name: String, place: Place, own: &Level, outer: &Level) -> Self {
        Server { name, place, level: own.within(outer), states: own.place.clone() }
    }
}

/// An address and port, with the servers that share it: the default one first.
#[derive(Debug)]
pub(super) struct Listener {
    /// `http`, `stream` or `mail`.
    pub(super) subsystem: &'static str,
    pub(super) address: String,
    pub(super) is_udp: bool,
    pub(super) native: Option<Place>,
    pub(super) servers: Vec<usize>,
    pub(super) has_default: bool,
}

/// All of a configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) servers: Vec<Server>,
    pub(super) listeners: Vec<Listener>,
    /// What a server would warn of.
    pub(super) warnings: Vec<String>,
}

impl Configuration {
    /// The listener of this kind and address, a new one where there is none.
    pub(super) fn listener(
        &mut self,
        subsystem: &'static str,
        address: &str,
        is_udp: bool,
    ) -> Option<&mut Listener> {
        let same = |listener: &Listener| {
            listener.subsystem == subsystem
                && listener.address == address
                && listener.is_udp == is_udp
        };
        let at = self.listeners.iter().position(same).unwrap_or_else(|| {
            self.listeners.push(Listener {
                subsystem,
                address: address.to_owned(),
                is_udp,
                native: None,
                servers: Vec::new(),
                has_default: false,
            });
            self.listeners.len() - 1
        });
        self.listeners.get_mut(at)
    }

    /// What does not go together on a listener; the servers refuse to start.
    fn faults(&self, words: &Words) -> Vec<String> {
        let mut faults = Vec::new();
        for listener in self.listeners.iter().filter(|listener| !listener.is_udp) {
            let mut servers = listener.servers.iter().filter_map(|&at| self.servers.get(at));
            let Some(ruling) = servers.next() else { continue };
            let has_policy = !ruling.level.rules.is_empty();
            if let (Some(native), true) = (&listener.native, has_policy) {
                faults.push(format!(
                    "{native}: \"{}\" and \"{}\" would both read the header of {}; remove one of \
                     them",
                    words.native, words.directive, listener.address
                ));
            }
            for server in servers {
                let Some(states) = &server.states else { continue };
                if server.level.treats_alike(words, &ruling.level) {
                    continue;
                }
                faults.push(format!(
                    "{states}: {} \"{}\" states another policy for {} than the default {} \"{}\" \
                     ({}), which rules there; state the same, or nothing",
                    words.server,
                    server.name,
                    listener.address,
                    words.server,
                    ruling.name,
                    ruling.place
                ));
            }
        }
        faults
    }

    /// Says the policy of each source on each listener with `filter` in its address.
    pub(super) fn say(
        &self,
        words: &Words,
        filter: Option<&str>,
        sources: &[Source],
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        let faults = self.faults(words);
        if !faults.is_empty() {
            return Err(Error::new(faults.join("\nrealpeer: ")));
        }
        let wanted =
            |listener: &&Listener| filter.is_none_or(|text| listener.address.contains(text));
        let listeners: Vec<_> = self.listeners.iter().filter(wanted).collect();
        if listeners.is_empty() {
            return Err(Error::with_hint(
                "the configuration has no such listener",
                "Name the main configuration, and not a file that it includes.",
            ));
        }
        let mut verdict = Verdict::Fine;
        for listener in listeners {
            if self.say_listener(words, listener, sources, out)? == Verdict::Refused {
                verdict = Verdict::Refused;
            }
        }
        Ok(verdict)
    }

    fn say_listener(
        &self,
        words: &Words,
        listener: &Listener,
        sources: &[Source],
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        let server = listener.servers.first().and_then(|&at| self.servers.get(at));
        let Some(Server { name, place, level, .. }) = server else { return Ok(Verdict::Fine) };
        let Listener { subsystem, address, is_udp, .. } = listener;
        writeln!(out, "{subsystem} {address}, {} \"{name}\" ({place})", words.server)?;
        if *is_udp {
            writeln!(
                out,
                "  not covered: connections over UDP or QUIC keep the address of their peer"
            )?;
            return Ok(Verdict::Fine);
        }
        if level.rules.is_empty() {
            writeln!(out, "  no rules: every source is served with its own address")?;
            return Ok(Verdict::Fine);
        }
        for (name, value) in &level.settings {
            writeln!(out, "  {name} {value}")?;
        }
        if sources.is_empty() {
            for origin in level.rules.origins() {
                writeln!(out, "  {origin}")?;
            }
            return Ok(Verdict::Fine);
        }
        let reachable: Vec<_> =
            sources.iter().filter(|source| can_connect(source.peer, address)).collect();
        if reachable.is_empty() {
            writeln!(out, "  the source cannot connect here")?;
        }
        answer(&level.rules, &reachable, "  ", out)
    }
}

/// One form for values that mean the same: `5s` and `5000ms`, `4k` and `4096`, `1 2`
/// and `2 1`.
fn canonical(name: &str, value: &str) -> Vec<String> {
    let is_time = name.to_ascii_lowercase().ends_with("timeout");
    let one = |word: &str| {
        let word = word.to_ascii_lowercase();
        let end = word.find(|char: char| !char.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = word.split_at(end);
        let factor = match unit {
            "" | "s" if is_time => 1000,
            "ms" | "" => 1,
            "m" if is_time => 60_000,
            "k" => 1024,
            "m" => 1024 * 1024,
            _ => return word,
        };
        let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        number.map_or(word, |number| number.to_string())
    };
    let mut words: Vec<String> = value.split_whitespace().map(one).collect();
    words.sort();
    words
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

/// One form for one address, as logs have it: with a port, and without a star.
pub(super) fn normal(address: &str, default_port: &str) -> String {
    if address.starts_with("unix:") {
        return address.to_owned();
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => ("*", address),
        _ => (address, default_port),
    };
    let host = match host.trim_start_matches('[').trim_end_matches(']') {
        "*" => "0.0.0.0".to_owned(),
        inner => match inner.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => inner.to_owned(),
        },
    };
    format!("{host}:{port}")
}
