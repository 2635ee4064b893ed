//! Headers that come in parts. The parser keeps no state, so that a header cut
//! anywhere is a matter of its prefixes: all of a valid header's ask for more, and
//! a verdict never changes when more bytes come.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::limits;
use proptest::prelude::*;
use proptest::sample::Index;
use realpeer::{Action, Event, Limits, Policy, Progress, Settings, decide, parse};
use realpeer_testdata::{Vector, vectors};

/// `need` is more than what is here and never more than the header has, so that
/// whoever reads up to it never reads past the header.
fn is_a_part(bytes: &[u8], limits: &Limits, header_len: usize) -> Result<(), String> {
    match parse(bytes, limits) {
        Ok(Progress::More { need }) if need > bytes.len() && need <= header_len => Ok(()),
        other => Err(format!("{} of {header_len} bytes give {other:?}", bytes.len())),
    }
}

#[test]
fn every_part_of_a_valid_header_asks_for_more() {
    for vector in vectors().into_iter().filter(Vector::is_accepted) {
        let limits = limits(&vector);
        for len in 0..vector.at {
            let part = is_a_part(&vector.bytes[..len], &limits, vector.at);
            assert!(part.is_ok(), "{}: {part:?}", vector.name);
        }
    }
}

/// Reads a stream as a server does that may not read ahead: never more than is
/// asked for, and in pieces.
fn read_exactly(
    stream: &[u8],
    limits: &Limits,
    mut piece: impl FnMut(usize) -> usize,
) -> (usize, Result<usize, &'static str>) {
    let mut have = 0;
    loop {
        match parse(&stream[..have], limits) {
            Ok(Progress::Done(header)) => return (have, Ok(header.len())),
            Err(outcome) => return (have, Err(outcome.name())),
            Ok(Progress::More { need }) => {
                let most = need.min(stream.len()) - have;
                if most == 0 {
                    return (have, Err("more"));
                }
                have += piece(most).clamp(1, most);
            }
        }
    }
}

#[test]
fn reading_what_is_needed_never_reads_past_the_header() {
    for vector in vectors().into_iter().filter(Vector::is_accepted) {
        let stream = [&vector.bytes[..vector.at], b"GET / HTTP/1.1\r\n\r\n"].concat();
        let (read, seen) = read_exactly(&stream, &limits(&vector), |most| most);
        assert_eq!((read, seen), (vector.at, Ok(vector.at)), "{}", vector.name);
    }
}

/// As many bytes as the shortest header of either version has, those that version
/// 2 has at least, and all the rest at once.
#[test]
fn a_version_2_header_takes_three_reads() {
    let mut reads = 0;
    let header = realpeer_testdata::encode::v2(0x20, 0, &[0xff; 4000]);
    let (read, _) = read_exactly(&header, &Limits::default(), |most| {
        reads += 1;
        most
    });
    assert_eq!((read, reads), (4016, 3));
}

/// A line in 107 pieces.
#[test]
fn the_longest_line_in_107_pieces() {
    let group = "ffff:".repeat(8);
    let address = group.trim_end_matches(':');
    let line = format!("PROXY UNKNOWN {address} {address} 65535 65535\r\n");
    let mut pieces = 0;
    let (read, seen) = read_exactly(line.as_bytes(), &Limits::default(), |_| {
        pieces += 1;
        1
    });
    assert_eq!((read, seen, pieces), (107, Ok(107), 107));
}

/// What `decide` says may be taken off the stream already is part of the header,
/// or of what is refused.
#[test]
fn what_is_taken_off_early_is_a_headers() {
    for vector in vectors() {
        let settings = Settings { limits: limits(&vector), ..Settings::default() };
        for policy in [Policy::Require, Policy::Optional, Policy::Strip] {
            let mut taken = 0;
            for len in 0..=vector.bytes.len().min(vector.at + 10) {
                let seen = decide(Some(policy), &settings, &vector.bytes[..len], Event::Data);
                if seen.action == Action::Refuse {
                    break;
                }
                assert!(seen.consumed <= len && seen.consumed >= taken, "{}", vector.name);
                taken = seen.consumed;
                if seen.action == Action::Pass && seen.outcome.name() == "absent" {
                    assert_eq!(taken, 0, "{}: bytes of the application are gone", vector.name);
                }
            }
        }
    }
}

/// A vector and a way to cut it.
fn cut() -> impl Strategy<Value = (Vector, Vec<Index>)> {
    let vectors = vectors();
    (0..vectors.len(), prop::collection::vec(any::<Index>(), 0..6))
        .prop_map(move |(at, cuts)| (vectors[at].clone(), cuts))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// However the bytes are cut, the answer is that of the whole.
    #[test]
    fn cuts_do_not_matter((vector, cuts) in cut()) {
        let limits = limits(&vector);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(vector.bytes.len() + 1)).collect();
        ends.push(vector.bytes.len());
        ends.sort_unstable();
        let mut verdict = None;
        // Each part in memory of its own, so that no call sees what comes later.
        for end in ends {
            let part = vector.bytes[..end].to_vec();
            let seen = match parse(&part, &limits) {
                Ok(Progress::More { .. }) => None,
                Ok(Progress::Done(header)) => Some(Ok((header.outcome(), header.len(), header.source()))),
                Err(outcome) => Some(Err(outcome)),
            };
            prop_assert_eq!(seen.is_some(), vector.expect != "more" && end >= vector.at, "{} at {}", &vector.name, end);
            if verdict.is_some() {
                prop_assert_eq!(&seen, &verdict);
            }
            verdict = seen;
        }
    }

    /// Once decided, decided: for bytes of any kind, not those of the vectors only.
    #[test]
    fn a_verdict_stays(
        (vector, cuts) in cut(),
        noise in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let limits = limits(&vector);
        let mut bytes = vector.bytes.clone();
        bytes.truncate(600);
        for (at, byte) in noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.extend(rest);
        let step = 1 + cuts.len();
        let mut verdict: Option<Result<usize, realpeer::Outcome>> = None;
        for len in (0..=bytes.len()).step_by(step) {
            let seen = match parse(&bytes[..len], &limits) {
                Ok(Progress::More { need }) => {
                    prop_assert!(need > len);
                    None
                }
                Ok(Progress::Done(header)) => Some(Ok(header.len())),
                Err(outcome) => Some(Err(outcome)),
            };
            if verdict.is_some() {
                prop_assert_eq!(&seen, &verdict, "at {} of {:02x?}", len, &bytes);
            }
            verdict = seen;
        }
    }
}
