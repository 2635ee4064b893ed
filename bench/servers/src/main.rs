//! What a connection costs nginx and Apache: with no header, with their own way to
//! read one, and with realpeer. See docs/performance-servers.md.
//!
//! ```text
//! bench-servers [--full] [nginx|apache|growth]...
//! ```
//!
//! Instructions, system calls and memory are counted: they hardly differ from one
//! run to the next. Times are measured in rounds in which every way has its turn,
//! and only to be compared with each other. The server has one processor to itself
//! and we have another.

mod apache;
mod case;
mod growth;
mod load;
mod machine;
mod measure;
mod nginx;
mod profile;
mod report;
mod server;
mod table;
mod upstream;
mod usage;

use std::process::ExitCode;

use crate::case::Case;
use crate::load::Talk;
use crate::measure::Effort;
use crate::usage::Cores;

/// What all parts need.
#[derive(Debug)]
pub(crate) struct Bench {
    cores: Cores,
    effort: Effort,
    full: bool,
    upstream: u16,
}

impl Bench {
    /// Connections that are counted: fewer of those that do much.
    fn counted(&self, case: &Case) -> usize {
        if case.talk == Talk::Http(1) { self.effort.counted } else { self.effort.counted / 4 }
    }
}

type Part = (&'static str, fn(&Bench));

const PARTS: [Part; 3] = [("nginx", nginx::run), ("apache", apache::run), ("growth", growth::run)];

fn main() -> ExitCode {
    let mut full = false;
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1) {
        if argument == "--full" {
            full = true;
        } else if let Some(part) = PARTS.iter().find(|(name, _)| *name == argument) {
            wanted.push(*part);
        } else {
            eprintln!("usage: bench-servers [--full] [nginx|apache|growth]...");
            return ExitCode::from(2);
        }
    }
    if wanted.is_empty() {
        wanted.extend(PARTS);
    }
    let effort = if full { Effort::FULL } else { Effort::QUICK };
    let cores = Cores::find();
    usage::allow_many_files();
    let upstream = cores.of_clients(upstream::start);
    let bench = Bench { cores, effort, full, upstream };
    machine::print(&bench);
    for (_, run) in wanted {
        run(&bench);
    }
    ExitCode::SUCCESS
}
