//! `realpeer check apache`: what Apache's configuration says of a source.

use std::io::Write;
use std::path::PathBuf;

use super::Source;
use crate::Verdict;
use crate::error::Error;

mod model;
mod syntax;

/// By the configuration of Apache httpd
///
/// Reads the configuration with all files that it includes, and says for each
/// address which policy the source gets there, and which rule says so. Without a
/// source, says which rules each address has.
///
/// It knows RealPeer and its settings, Listen and virtual hosts, Define, and the
/// sections IfModule and IfDefine; modules are those that LoadModule names. Sections
/// with other conditions count as if these held. Whether Apache takes the
/// configuration, apachectl configtest says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "/etc/apache2/apache2.conf")]
    pub config: PathBuf,

    /// Look only at listeners with this in their address, such as :443
    #[arg(short, long, value_name = "TEXT")]
    pub listener: Option<String>,

    /// Who connects: IP addresses, or unix:
    #[arg(value_name = "SOURCE", value_parser = Source::read)]
    pub sources: Vec<Source>,
}

/// Says the policy of each source on each address.
///
/// # Errors
/// Where the configuration cannot be read or has a fault.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let lines = syntax::read(&args.config).map_err(Error::new)?;
    let configuration = model::read(&lines).map_err(Error::new)?;
    configuration.say(&model::WORDS, args.listener.as_deref(), &args.sources, out)
}
