//! The modules for nginx and Apache beside each other: docs/results.md

mod document;
mod finding;
mod servers;

use std::thread;

use finding::Finding;
use realpeer_testdata::Vector;
use servers::{Place, Server};

use crate::Made;
use crate::inputs::{self, Input, Limits, Split};

/// One header, and what each server has found.
#[derive(Debug)]
struct Row<'a> {
    vector: &'a Vector,
    findings: Vec<(Place, Finding)>,
}

pub fn make() -> Made {
    // How a header is split into segments is told in the other documents.
    let whole = |input: &Input| matches!(input.split, Split::Fused | Split::Unfinished);
    let inputs: Vec<_> = inputs::inputs().into_iter().filter(whole).collect();
    let limits: Vec<Limits> = inputs::limits(&inputs).into_iter().collect();
    let all: Vec<_> = thread::scope(|scope| {
        let places = Place::all().map(|place| {
            let (inputs, limits) = (&inputs, &limits);
            (place, scope.spawn(move || Server::start(place, limits).findings(inputs)))
        });
        let places: Vec<_> = places.collect();
        places.into_iter().map(|(place, found)| (place, found.join().expect("no panic"))).collect()
    });
    let rows: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(number, input)| Row {
            vector: &input.vector,
            findings: all.iter().map(|(place, found)| (*place, found[number].clone())).collect(),
        })
        .collect();
    let faults: Vec<_> = rows.iter().flat_map(faults).collect();
    if faults.is_empty() { Ok(document::document(&rows)) } else { Err(faults) }
}

/// Who has found something else than the first, and what the first has not
/// found as the vector has it.
fn faults(row: &Row<'_>) -> Vec<String> {
    let (first, found) = &row.findings[0];
    let wanted = Finding::wanted(row.vector);
    let name = row.vector.name.escape_debug();
    let mut faults = Vec::new();
    if !found.is(&wanted, &row.vector.absent) {
        faults.push(format!("{name}, {}: {found:?}, wanted {wanted:?}", first.name()));
    }
    for (place, other) in row.findings.iter().filter(|(_, other)| other != found) {
        faults.push(format!("{name}, {}: {other:?}, elsewhere {found:?}", place.name()));
    }
    faults
}
