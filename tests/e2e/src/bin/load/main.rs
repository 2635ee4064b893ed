//! Has one thing after the other go wrong with a server, nginx or Apache, while a
//! well-behaved client behind a balancer is served again and again, and looks for
//! what is lost afterwards. See docs/soak.md.
//!
//! ```text
//! load [--server nginx|event|worker|prefork] [--waiting N] [--seconds S]
//!      [--fault NAME] [--build FOLDER]
//! ```
//!
//! N connections wait without a header in the first of the faults, and parts of that
//! in others. S seconds are shared out among the faults, each of which takes place
//! twice at least, however long that is.

mod clock;
mod crowd;
mod fault;
mod places;
mod run;
mod server;
mod stopped;
mod visitors;
mod with_apache;
mod with_nginx;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fault::Scale;
use crate::run::{Outcome, run};
use crate::server::Software;
use crate::visitors::Phase;

const USAGE: &str = "usage: load [--server nginx|event|worker|prefork] [--waiting N] \
                     [--seconds S] [--fault NAME] [--build FOLDER]";

/// What else has files open, here and in a server.
const OTHER_FILES: u64 = 10_000;

#[derive(Debug)]
struct Options {
    software: Software,
    waiting: usize,
    seconds: u64,
    fault: Option<String>,
    /// nginx and its modules, or mod_realpeer, if not those of the repository.
    build: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options =
            Self { software: Software::Nginx, waiting: 2000, seconds: 0, fault: None, build: None };
        while let Some(option) = arguments.next() {
            let value = arguments.next()?;
            match option.as_str() {
                "--server" => options.software = Software::parse(&value)?,
                "--waiting" => options.waiting = value.parse().ok().filter(|n| *n > 0)?,
                "--seconds" => options.seconds = value.parse().ok()?,
                "--fault" => options.fault = Some(value),
                "--build" => options.build = Some(value.into()),
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let software = options.software;
    let faults: Vec<_> = fault::ALL
        .iter()
        .filter(|fault| (fault.on)(software))
        .filter(|fault| options.fault.as_ref().is_none_or(|name| fault.name == name))
        .collect();
    if faults.is_empty() {
        eprintln!(
            "{USAGE}\nNAME is one of: {}",
            fault::ALL.each_ref().map(|fault| fault.name).join(", ")
        );
        return ExitCode::from(2);
    }
    allow_files(options.waiting);
    let waiting = options.waiting.min(software.room());
    let budget = Duration::from_secs(options.seconds) / u32::try_from(faults.len()).expect("a few");
    let scale = Scale {
        software,
        waiting: options.waiting,
        pace: if budget > Duration::from_secs(10) {
            Duration::from_secs(4)
        } else {
            Duration::from_secs(1)
        },
        budget,
    };
    let folder = options.build.unwrap_or_else(|| software.folder());
    let start = Instant::now();
    println!("{}, up to {waiting} connections that wait", software.title());
    if waiting < options.waiting {
        println!("{} were asked for: more it has no room for", options.waiting);
    }
    let files = getrlimit(Resource::Nofile).current;
    let files = files.map_or("any number of".into(), |files| files.to_string());
    println!("a process may have {files} files open");
    println!(
        "  {:<20}{:<8}{:>8}{:>7}{:>5}{:>10}{:>10}{:>10}",
        "", "", "served", "errors", "cut", "median ms", "p99 ms", "max ms"
    );
    let mut good = true;
    for fault in faults {
        let outcome = run(fault, &scale, &folder);
        good &= outcome.wrong.is_empty();
        print(fault.name, &outcome);
    }
    let word = if good { "ok" } else { "FAILED" };
    println!("load and faults, {}: {word}, {} s", software.title(), start.elapsed().as_secs());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(name: &str, outcome: &Outcome) {
    for (phase, tally) in Phase::ALL.into_iter().zip(&outcome.tallies) {
        let latency = &tally.latency;
        let name = if phase == Phase::Before { name } else { "" };
        println!(
            "  {name:<20}{:<8}{:>8}{:>7}{:>5}{:>10}{:>10}{:>10}",
            phase.name(),
            latency.len(),
            tally.errors(&outcome.cuts).len(),
            tally.cut(&outcome.cuts),
            milliseconds(latency.value_at_quantile(0.5)),
            milliseconds(latency.value_at_quantile(0.99)),
            milliseconds(latency.max()),
        );
    }
    println!("    {} times: {}", outcome.rounds, outcome.said);
    let verdict = if outcome.wrong.is_empty() { "ok" } else { "FAILED" };
    println!("    {verdict}: {}", outcome.held);
    for wrong in &outcome.wrong {
        println!("    FAILED: {wrong}");
    }
}

/// Of microseconds, to a tenth.
fn milliseconds(micros: u64) -> String {
    format!("{}.{}", micros / 1000, micros % 1000 / 100)
}

/// As many open files as the system allows, here and in what is started from here.
fn allow_files(waiting: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = waiting as u64 * 2 + OTHER_FILES;
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let most = |maximum| Rlimit { current: maximum, maximum };
    // Only root may have more than was allowed, and not everywhere.
    if setrlimit(Resource::Nofile, most(maximum)).is_err() {
        setrlimit(Resource::Nofile, most(limit.maximum)).expect("what is allowed");
    }
}
