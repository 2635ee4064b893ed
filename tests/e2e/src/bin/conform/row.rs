//! What came of each row.

use std::collections::{BTreeMap, BTreeSet};

use realpeer_testdata::{Checklist, Row, Vector};

use crate::target::{Column, Target};
use crate::tests::Tests;

/// A vector at one place.
#[derive(Debug)]
pub struct Held {
    pub column: Column,
    /// Its number among all vectors.
    pub vector: usize,
    pub fault: Option<String>,
}

#[derive(Debug)]
pub struct Outcome {
    /// Vectors of each row that held, by column.
    pub vectors: BTreeMap<(String, Column), usize>,
    /// All vectors that held, by column.
    pub all: BTreeMap<Column, usize>,
    pub faults: Vec<String>,
}

impl Outcome {
    pub fn new(lists: &[Checklist], vectors: &[Vector], held: &[Held], tests: &Tests) -> Self {
        // A column has several places: a vector holds there if it does in all.
        let broken: BTreeSet<_> = held
            .iter()
            .filter(|held| held.fault.is_some())
            .map(|held| (held.column, held.vector))
            .collect();
        let sound: BTreeSet<_> = held
            .iter()
            .map(|held| (held.column, held.vector))
            .filter(|held| !broken.contains(held))
            .collect();
        let mut outcome =
            Self { vectors: BTreeMap::new(), all: BTreeMap::new(), faults: Vec::new() };
        for (column, number) in sound {
            *outcome.all.entry(column).or_insert(0) += 1;
            for clause in &vectors[number].clauses {
                *outcome.vectors.entry((clause.clone(), column)).or_insert(0) += 1;
            }
        }
        for held in held {
            if let Some(fault) = &held.fault {
                let Vector { file, name, expect, .. } = &vectors[held.vector];
                let name = name.escape_debug();
                outcome.faults.push(format!("{file}, {name}, wanted {expect}: {fault}"));
            }
        }
        for row in lists.iter().flat_map(|list| &list.rows) {
            let faults = outcome.faults_of(row, tests);
            outcome.faults.extend(faults);
        }
        outcome
    }

    fn faults_of(&self, row: &Row, tests: &Tests) -> Vec<String> {
        let mut faults: Vec<_> = row.tests.iter().filter_map(|test| tests.fault(test)).collect();
        for target in Target::ALL {
            let has_vectors = target.columns().any(|column| self.count(row, column) > 0);
            let has_tests = tests_of(row, target).next().is_some();
            let is_excused = row.without.contains_key(target.name());
            if has_vectors || has_tests {
                if is_excused {
                    faults.push(format!("is tested on {}, and says why not", target.name()));
                }
            } else if !is_excused {
                faults.push(format!("has neither vector nor test on {}", target.name()));
            }
        }
        faults.into_iter().map(|fault| format!("{}: {fault}", row.id)).collect()
    }

    pub fn count(&self, row: &Row, column: Column) -> usize {
        self.vectors.get(&(row.id.clone(), column)).copied().unwrap_or_default()
    }
}

/// The named tests of a row that look at a target.
pub fn tests_of(row: &Row, target: Target) -> impl Iterator<Item = &str> {
    let tests = row.tests.iter().map(String::as_str);
    tests.filter(move |test| Target::of_test(test).contains(&target))
}
