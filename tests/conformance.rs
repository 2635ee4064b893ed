//! Every row of the checklist (`tests/checklist`), of clauses and of attacks on
//! other receivers, has vectors or tests by name.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use realpeer_testdata::{Row, attacks, clauses, vectors};

fn vectors_of() -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for vector in vectors() {
        for clause in vector.clauses {
            *count.entry(clause).or_insert(0) += 1;
        }
    }
    count
}

fn rows() -> impl Iterator<Item = Row> {
    clauses().rows.into_iter().chain(attacks().rows)
}

/// A file of tests of this package or of the command.
fn is_of_the_library(test: &str) -> bool {
    let (file, _) = test.split_once("::").expect("FILE::TEST");
    ["tests", "cli/tests"].iter().any(|folder| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{folder}/{file}.rs")).exists()
    })
}

/// Those of the servers are counted by `conform`, which runs them.
#[test]
fn every_row_has_vectors_or_tests() {
    let count = vectors_of();
    let without: Vec<_> = rows()
        .filter(|row| !count.contains_key(&row.id))
        .filter(|row| !row.tests.iter().any(|test| is_of_the_library(test)))
        .filter(|row| !row.without.contains_key("library"))
        .map(|row| row.id)
        .collect();
    assert!(without.is_empty(), "no vector and no test for {without:?}");
}

#[test]
fn rows_are_unique_and_say_how_much_is_asked() {
    let mut ids = BTreeSet::new();
    for row in rows() {
        let known = ["must", "should", "may", "implied"].contains(&&*row.level);
        assert!(known != row.id.starts_with("attack "), "{}: {:?}", row.id, row.level);
        assert!(ids.insert(row.id.clone()), "twice: {}", row.id);
    }
}

/// Checks the lists against a slip of the pen in a vector's name.
#[test]
fn every_vector_names_known_rows() {
    let known: BTreeSet<String> = rows().map(|row| row.id).collect();
    for (clause, _) in vectors_of() {
        let sender = clause.strip_prefix("sender ").is_some_and(|name| !name.is_empty());
        assert!(sender || known.contains(&clause), "{clause} is no row");
    }
}

#[test]
fn names_are_unique() {
    let mut names = BTreeSet::new();
    for vector in vectors() {
        assert!(names.insert(vector.name.clone()), "twice: {}", vector.name);
    }
}

/// Refusals of the parser are all provoked, and all ways to accept.
#[test]
fn every_verdict_occurs() {
    let seen: BTreeSet<String> = vectors().into_iter().map(|vector| vector.expect).collect();
    let wanted = [
        "more",
        "proxy",
        "local",
        "no_address",
        "no_header",
        "bad_v1",
        "bad_version",
        "bad_command",
        "bad_family",
        "short_address",
        "bad_tlv",
        "bad_checksum",
        "too_long",
        "version_disallowed",
    ];
    for word in wanted {
        assert!(seen.contains(word), "no vector gives {word}");
    }
    assert_eq!(seen.len(), wanted.len(), "{seen:?}");
}
