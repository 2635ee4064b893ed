//! `realpeer check nginx`: what nginx's configuration says of a source.

use std::io::Write;
use std::path::PathBuf;

use super::Source;
use crate::Verdict;
use crate::error::Error;

mod address;
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
/// It knows the directives of realpeer, the listeners and set_real_ip_from, and looks
/// up no names. Whether nginx takes the rest of the configuration, nginx -t says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 where every source may connect, 1 where one is refused, 2 where \
the configuration cannot be read or has a fault, 3 where nginx itself reads the header \
of a listener, which any source may send. Of 1 and 3 the first that applies.")]
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
    let configuration = model::read(&directives).map_err(Error::new)?;
    configuration.say(args.listener.as_deref(), &args.sources, out)
}
