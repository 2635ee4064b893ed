//! What the command `realpeer` does, one module for each of its subcommands.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod check;
pub mod decode;
pub mod encode;
mod error;
pub mod header;
mod input;
pub mod send;
mod text;

pub use error::Error;

/// Takes PROXY protocol headers apart, writes and sends them, and says which
/// policy a source gets
#[derive(Debug, Parser)]
#[command(name = "realpeer", version, propagate_version = true)]
#[command(after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 where all is well, 1 where a header is not valid, a source is \
refused or a connection failed, 2 where the command cannot be understood or a \
file cannot be read. realpeer check nginx has 3 and 4 as well.";

/// The subcommands. Their help is what stands at their arguments.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum Command {
    Decode(decode::Args),
    Encode(encode::Args),
    Send(send::Args),
    Check(check::Args),
}

/// What came out, as far as the exit status says. In a sum the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// 0
    Fine,
    /// 4: files were left out that may say otherwise.
    Incomplete,
    /// 3: rules do not decide everywhere, since a server reads the header by itself.
    Native,
    /// 1
    Refused,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(match verdict {
            Verdict::Fine => 0,
            Verdict::Refused => 1,
            Verdict::Native => 3,
            Verdict::Incomplete => 4,
        })
    }
}

/// Does what `cli` says and writes the answer to `out`.
///
/// # Errors
/// Where the command cannot be carried out: exit status 2.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<Verdict, Error> {
    match &cli.command {
        Command::Decode(args) => decode::run(args, out),
        Command::Encode(args) => encode::run(args, out),
        Command::Send(args) => send::run(args, out),
        Command::Check(args) => check::run(args, out),
    }
}
