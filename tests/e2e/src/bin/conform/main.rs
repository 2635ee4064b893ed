//! Sends the vectors to the library and to every running server, finds the
//! named tests, and writes what came of each row of the checklist:
//! docs/conformance.md.
//!
//! `conform` prints the document, `conform --write` writes it, and `conform
//! --check` fails where it is not what came of it now. A row without a test, a
//! vector that does not hold and a test that there is not fail in any case.
//! With `--results LOG`, the output of `cargo test --workspace`, the tests that
//! rows name must have passed there; without, it is enough that they exist.

mod document;
mod library;
mod row;
mod servers;
mod target;
mod tests;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use realpeer_testdata::{attacks, clauses, vectors};

use crate::row::Outcome;
use crate::tests::Tests;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
const USAGE: &str = "usage: conform [--write | --check] [--results LOG]";

#[derive(Debug, Default)]
struct Options {
    write: bool,
    check: bool,
    results: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--write" => options.write = true,
                "--check" => options.check = true,
                "--results" => options.results = Some(arguments.next()?.into()),
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
    let tests = match &options.results {
        Some(log) => Tests::passed(log),
        None => Tests::listed(),
    };
    let vectors = vectors();
    let lists = [clauses(), attacks()];
    let mut held = library::held(&vectors);
    held.extend(servers::held(&vectors));
    let outcome = Outcome::new(&lists, &vectors, &held, &tests);
    for fault in &outcome.faults {
        eprintln!("{fault}");
    }
    if !outcome.faults.is_empty() {
        eprintln!("{} faults", outcome.faults.len());
        return ExitCode::FAILURE;
    }
    let document = document::document(&lists, &outcome);
    if options.check {
        return check(&document);
    }
    if options.write {
        fs::write(DOCUMENT, document).expect("the folder docs");
    } else {
        print!("{document}");
    }
    ExitCode::SUCCESS
}

fn check(document: &str) -> ExitCode {
    let written = fs::read_to_string(DOCUMENT).unwrap_or_default();
    if written == document {
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/conformance.md is not what the tests are: call `make conformance`");
    for line in document.lines().filter(|line| !written.lines().any(|have| have == *line)) {
        eprintln!("+ {line}");
    }
    for line in written.lines().filter(|line| !document.lines().any(|have| have == *line)) {
        eprintln!("- {line}");
    }
    ExitCode::FAILURE
}
