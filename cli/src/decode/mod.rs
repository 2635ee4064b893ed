//! `realpeer decode`: a header taken apart, or what is wrong with it.

use std::io::Write;
use std::path::PathBuf;

use realpeer::{
    Header, Limits, MAX_HEADER, Outcome, Policy, Progress, Settings, Transport, Versions,
    decide_datagram, parse,
};

use crate::Verdict;
use crate::error::Error;
use crate::input::{self, Format};

mod clause;
mod fault;
mod fault_v1;
mod json;
mod layout;
mod table;

use fault::Fault;
use layout::Part;

/// Take a header apart and say what is wrong with it
///
/// Says each field of a PROXY protocol header with the byte it begins at, and what
/// follows the header. Where the bytes are no valid header: the result that
/// realpeer has for them, the byte that decides, and the clause of the
/// specification that it breaks.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 for a valid header, 1 for one that would be refused, 2 where the \
input cannot be read.")]
pub struct Args {
    /// The bytes, in any form but raw; several words are put together
    #[arg(value_name = "BYTES", conflicts_with = "file")]
    pub words: Vec<String>,

    /// Read the bytes from a file, - for the standard input, which is the default
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// How the bytes are written; without it, that is found out
    #[arg(short = 'F', long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// The bytes are a UDP datagram, in which the address of a datagram counts
    #[arg(short = 'u', long)]
    pub datagram: bool,

    /// Print JSON
    #[arg(short, long)]
    pub json: bool,

    /// Refuse version 2 headers of more bytes, as receivers do (4096 by default)
    #[arg(long, value_name = "BYTES", default_value_t = MAX_HEADER)]
    #[arg(value_parser = clap::value_parser!(u32).range(16..=i64::from(MAX_HEADER)))]
    pub max_header: u32,

    /// Refuse headers of other versions
    #[arg(long, value_name = "VERSION", default_value = "1,2", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=2))]
    pub versions: Vec<u8>,
}

impl Args {
    fn limits(&self) -> Limits {
        let versions = match (self.versions.contains(&1), self.versions.contains(&2)) {
            (true, false) => Versions::V1,
            (false, true) => Versions::V2,
            _ => Versions::BOTH,
        };
        Limits { max_header: self.max_header, versions }
    }
}

/// All that can be said of some bytes.
struct Report<'a> {
    bytes: &'a [u8],
    format: Format,
    outcome: Outcome,
    header: Option<Header<'a>>,
    /// What the bytes are, as far as they could be told.
    parts: Vec<Part>,
    fault: Option<Fault>,
}

impl<'a> Report<'a> {
    fn new(bytes: &'a [u8], format: Format, limits: &Limits, transport: Transport) -> Self {
        let (decided_at, result) = decide(bytes, limits);
        let (outcome, header) = match result {
            Ok(Progress::Done(header)) => (meaning(&header, bytes, transport), Some(header)),
            // Nothing is silent that is there.
            Ok(Progress::More { .. }) if bytes.is_empty() && transport == Transport::Datagram => {
                (Outcome::NoHeader, None)
            }
            Ok(Progress::More { .. }) if bytes.is_empty() => (Outcome::Silent, None),
            Ok(Progress::More { .. }) => (Outcome::Truncated, None),
            Err(outcome) => (outcome, None),
        };
        let need = match result {
            Ok(Progress::More { need }) => need,
            _ => 0,
        };
        let fault = match header {
            Some(_) => None,
            None => Some(Fault::find(bytes, outcome, decided_at, need, limits)),
        };
        let parts = layout::parts(bytes, header.as_ref(), fault.as_ref());
        Report { bytes, format, outcome, header, parts, fault }
    }

    /// What follows the header.
    fn payload(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.header?.len()..)
    }
}

/// What a valid header means for a connection or a datagram.
fn meaning(header: &Header<'_>, bytes: &[u8], transport: Transport) -> Outcome {
    match transport {
        Transport::Datagram => {
            let limits = Limits { max_header: MAX_HEADER, ..Limits::default() };
            let settings = Settings { limits, ..Settings::default() };
            decide_datagram(Some(Policy::Require), &settings, bytes).outcome
        }
        _ => header.outcome(),
    }
}

/// The verdict, and after how many bytes it comes: the parser is asked as a server
/// asks it that gets one byte after the other.
fn decide<'a>(bytes: &'a [u8], limits: &Limits) -> (usize, Result<Progress<'a>, Outcome>) {
    for len in 0..bytes.len() {
        let part = bytes.get(..len).unwrap_or(bytes);
        match parse(part, limits) {
            Ok(Progress::More { .. }) => {}
            verdict => return (len, verdict),
        }
    }
    (bytes.len(), parse(bytes, limits))
}

/// Decodes what `args` names.
///
/// # Errors
/// Where the input cannot be read or is not what `--format` says.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let given = match args.words.as_slice() {
        [] => input::read(args.file.as_deref())?,
        words => words.join(" ").into_bytes(),
    };
    let (bytes, format) = input::decode(given, args.format)?;
    let transport = if args.datagram { Transport::Datagram } else { Transport::Stream };
    let report = Report::new(&bytes, format, &args.limits(), transport);
    if args.json {
        json::write(&report, out)?;
    } else {
        table::write(&report, out)?;
    }
    Ok(match report.header {
        Some(_) => Verdict::Fine,
        None => Verdict::Refused,
    })
}
