//! `realpeer check nginx`: what nginx's configuration says of a source.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Source;
use crate::Verdict;
use crate::error::Error;
use files::Files;

mod address;
mod files;
mod include;
mod level;
mod listeners;
mod model;
mod native;
mod realip;
mod settings;
mod syntax;

/// By the configuration of nginx
///
/// Reads the configuration with all files that it includes, and says for each
/// listener which policy the source gets there, and which rule says so. Without a
/// source, says which rules each listener has. Where nginx itself reads the header
/// (listen ... proxy_protocol), says what that does.
///
/// The configuration may be what nginx -T printed, which has all files in it:
/// nginx -T | realpeer check nginx -
///
/// It knows the directives of realpeer, the listeners and set_real_ip_from, and looks
/// up no names. Whether nginx takes the rest of the configuration, nginx -t says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 where every source may connect, 1 where one is refused, 2 where \
the configuration cannot be read or has a fault, 3 where nginx itself reads the header \
of a listener, which any source may send, 4 where --skip-missing left out files that \
may have rules or listeners. Of 1, 3 and 4 the first that applies.")]
pub struct Args {
    /// The configuration, - for the standard input [default: /etc/nginx/nginx.conf]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Look up a relative FILE in this folder, as nginx -p does
    ///
    /// Without FILE, takes conf/nginx.conf in there. Included files are looked up in the
    /// folder of FILE, by nginx as well.
    #[arg(short, long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,

    /// Look up all files below this folder, an unpacked file system
    ///
    /// Files are named as they are there. Symbolic links do not lead out of it.
    #[arg(short, long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Go on without included files that are missing or cannot be read
    #[arg(long)]
    pub skip_missing: bool,

    /// Look only at listeners with this in their address, such as :443
    #[arg(short, long, value_name = "TEXT")]
    pub listener: Option<String>,

    /// The configuration, if not named by -c, and who connects: IP addresses, or unix:
    #[arg(value_name = "FILE|SOURCE", value_parser = Word::read)]
    pub words: Vec<Word>,
}

/// What may stand on the command line without an option.
#[derive(Debug, Clone)]
pub enum Word {
    /// Who connects.
    Source(Source),
    /// The configuration.
    File(PathBuf),
}

impl Word {
    /// A source; or what can only be a file.
    fn read(text: &str) -> Result<Word, String> {
        let error = match Source::read(text) {
            Ok(source) => return Ok(Word::Source(source)),
            Err(error) => error,
        };
        let path = Path::new(text);
        let is_block = text.split_once('/').is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok());
        if is_block {
            return Err("a CIDR block is no source; name an address in it".to_owned());
        }
        let is_file = text == "-"
            || text.contains('/')
            || path.extension().is_some_and(|extension| extension == "conf")
            || path.is_file();
        if is_file { Ok(Word::File(path.to_owned())) } else { Err(format!("{error}; nor a file")) }
    }
}

/// What nginx of most packages reads, and nginx as it is built from source.
const MAIN: &str = "/etc/nginx/nginx.conf";
const MAIN_IN_PREFIX: &str = "conf/nginx.conf";

/// What can be done about files that are not there.
const OTHER_FILES: &str = "\
If they belong to another machine: --root DIR looks below its unpacked file system, \
\"nginx -T | realpeer check nginx -\" needs no files, and --skip-missing goes on without.";

/// Says the policy of each source on each listener.
///
/// # Errors
/// Where the configuration cannot be read or has a fault.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let mut sources = Vec::new();
    let mut config = args.config.clone();
    for word in &args.words {
        match word {
            Word::Source(source) => sources.push(source.clone()),
            Word::File(path) => {
                if let Some(other) = config.replace(path.clone()) {
                    return Err(Error::new(format!(
                        "two configurations, {} and {}; name one",
                        other.display(),
                        path.display()
                    )));
                }
            }
        }
    }
    let (main, text, files) = open(config, args)?;
    let text = syntax::read(&main, &text, &files).map_err(Error::new)?;
    if !text.missing.is_empty() && !args.skip_missing {
        return Err(Error::with_hint(text.missing.join("\nrealpeer: "), OTHER_FILES));
    }
    let mut configuration = model::read(&text.directives).map_err(Error::new)?;
    configuration.warnings.extend(text.warnings);
    configuration
        .warnings
        .extend(text.missing.iter().map(|missing| format!("{missing}; left out")));
    configuration.say(args.listener.as_deref(), &sources, out)
}

/// The main configuration: its path, its text, and where the other files are.
fn open(config: Option<PathBuf>, args: &Args) -> Result<(PathBuf, Vec<u8>, Files), Error> {
    let is_named = config.is_some();
    let prefix = args.prefix.as_deref();
    let mut files = Files::Disk;
    let path = if config.as_deref() == Some(Path::new("-")) {
        // Includes are looked up where a file of this name would be.
        prefix.unwrap_or(Path::new("")).join("-")
    } else {
        let default = if prefix.is_some() { MAIN_IN_PREFIX } else { MAIN };
        let config = config.clone().unwrap_or_else(|| default.into());
        match prefix {
            Some(prefix) => prefix.join(config),
            None => config,
        }
    };
    let path = match &args.root {
        None => path,
        Some(root) => {
            files = Files::Root(root.clone());
            // The path as it is outside, which a shell has completed, will do as well.
            Path::new("/").join(path.strip_prefix(root).unwrap_or(&path))
        }
    };
    let text = match config.as_deref() {
        Some(config) if config == Path::new("-") => files::read_all(io::stdin().lock())
            .map_err(|error| Error::new(format!("standard input: {error}")))?,
        _ => files.read(&path).map_err(|error| match is_named {
            true => Error::file(&path, &error),
            false => Error::with_hint(
                format!("{}: {error}", path.display()),
                "Name the main configuration of nginx, or give it the output of nginx -T.",
            ),
        })?,
    };
    match files::dump(&text) {
        None => Ok((path, text, files)),
        Some(dump) => {
            let (main, files) =
                dump.map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
            let text = files.read(&main).map_err(|error| Error::file(&main, &error))?;
            Ok((main, text, files))
        }
    }
}
