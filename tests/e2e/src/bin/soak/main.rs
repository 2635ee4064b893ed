//! Throws connections of every kind at one server with realpeer, nginx or Apache,
//! and looks for what they leave behind: memory errors, leaks, descriptors,
//! connections that the server still counts.
//!
//! ```text
//! soak [--server nginx|event|worker|prefork] [--connections N] [--seed S]
//!      [--with plain|valgrind|asan] [--build FOLDER]
//! ```
//!
//! N connections in each of three columns (of nginx: http, stream and mail; of
//! Apache, whose servers are named by their MPM: http, https, and http with limits
//! of its own), the same ones for the same seed. Under
//! a tool there are two runs, one of a quarter of N before: memory that nobody
//! freed may not be more after more connections.

mod client;
mod plan;
mod random;
mod reports;
mod run;
mod server;
mod target;
mod with_apache;
mod with_nginx;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use realpeer_e2e::Watch;

use crate::run::{Check, Outcomes, run};
use crate::server::Software;
use crate::target::Columns;

#[derive(Debug)]
struct Options {
    software: Software,
    connections: u64,
    seed: u64,
    watch: Watch,
    /// nginx and its modules, or mod_realpeer, if not those of the repository.
    build: Option<PathBuf>,
}

/// So many blocks may be more after more connections: what is allocated once in
/// the life of a process, on a way that few connections take.
const ONCE: u64 = 4;

const USAGE: &str = "usage: soak [--server nginx|event|worker|prefork] [--connections N] \
                     [--seed S] [--with plain|valgrind|asan] [--build FOLDER]";

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            software: Software::Nginx,
            connections: 400,
            seed: 1,
            watch: Watch::Plain,
            build: None,
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next()?;
            match option.as_str() {
                "--server" => options.software = Software::parse(&value)?,
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
    let Options { software, connections, seed, watch, build } = options;
    let folder = build.unwrap_or_else(|| software.folder(watch));
    let columns = software.columns();
    let under = match watch {
        Watch::Plain => "alone",
        Watch::Valgrind => "under valgrind",
        Watch::Sanitizers => "with sanitizers",
    };
    let start = Instant::now();
    let [a, b, c] = columns.each_ref().map(|column| column.name);
    let server = match software {
        Software::Nginx => "nginx".to_owned(),
        Software::Apache(mpm) => format!("Apache ({})", mpm.name()),
    };
    println!(
        "{server}, {connections} connections each through {a}, {b} and {c}, {under}, seed {seed}"
    );

    let shorter = (watch != Watch::Plain).then(|| {
        let few = (connections / 4).max(30);
        (few, run(software, watch, &folder, few, seed))
    });
    let mut outcomes = run(software, watch, &folder, connections, seed);
    if let Some((few, shorter)) = &shorter {
        add_leaks(&mut outcomes, shorter, *few, connections);
    }
    print_table(columns, &outcomes);

    let mut good = true;
    let before = shorter.iter().flat_map(|(_, shorter)| &shorter.checks);
    // Of the short run only what is wrong.
    for check in before.filter(|check| !check.good).chain(&outcomes.checks) {
        good &= check.good;
        let verdict = if check.good { "ok" } else { "FAILED" };
        println!("{verdict:7} {}: {}", check.name, check.detail);
    }
    let word = if good { "ok" } else { "FAILED" };
    println!("soak of {server} {under}: {word}, {} s", start.elapsed().as_secs());
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

fn print_table(columns: Columns, outcomes: &Outcomes) {
    let row = |name: &str, [a, b, c]: [u64; 3]| {
        println!("  {name:20}{a:>9}{b:>9}{c:>9}");
    };
    let [a, b, c] = columns.each_ref().map(|column| column.name);
    println!("  {:20}{a:>9}{b:>9}{c:>9}", "what the clients did");
    for (kind, counts) in &outcomes.kinds {
        row(kind.name(), *counts);
    }
    println!("  how it ended");
    for (ending, counts) in &outcomes.endings {
        row(ending.name(), *counts);
    }
    println!("  refused, by the server's log");
    for (word, counts) in &outcomes.refused {
        row(word, *counts);
    }
    println!("  served, by the server's log");
    for (word, counts) in &outcomes.served {
        row(word, *counts);
    }
}
