//! Every row of the conformance checklist and every attack on other receivers
//! that a parser can decide has vectors; the rest says where it is tested.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use realpeer_testdata::vectors;

/// Rows of the checklist, with what they ask for. All have vectors.
const CLAUSES: &[(&str, &str)] = &[
    ("G1", "versions 1 and 2, each of which can be switched off"),
    ("G2", "a part of a header is waited for"),
    ("G9", "refused at the first impossible byte"),
    ("G10", "neither signature: refused"),
    ("A1", "PROXY and one space"),
    ("A2", "TCP4, TCP6 or UNKNOWN"),
    ("A3", "UNKNOWN: the rest of the line is ignored"),
    ("A4", "UNKNOWN: the connection keeps its own address"),
    ("A5", "IPv4: four decimal numbers up to 255, no heading zeroes"),
    ("A6", "IPv6: 128 bits, at most one double colon, a dotted tail"),
    ("A7", "one space between fields, in their order"),
    ("A8", "ports: decimal, up to 65535, no heading zeroes"),
    ("A9", "CR LF, neither alone"),
    ("A10", "nothing is used before CR LF"),
    ("A11", "CR LF within 107 bytes"),
    ("A12", "a line without CR LF is waited for"),
    ("A13", "lines of all lengths that must be supported"),
    ("A14", "version 1 is known by its signature"),
    ("B1", "the signature of version 2, byte by byte"),
    ("B2", "version 2 and no other"),
    ("B3", "the upper half of byte 13 alone is compared"),
    ("B4", "LOCAL: accepted whatever the rest is"),
    ("B5", "PROXY: the addresses are used"),
    ("B6", "other commands: refused"),
    ("B7", "undefined families and transports: refused"),
    ("B8", "UNSPEC: the connection keeps its own address"),
    ("B9", "defined families that are no TCP: the same"),
    ("B10", "16 + length bytes, and not one more"),
    ("B11", "a length too small for the addresses: refused"),
    ("B12", "nothing is used before the block is whole"),
    ("B14", "the layout of the addresses"),
    ("B15", "a limit that can be set"),
    ("T1", "TLVs of any types, in any order"),
    ("T2", "TLVs fill their block exactly"),
    ("T3", "ALPN: any bytes"),
    ("T4", "AUTHORITY: shown without control characters"),
    ("T5", "CRC32C: verified"),
    ("T6", "CRC32C: once"),
    ("T7", "NOOP: ignored"),
    ("T8", "UNIQUE_ID: up to 128 bytes"),
    ("T9", "SSL: its format, and when a certificate was verified"),
    ("T10", "SSL: its fields"),
    ("T11", "NETNS"),
    ("T12", "types of applications, vendors, experiments"),
    ("T13", "duplicates: the first is given, all are there"),
    ("T14", "types at the top and within SSL are two things"),
];

/// Rows that are no matter of bytes alone, and the test that has them: a function
/// of a file of this package, or of the tests against real servers.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("G6", "tests/decide.rs", "fn require_does_not_guess"),
    ("A4", "tests/decide.rs", "fn no_address_can_be_refused"),
    ("B8", "tests/decide.rs", "fn no_address_can_be_refused"),
    ("B13", "tests/decide.rs", "fn a_part_of_a_header_at_the_end"),
    ("A10", "tests/splits.rs", "fn every_part_of_a_valid_header_asks_for_more"),
    ("B12", "tests/splits.rs", "fn every_part_of_a_valid_header_asks_for_more"),
    ("attack 13", "tests/vectors.rs", "fn ssl_nested_as_deep_as_it_goes"),
    ("attack 28", "tests/vectors.rs", "fn wherever_in_memory"),
    ("attack 31", "tests/text.rs", "fn addresses_come_from_their_binary_form"),
];

/// Attacks that are the parser's. The others are a server's (2, 8, 12, 22, 25 to
/// 27), a sender's (11), or of a protocol that is not spoken here (29).
const ATTACKS: [u32; 25] =
    [1, 3, 4, 5, 6, 7, 9, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 28, 30, 31, 32, 33, 34];

fn vectors_of() -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for vector in vectors() {
        for clause in vector.clauses {
            *count.entry(clause).or_insert(0) += 1;
        }
    }
    count
}

#[test]
fn every_clause_has_vectors() {
    let count = vectors_of();
    let without: Vec<_> = CLAUSES.iter().filter(|(id, _)| !count.contains_key(*id)).collect();
    assert!(without.is_empty(), "no vector for {without:?}");
}

#[test]
fn every_attack_on_a_parser_has_vectors() {
    let count = vectors_of();
    let without: Vec<_> =
        ATTACKS.iter().filter(|id| !count.contains_key(&format!("attack {id}"))).collect();
    assert!(without.is_empty(), "no vector for attacks {without:?}");
}

/// Checks the lists above against a slip of the pen in a vector's name.
#[test]
fn every_vector_names_known_clauses() {
    let known: BTreeSet<String> = CLAUSES
        .iter()
        .map(|(id, _)| (*id).to_owned())
        .chain(ATTACKS.iter().map(|id| format!("attack {id}")))
        .collect();
    for (clause, _) in vectors_of() {
        let sender = clause.strip_prefix("sender ").is_some_and(|name| !name.is_empty());
        assert!(sender || known.contains(&clause), "{clause} is no clause");
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

#[test]
fn what_is_tested_elsewhere_is_there() {
    for (clause, file, function) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(&format!("{function}(")), "{clause}: {file} has no `{function}`");
    }
}
