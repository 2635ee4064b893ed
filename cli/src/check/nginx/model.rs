//! The levels, servers and listeners of nginx.

use super::address;
use super::level::{Level, is_ours, only_in};
use super::listeners::{Configuration, Key, Listen, Server, Skipped};
use super::realip::RealIp;
use super::syntax::{Directive, INCLUDE};
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
    configuration.skipped.extend(skipped(directives, None));
    for name in SUBSYSTEMS {
        let mut blocks = directives.iter().filter(|directive| directive.name == name);
        let first = blocks.next();
        if let Some(second) = blocks.next() {
            return Err(format!("{}: \"{name}\" is stated twice", second.place));
        }
        let Some(Directive { block: Some(block), .. }) = first else { continue };
        let outer = level(block, name)?;
        let realip = RealIp::read(block);
        configuration.warnings.extend(outer.warnings());
        configuration.skipped.extend(skipped(block, Some(name)));
        for server in block.iter().filter(|inner| inner.name == "server") {
            let inner = server.block.as_deref().unwrap_or(&[]);
            configuration.skipped.extend(skipped(inner, Some(name)));
            add_server(&mut configuration, server, name, (&outer, &realip))?;
        }
    }
    Ok(configuration)
}

/// Files that nginx itself comes with. They have types and parameters, and neither
/// rules nor listeners.
const HARMLESS: [&str; 9] = [
    "mime.types",
    "fastcgi.conf",
    "fastcgi_params",
    "koi-utf",
    "koi-win",
    "proxy_params",
    "scgi_params",
    "uwsgi_params",
    "win-utf",
];

/// The files left out at this level that may have rules or listeners.
fn skipped<'a>(
    directives: &'a [Directive],
    subsystem: Option<&'static str>,
) -> impl Iterator<Item = Skipped> + 'a {
    let is_harmless =
        |name: &str| HARMLESS.iter().any(|harmless| name.rsplit('/').next() == Some(*harmless));
    directives
        .iter()
        .filter(move |directive| {
            directive.name == INCLUDE && !directive.args.iter().any(|name| is_harmless(name))
        })
        .map(move |directive| Skipped { subsystem, place: directive.place.clone() })
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
    (outer, realip): (&Level, &RealIp),
) -> Result<(), String> {
    let block = server.block.as_deref().unwrap_or(&[]);
    let own = level(block, subsystem)?;
    let merged = own.within(outer);
    configuration.warnings.extend(own.warnings());
    configuration.warnings.extend(own.without_effect(&merged));
    let named = block.iter().find(|inner| inner.name == "server_name");
    let name = named.and_then(|named| named.args.first()).cloned().unwrap_or_default();
    let index = configuration.servers.len();
    let realip = RealIp::read(block).within(realip);
    configuration.servers.push(Server::new(name, server.place.clone(), merged, own.place, realip));
    let mut listens = block.iter().filter(|inner| inner.name == "listen").peekable();
    if listens.peek().is_none() {
        let place = &server.place;
        let is_known = !block.iter().any(|inner| inner.name == INCLUDE);
        match subsystem {
            "http" => listen(configuration, None, place, subsystem, index)?,
            _ if is_known => return Err(format!("{place}: this server has no \"listen\"")),
            _ => {}
        }
    }
    for directive in listens {
        listen(configuration, Some(&directive.args), &directive.place, subsystem, index)?;
    }
    Ok(())
}

/// Adds what `listen` names; without `args` what nginx takes where there is none.
fn listen(
    configuration: &mut Configuration,
    args: Option<&[String]>,
    place: &Place,
    subsystem: &'static str,
    server: usize,
) -> Result<(), String> {
    let implied = ["80".to_owned()];
    let (address, parameters) = args
        .unwrap_or(&implied)
        .split_first()
        .ok_or_else(|| format!("{place}: \"listen\" names no address"))?;
    let has = |word: &str| parameters.iter().any(|parameter| parameter == word);
    let is_udp = has("udp") || has("quic");
    let is_native = has("proxy_protocol");
    for (word, home) in [("udp", "stream"), ("quic", "http")] {
        if has(word) && subsystem != home {
            return Err(format!("{place}: \"listen\" of {subsystem} does not know \"{word}\""));
        }
        if has(word) && is_native {
            return Err(format!(
                "{place}: \"proxy_protocol\" does not go together with \"{word}\""
            ));
        }
    }
    let default_port = if subsystem == "http" { 80 } else { 0 };
    let (host, ports) = address::read(address, default_port)
        .map_err(|error| format!("{place}: \"listen {address}\": {error}"))?;
    let listen = Listen {
        server,
        place,
        is_default: has("default_server") || has("default"),
        is_native,
        is_implied: args.is_none(),
        takes_ipv4: has("ipv6only=off"),
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
        if context == Context::Main && matches!(name, "server" | "listen" | "location") {
            return Err(format!(
                "{place}: \"{name}\" stands outside of http, stream and mail; name the main \
                 configuration, which includes this file"
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
