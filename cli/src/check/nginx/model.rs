//! The levels, servers and listeners of nginx.

use super::syntax::Directive;
use crate::check::listeners::{Configuration, Level, Server, Words, normal};
use crate::check::rules::Place;

pub(super) const WORDS: Words = Words {
    directive: "realpeer",
    settings: &[
        ("realpeer_timeout", "5s"),
        ("realpeer_max_header", "4096"),
        ("realpeer_versions", "1 2"),
        ("realpeer_no_address", "accept"),
    ],
    server: "server",
    native: "proxy_protocol",
};

/// What the directives of a whole configuration say.
pub(super) fn read(directives: &[Directive]) -> Result<Configuration, String> {
    let mut configuration = Configuration::default();
    misplaced(directives, Context::Main)?;
    for (block, subsystem) in directives.iter().filter_map(subsystem) {
        let outer = level(&block.block)?;
        configuration.warnings.extend(outer.rules.warnings.iter().cloned());
        for server in block.block.iter().filter(|inner| inner.name == "server") {
            add_server(&mut configuration, server, subsystem, &outer)?;
        }
    }
    Ok(configuration)
}

/// Unlike Apache, nginx knows small from capital letters.
fn is_ours(name: &str) -> bool {
    name == WORDS.directive || WORDS.settings.iter().any(|(known, _)| *known == name)
}

fn level(directives: &[Directive]) -> Result<Level, String> {
    let mut level = Level::default();
    for directive in directives.iter().filter(|directive| is_ours(&directive.name)) {
        level.add(&WORDS, &directive.name, &directive.args, &directive.place)?;
    }
    level.rules.prepare()?;
    Ok(level)
}

fn add_server(
    configuration: &mut Configuration,
    server: &Directive,
    subsystem: &'static str,
    outer: &Level,
) -> Result<(), String> {
    let own = level(&server.block)?;
    configuration.warnings.extend(own.rules.warnings.iter().cloned());
    let named = server.block.iter().find(|inner| inner.name == "server_name");
    let name = named.and_then(|named| named.args.first()).cloned().unwrap_or_default();
    let index = configuration.servers.len();
    configuration.servers.push(Server::new(name, server.place.clone(), &own, outer));
    let mut listens = server.block.iter().filter(|inner| inner.name == "listen").peekable();
    if listens.peek().is_none() && subsystem == "http" {
        // What nginx takes if nothing is said, when root has started it.
        listen(configuration, &["80".to_owned()], &server.place, subsystem, index)?;
    }
    for directive in listens {
        listen(configuration, &directive.args, &directive.place, subsystem, index)?;
    }
    Ok(())
}

fn listen(
    configuration: &mut Configuration,
    args: &[String],
    place: &Place,
    subsystem: &'static str,
    server: usize,
) -> Result<(), String> {
    let missing = || format!("{place}: \"listen\" names no address");
    let (address, parameters) = args.split_first().ok_or_else(missing)?;
    let has = |word: &str| parameters.iter().any(|parameter| parameter == word);
    let is_udp = has("udp") || has("quic");
    let listener =
        configuration.listener(subsystem, &normal(address, "80"), is_udp).ok_or_else(missing)?;
    if (has("default_server") || has("default")) && !listener.has_default {
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
        let name = directive.name.as_str();
        if is_ours(name) && matches!(context, Context::Main | Context::Deeper) {
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
