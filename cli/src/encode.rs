//! `realpeer encode`: a header written.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;

use crate::error::Error;
use crate::{Verdict, header, text};

/// Write a header
///
/// Writes a PROXY protocol header and prints it, in hex if nothing else is asked
/// for. With --output raw it can be put in front of any bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0, or 2 where there is no such header.")]
pub struct Args {
    /// How it is printed
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "hex")]
    pub output: Output,

    /// What the header says.
    #[command(flatten)]
    pub header: header::Options,
}

/// How a header is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// The bytes themselves
    Raw,
    /// Hex digits
    Hex,
    /// Base64
    Base64,
    /// Text with escapes such as \x0D, for printf %b
    Escaped,
}

/// Writes the header to `out`.
///
/// # Errors
/// Where no header can say it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let header = args.header.write(None)?;
    match args.output {
        Output::Raw => out.write_all(&header)?,
        Output::Hex => writeln!(out, "{}", text::hex(&header))?,
        Output::Base64 => writeln!(out, "{}", STANDARD.encode(&header))?,
        Output::Escaped => writeln!(out, "{}", text::escaped(&header).trim_matches('"'))?,
    }
    Ok(Verdict::Fine)
}
