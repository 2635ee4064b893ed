//! What a configuration says of realpeer: levels, servers, and listeners with the
//! servers that share them.

use std::collections::BTreeMap;

use super::syntax::Directive;
use crate::check::rules::{Place, RuleList};

/// What is said at one level: in `http`, `stream` or `mail`, or in a `server`.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) rules: RuleList,
    off: Option<Place>,
    /// The other directives, by their names, and their arguments.
    pub(super) settings: BTreeMap<String, String>,
    /// Of the first directive.
    place: Option<Place>,
}

const SETTINGS: [&str; 4] =
    ["realpeer_timeout", "realpeer_max_header", "realpeer_versions", "realpeer_no_address"];

impl Level {
    fn read(directives: &[Directive]) -> Result<Level, String> {
        let mut level = Level::default();
        for directive in directives {
            let place = &directive.place;
            if directive.name == "realpeer" {
                level.rule(directive)?;
            } else if SETTINGS.contains(&directive.name.as_str()) {
                let value = directive.args.join(" ");
                if level.settings.insert(directive.name.clone(), value).is_some() {
                    return Err(format!("{place}: \"{}\" is stated twice", directive.name));
                }
            } else {
                continue;
            }
            level.place.get_or_insert(place.clone());
        }
        level.rules.prepare()?;
        Ok(level)
    }

    fn rule(&mut self, directive: &Directive) -> Result<(), String> {
        let place = &directive.place;
        let is_off = directive.args.first().is_some_and(|word| word == "off");
        if is_off && directive.args.len() > 1 {
            return Err(format!("{place}: \"realpeer off\" takes no source"));
        }
        let contradicts = match is_off {
            true => self.rules.place().or(self.off.as_ref()),
            false => self.off.as_ref(),
        };
        if let Some(other) = contradicts {
            return Err(format!(
                "{place}: \"realpeer off\" does not go together with {other}; remove one of them"
            ));
        }
        match is_off {
            true => self.off = Some(place.clone()),
            false => self.rules.add(&directive.args, place)?,
        }
        Ok(())
    }

    /// What holds in a server that says this within `outer`.
    fn within(&self, outer: &Level) -> Level {
        let mut level = self.clone();
        if self.rules.is_empty() && self.off.is_none() {
            level.rules = outer.rules.clone();
        }
        for (name, value) in &outer.settings {
            level.settings.entry(name.clone()).or_insert_with(|| value.clone());
        }
        level
    }

    fn treats_alike(&self, other: &Level) -> bool {
        match (self.rules.is_empty(), other.rules.is_empty()) {
            (false, false) => self.rules.same(&other.rules) && self.settings == other.settings,
            (one, two) => one == two,
        }
    }
}

/// A server of one of the three subsystems.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) place: Place,
    /// What holds in it, that of the block around it included.
    pub(super) level: Level,
    /// Where it says something itself.
    states: Option<Place>,
}

/// An address and port, with the servers that share it: the default one first.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) subsystem: &'static str,
    pub(super) address: String,
    pub(super) is_udp: bool,
    native: Option<Place>,
    pub(super) servers: Vec<usize>,
    has_default: bool,
}

/// All of a configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) servers: Vec<Server>,
    pub(super) listeners: Vec<Listener>,
    /// What `nginx -t` refuses.
    pub(super) faults: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Configuration {
    pub(super) fn read(directives: &[Directive]) -> Result<Configuration, String> {
        let mut configuration = Configuration::default();
        misplaced(directives, Context::Main)?;
        for (block, subsystem) in directives.iter().filter_map(subsystem) {
            let outer = Level::read(&block.block)?;
            configuration.warnings.extend(outer.rules.warnings.iter().cloned());
            for server in block.block.iter().filter(|inner| inner.name == "server") {
                configuration.server(server, subsystem, &outer)?;
            }
        }
        configuration.check();
        Ok(configuration)
    }

    fn server(
        &mut self,
        server: &Directive,
        subsystem: &'static str,
        outer: &Level,
    ) -> Result<(), String> {
        let own = Level::read(&server.block)?;
        self.warnings.extend(own.rules.warnings.iter().cloned());
        let named = server.block.iter().find(|inner| inner.name == "server_name");
        let index = self.servers.len();
        self.servers.push(Server {
            name: named.and_then(|named| named.args.first()).cloned().unwrap_or_default(),
            place: server.place.clone(),
            level: own.within(outer),
            states: own.place,
        });
        let mut listens = server.block.iter().filter(|inner| inner.name == "listen").peekable();
        if listens.peek().is_none() && subsystem == "http" {
            // What nginx takes if nothing is said, when root has started it.
            self.listen(&["80".to_owned()], &server.place, subsystem, index)?;
        }
        for listen in listens {
            self.listen(&listen.args, &listen.place, subsystem, index)?;
        }
        Ok(())
    }

    fn listen(
        &mut self,
        args: &[String],
        place: &Place,
        subsystem: &'static str,
        server: usize,
    ) -> Result<(), String> {
        let (address, parameters) =
            args.split_first().ok_or(format!("{place}: \"listen\" names no address"))?;
        let address = normal(address);
        let has = |word: &str| parameters.iter().any(|parameter| parameter == word);
        let is_udp = has("udp") || has("quic");
        let is_default = has("default_server") || has("default");
        let same = |listener: &&mut Listener| {
            listener.subsystem == subsystem
                && listener.address == address
                && listener.is_udp == is_udp
        };
        let listener = match self.listeners.iter_mut().find(same) {
            Some(listener) => listener,
            None => {
                self.listeners.push(Listener {
                    subsystem,
                    address,
                    is_udp,
                    native: None,
                    servers: Vec::new(),
                    has_default: false,
                });
                // It has just been pushed.
                self.listeners.last_mut().ok_or("no listener")?
            }
        };
        if is_default && !listener.has_default {
            listener.servers.insert(0, server);
            listener.has_default = true;
        } else {
            listener.servers.push(server);
        }
        if has("proxy_protocol") {
            listener.native.get_or_insert(place.clone());
        }
        Ok(())
    }

    /// What does not go together on a listener.
    fn check(&mut self) {
        for listener in self.listeners.iter().filter(|listener| !listener.is_udp) {
            let mut servers = listener.servers.iter().filter_map(|&at| self.servers.get(at));
            let Some(ruling) = servers.next() else { continue };
            let has_policy = !ruling.level.rules.is_empty();
            if let (Some(native), true) = (&listener.native, has_policy) {
                self.faults.push(format!(
                    "{native}: \"proxy_protocol\" and \"realpeer\" would both read the header of \
                     {}; remove one of them",
                    listener.address
                ));
            }
            for server in servers {
                let Some(states) = &server.states else { continue };
                if server.level.treats_alike(&ruling.level) {
                    continue;
                }
                self.faults.push(format!(
                    "{states}: server \"{}\" states another policy for {} than the default server \
                     \"{}\" ({}), which rules there; state the same, or nothing",
                    server.name, listener.address, ruling.name, ruling.place
                ));
            }
        }
    }

    /// The server that decides for a listener.
    pub(super) fn ruling(&self, listener: &Listener) -> Option<&Server> {
        self.servers.get(*listener.servers.first()?)
    }
}

fn subsystem(directive: &Directive) -> Option<(&Directive, &'static str)> {
    let names = ["http", "stream", "mail"];
    let name = names.into_iter().find(|name| *name == directive.name)?;
    Some((directive, name))
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Main,
    Subsystem,
    Server,
    Deeper,
}

/// A directive where nginx does not take it.
fn misplaced(directives: &[Directive], context: Context) -> Result<(), String> {
    for directive in directives {
        let name = &directive.name;
        let ours = name == "realpeer" || SETTINGS.contains(&name.as_str());
        if ours && matches!(context, Context::Main | Context::Deeper) {
            return Err(format!(
                "{}: \"{name}\" stands in http, stream, mail, or in a server of these",
                directive.place
            ));
        }
        let inner = match context {
            Context::Main if subsystem(directive).is_some() => Context::Subsystem,
            Context::Subsystem if name == "server" => Context::Server,
            _ => Context::Deeper,
        };
        misplaced(&directive.block, inner)?;
    }
    Ok(())
}

/// One form for one address, as nginx's log has it.
fn normal(address: &str) -> String {
    if address.starts_with("unix:") {
        return address.to_owned();
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => ("*", address),
        _ => (address, "80"),
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
