//! The levels, servers and listeners of nginx.

use super::address;
use super::level::{Level, is_ours, only_in};
use super::listeners::{Configuration, Key, Listen, Server};
use super::syntax::Directive;
use crate::check::rules::Place;

/// Where nginx has servers.
const SUBSYSTEMS: [&str; 3] = ["http", "stream", "mail"];

/// Blocks with directives in them. In others, such as map and types, stands what
/// may look like one and is none.
const DEEPER: [&str; 6] = ["server", "events", "upstream", "location", "if", "limit_except"];

/// What the directives of a whole configuration say.
pub(super) fn read(directives: &[Directive]) -> Result<Configuration, String> {
    let mut configuration = Configuration::default();
    misplaced(directives, Context::Main)?;
    for name in SUBSYSTEMS {
        let mut blocks = directives.iter().filter(|directive| directive.name == name);
        let first = blocks.next();
        if let Some(second) = blocks.next() {
            return Err(format!("{}: \"{name}\" is stated twice", second.place));
        }
        let Some(Directive { block: Some(block), .. }) = first else { continue };
        let outer = level(block, name)?;
        configuration.warnings.extend(outer.warnings());
        for server in block.iter().filter(|inner| inner.name == "server") {
            add_server(&mut configuration, server, name, &outer)?;
        }
    }
    Ok(configuration)
}

fn level(directives: &[Directive], subsystem: &str) -> Result<Level, String> {
    let mut level = Level::default();
    for directive in directives.iter().filter(|directive| is_ours(&directive.name)) {
        if let Some(other) = only_in(&directive.name).filter(|other| *other != subsystem) {
            let Directive { name, place, .. } = directive;
            return Err(format!("{place}: \"{name}\" stands in {other} only"));
        }
        level.add(&directive.name, &directive.args, &directive.place)?;
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
    let block = server.block.as_deref().unwrap_or(&[]);
    let own = level(block, subsystem)?;
    let merged = own.within(outer);
    configuration.warnings.extend(own.warnings());
    configuration.warnings.extend(own.without_effect(&merged));
    let named = block.iter().find(|inner| inner.name == "server_name");
    let name = named.and_then(|named| named.args.first()).cloned().unwrap_or_default();
    let index = configuration.servers.len();
    configuration.servers.push(Server::new(name, server.place.clone(), merged, own.place));
    let mut listens = block.iter().filter(|inner| inner.name == "listen").peekable();
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
    let (address, parameters) =
        args.split_first().ok_or_else(|| format!("{place}: \"listen\" names no address"))?;
    let has = |word: &str| parameters.iter().any(|parameter| parameter == word);
    let is_udp = has("udp") || has("quic");
    let default_port = if subsystem == "http" { 80 } else { 0 };
    let (host, ports) = address::read(address, default_port)
        .map_err(|error| format!("{place}: \"listen {address}\": {error}"))?;
    let listen = Listen {
        server,
        place,
        is_default: has("default_server") || has("default"),
        is_native: has("proxy_protocol"),
    };
    for port in ports {
        configuration.listen(Key { subsystem, host: host.clone(), port, is_udp }, &listen)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Main,
    Subsystem,
    Server,
    Deeper,
}

/// A directive where nginx does not take it, or as it does not take it.
fn misplaced(directives: &[Directive], context: Context) -> Result<(), String> {
    for Directive { name, place, block, .. } in directives {
        let name = name.as_str();
        if is_ours(name) && matches!(context, Context::Main | Context::Deeper) {
            return Err(format!(
                "{place}: \"{name}\" stands in http, stream, mail, or in a server of these"
            ));
        }
        let is_subsystem = context == Context::Main && SUBSYSTEMS.contains(&name);
        let is_server = context == Context::Subsystem && name == "server";
        match block {
            None if is_subsystem || is_server => {
                return Err(format!("{place}: \"{name}\" has no block"));
            }
            Some(_) if is_ours(name) || (context == Context::Server && name == "listen") => {
                return Err(format!("{place}: \"{name}\" takes no block"));
            }
            Some(block) if is_subsystem => misplaced(block, Context::Subsystem)?,
            Some(block) if is_server => misplaced(block, Context::Server)?,
            Some(block) if DEEPER.contains(&name) => misplaced(block, Context::Deeper)?,
            _ => {}
        }
    }
    Ok(())
}
