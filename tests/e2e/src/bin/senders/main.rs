//! Has every sender visit the servers, and tells what came of it:
//! docs/senders.md.
//!
//! `senders --write` tries everything and writes the document, `senders
//! --check` fails where the document is not what would be written; that it is
//! true is for tests/senders.rs to find out. Without an argument it is printed.

mod document;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use realpeer_e2e::senders::{Place, ROWS, Row, run};

use document::{VERSIONS, document, senders};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/senders.md");

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => print!("{}", document()),
        Some("--write") => return write(),
        Some("--check") => return check(&document()),
        Some(_) => {
            eprintln!("usage: senders [--write | --check]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write() -> ExitCode {
    let missing: Vec<_> = senders().into_iter().filter_map(|sender| sender.missing()).collect();
    let faults = if missing.is_empty() { faults() } else { missing };
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        eprintln!("{} faults, so nothing is written", faults.len());
        return ExitCode::FAILURE;
    }
    fs::write(DOCUMENT, document()).expect("the folder docs");
    ExitCode::SUCCESS
}

/// Tries all of it, as much at a time as there are processors.
fn faults() -> Vec<String> {
    let trials = ROWS.iter().flat_map(|row| row.places.iter().map(move |place| (row, *place)));
    let trials = Mutex::new(trials);
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = trials.lock().expect("no panic").next();
                    let Some((row, place)) = next else { return };
                    let found = faults_of(row, place);
                    faults.lock().expect("no panic").extend(found);
                }
            });
        }
    });
    faults.into_inner().expect("no panic")
}

fn faults_of(row: &Row, place: Place) -> Vec<String> {
    let found = catch_unwind(AssertUnwindSafe(|| run(row, place)))
        .unwrap_or_else(|_| vec!["it did not come to an end".to_owned()]);
    found.iter().map(|fault| format!("{}, {}: {fault}", row.name(), place.name())).collect()
}

fn check(document: &str) -> ExitCode {
    let written = fs::read_to_string(DOCUMENT).unwrap_or_default();
    let without_versions = |text: &str| match text.split_once(VERSIONS) {
        Some((text, _)) => text.to_owned(),
        None => text.to_owned(),
    };
    let (written, document) = (without_versions(&written), without_versions(document));
    if written == document {
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/senders.md is not the table that is tried: senders --write");
    for line in document.lines().filter(|line| !written.lines().any(|have| have == *line)) {
        eprintln!("+ {line}");
    }
    for line in written.lines().filter(|line| !document.lines().any(|have| have == *line)) {
        eprintln!("- {line}");
    }
    ExitCode::FAILURE
}
