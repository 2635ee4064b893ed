//! Throws connections of every kind at one nginx with realpeer in http, stream
//! and mail, and looks for what they leave behind: memory errors, leaks,
//! descriptors, connections that nginx still counts.
//!
//! ```text
//! soak [--connections N] [--seed S] [--with plain|valgrind|asan] [--build FOLDER]
//! ```
//!
//! N connections for each of the three, the same ones for the same seed. Under
//! a tool there are two runs, one of a quarter of N before: memory that nobody
//! freed may not be more after more connections.

mod client;
mod plan;
mod random;
mod reports;
mod run;
mod server;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use realpeer_e2e::Watch;

use crate::run::{Check, Outcomes, run};

#[derive(Debug)]
struct Options {
    connections: u64,
    seed: u64,
    watch: Watch,
    /// nginx and its modules, if not those of the repository.
    build: Option<PathBuf>,
}

/// So many blocks may be more after more connections: what is allocated once in
/// the life of a process, on a way that few connections take.
const ONCE: u64 = 4;

const USAGE: &str =
    "usage: soak [--connections N] [--seed S] [--with plain|valgrind|asan] [--build FOLDER]";

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { connections: 400, seed: 1, watch: Watch::Plain, build: None };
        while let Some(option) = arguments.next() {
            let value = arguments.next()?;
            match option.as_str() {
                "--connections" => options.connections = value.parse().ok().filter(|n| *n > 0)?,
                "--seed" => options.seed = value.parse().ok()?,
                "--build" => options.build = Some(value.into()),
                "--with" => {
                    options.watch = match value.as_str() {
                        "plain" => Watch::Plain,
                        "valgrind" => Watch::Valgrind,
                        "asan" => Watch::Sanitizers,
                        _ => return None,
                    }
                }
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
    let Options { connections, seed, watch, build } = options;
    let folder = build.unwrap_or_else(|| watch.folder());
    let under = match watch {
        Watch::Plain => "alone",
        Watch::Valgrind => "under valgrind",
        Watch::Sanitizers => "with sanitizers",
    };
    let start = Instant::now();
    println!("{connections} connections each through http, stream and mail, {under}, seed {seed}");

    let shorter = (watch != Watch::Plain).then(|| {
        let few = (connections / 4).max(30);
        (few, run(watch, &folder, few, seed))
    });
    let mut outcomes = run(watch, &folder, connections, seed);
    if let Some((few, shorter)) = &shorter {
        add_leaks(&mut outcomes, shorter, *few, connections);
    }
    print_table(&outcomes);

    let mut good = true;
    let before = shorter.iter().flat_map(|(_, shorter)| &shorter.checks);
    // Of the short run only what is wrong.
    for check in before.filter(|check| !check.good).chain(&outcomes.checks) {
        good &= check.good;
        let verdict = if check.good { "ok" } else { "FAILED" };
        println!("{verdict:7} {}: {}", check.name, check.detail);
    }
    let word = if good { "ok" } else { "FAILED" };
    println!("soak {under}: {word}, {} s", start.elapsed().as_secs());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add_leaks(outcomes: &mut Outcomes, shorter: &Outcomes, few: u64, many: u64) {
    let (before, after) = (shorter.reports.leaks, outcomes.reports.leaks);
    let growth = after.growth_over(&before);
    let good = growth <= ONCE;
    let text = if good { "" } else { &outcomes.reports.leak_text };
    outcomes.checks.push(Check {
        name: "leaks",
        good,
        detail: if before == after {
            format!("the same after {few} and after {many} each: {after}")
        } else {
            format!(
                "{growth} blocks more, may be {ONCE}\n\
                 \x20       after {few} each: {before}\n\
                 \x20       after {many} each: {after}{text}"
            )
        },
    });
}

fn print_table(outcomes: &Outcomes) {
    let row = |name: &str, [http, stream, mail]: [u64; 3]| {
        println!("  {name:20}{http:>9}{stream:>9}{mail:>9}");
    };
    println!("  {:20}{:>9}{:>9}{:>9}", "what the clients did", "http", "stream", "mail");
    for (kind, counts) in &outcomes.kinds {
        row(kind.name(), *counts);
    }
    println!("  how it ended");
    for (ending, counts) in &outcomes.endings {
        row(ending.name(), *counts);
    }
    println!("  refused, by nginx's log");
    for (word, counts) in &outcomes.refused {
        row(word, *counts);
    }
    println!("  served, by nginx's log");
    for (word, counts) in &outcomes.served {
        row(word, *counts);
    }
}
