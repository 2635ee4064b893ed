//! One receiver for one connection after another, as servers with free lists have
//! it: nothing of a connection may decide about the next one.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use common::call::{INVALID, rule};
use common::socket::*;
use realpeer::ffi::*;
use realpeer::{Policy, Rule, Rules};

/// `require` for the balancer, `direct` for a monitor, no rule for anyone else.
fn rules() -> [Rule; 5] {
    let mut rules = [
        rule("127.0.0.1", Policy::Require),
        rule("127.0.0.7", Policy::Direct),
        rule("127.0.0.8", Policy::Optional),
        rule("127.0.0.9", Policy::Strip),
        rule("127.0.0.10", Policy::Refuse),
    ];
    Rules::prepare(&mut rules).expect("no source twice");
    rules
}

/// A connection, what it sends, and the answer of a receiver that is new.
struct Visit {
    from: &'static str,
    sends: &'static [u8],
    closes: bool,
    answer: &'static str,
}

const VISITS: [Visit; 14] = [
    Visit { from: "127.0.0.1", sends: V1, closes: false, answer: "proxy" },
    Visit { from: "127.0.0.1", sends: b"PROXY UNKNOWN\r\n", closes: false, answer: "no_address" },
    Visit { from: "127.0.0.1", sends: REQUEST, closes: false, answer: "no_header" },
    Visit { from: "127.0.0.1", sends: b"PROXY TCP4 1", closes: true, answer: "truncated" },
    Visit { from: "127.0.0.1", sends: b"PROXY TCP4 1", closes: false, answer: "timeout" },
    Visit { from: "127.0.0.1", sends: b"", closes: true, answer: "silent" },
    Visit { from: "127.0.0.7", sends: V1, closes: false, answer: "direct" },
    Visit { from: "127.0.0.7", sends: REQUEST, closes: false, answer: "direct" },
    Visit { from: "127.0.0.8", sends: V1, closes: false, answer: "proxy" },
    Visit { from: "127.0.0.8", sends: b"PRO", closes: false, answer: "absent" },
    Visit { from: "127.0.0.8", sends: REQUEST, closes: false, answer: "absent" },
    Visit { from: "127.0.0.9", sends: V1, closes: false, answer: "stripped" },
    Visit { from: "127.0.0.10", sends: V1, closes: false, answer: "untrusted" },
    Visit { from: "127.0.0.11", sends: V1, closes: false, answer: "untrusted" },
];

impl Visit {
    fn begin(&self) -> Pair {
        let mut pair = Pair::tcp_from(self.from);
        pair.send(self.sends);
        if self.closes {
            pair.close();
            while !pair.is_readable() {
                std::thread::yield_now();
            }
        }
        pair
    }
}

fn taker(rules: &[Rule]) -> Taker {
    let mut taker = Taker::new(-1, 0);
    taker.receiver.rules = rules.as_ptr();
    taker.receiver.rule_count = rules.len() as u32;
    taker.receiver.buffer = taker.buffer.as_mut_ptr();
    taker.receiver.buffer_size = taker.buffer.len() as u32;
    taker
}

/// To the end, by waiting or by asking until there is an answer.
fn answer(taker: &mut Taker, waits: bool, timeout: i32) -> &'static str {
    taker.receiver.timeout_ms = timeout;
    let word = if waits {
        taker.wait()
    } else {
        loop {
            match taker.nowait() {
                "more" => std::thread::yield_now(),
                word => break word,
            }
        }
    };
    taker.receiver.timeout_ms = 60_000;
    word
}

/// Each pair of answers, one after the other in one receiver of which nothing but
/// the socket is set anew.
#[test]
fn a_receiver_that_is_used_again_answers_as_a_new_one() {
    let rules = rules();
    for waits in [true, false] {
        for first in &VISITS {
            for second in &VISITS {
                let mut taker = taker(&rules);
                for visit in [first, second] {
                    let pair = visit.begin();
                    taker.receiver.fd = pair.fd();
                    let before = format!("{:?}", taker.receiver);
                    let needs_end = ["timeout", "absent"].contains(&visit.answer);
                    let timeout = if needs_end { 1 } else { 60_000 };
                    let word = answer(&mut taker, waits, timeout);
                    let what = (first.answer, second.answer, waits);
                    assert_eq!(word, visit.answer, "{what:?} from {}", visit.from);
                    assert_eq!(format!("{:?}", taker.receiver), before, "{what:?}");
                    let known = if word == "proxy" { client() } else { None };
                    assert_eq!(taker.client(), known, "{what:?}");
                    assert_eq!(pair.low_water(), 1);
                }
            }
        }
    }
}

/// A deadline and a policy that the caller has set stay as well.
#[test]
fn what_the_caller_has_set_stays() {
    for answer in ["proxy", "no_header", "invalid_argument"] {
        let pair = Pair::tcp();
        let mut taker = Taker::new(pair.fd(), OPTIONAL);
        taker.receiver.deadline = u64::MAX;
        assert_eq!(taker.nowait(), "more");
        pair.send(match answer {
            "no_header" => b"PROXY TCP4 !",
            _ => V1,
        });
        let before = taker.receiver.buffer_size;
        let word = match answer {
            "invalid_argument" => {
                let sizes = (size_of::<realpeer_receiver>(), size_of::<realpeer_decision>());
                taker.receiver.buffer_size = 1;
                let result = unsafe {
                    realpeer_receive(&mut taker.receiver, sizes.0, &mut taker.decision, sizes.1)
                };
                assert_eq!(result, INVALID);
                "invalid_argument"
            }
            _ => taker.nowait(),
        };
        assert_eq!(word, if answer == "no_header" { "bad_v1" } else { answer });
        taker.receiver.buffer_size = before;
        let mut fresh = Taker::new(pair.fd(), OPTIONAL);
        fresh.receiver.deadline = u64::MAX;
        fresh.receiver.buffer = taker.receiver.buffer;
        fresh.receiver.buffer_size = before;
        assert_eq!(format!("{:?}", taker.receiver), format!("{:?}", fresh.receiver));
    }
}

/// An error is an answer, too.
#[test]
fn an_error_leaves_nothing_behind() {
    let rules = rules();
    let mut taker = taker(&rules);
    let first = Pair::tcp_from("127.0.0.1");
    first.send(b"PROXY TCP4 192.0.2.1 ");
    taker.receiver.fd = first.fd();
    let before = format!("{:?}", taker.receiver);
    assert_eq!(taker.nowait(), "more");
    taker.receiver.fd = -1;
    assert_eq!(taker.nowait(), "socket");
    taker.receiver.fd = first.fd();
    assert_eq!(format!("{:?}", taker.receiver), before);
    let second = Pair::tcp_from("127.0.0.7");
    taker.receiver.fd = second.fd();
    assert_eq!(taker.nowait(), "direct");
}

/// A connection that the program ends while it waits, and another one of the same
/// number in its place.
#[test]
fn another_connection_in_the_middle_of_waiting() {
    let rules = rules();
    for (begin, from, sends, wanted) in [
        (&b"PROXY TCP4 192.0.2.1 "[..], "127.0.0.11", V1, "untrusted"),
        (b"PROXY TCP4 192.0.2.1 ", "127.0.0.1", &V1[21..], "no_header"),
        (b"PROXY TCP4 192.0.2.1 ", "127.0.0.1", V1, "proxy"),
        (b"PROXY TCP4 192.0.2.1 ", "127.0.0.7", REQUEST, "direct"),
        (b"", "127.0.0.11", V1, "untrusted"),
        (b"", "127.0.0.9", V1, "stripped"),
    ] {
        for same_number in [true, false] {
            let mut taker = taker(&rules);
            let first = Pair::tcp_from("127.0.0.1");
            first.send(begin);
            taker.receiver.fd = first.fd();
            assert_eq!(taker.nowait(), "more");
            let mut second = Pair::tcp_from(from);
            second.send(sends);
            let mut kept = None;
            if same_number {
                let number = first.fd();
                assert_eq!(unsafe { libc::dup2(second.fd(), number) }, number);
                std::mem::forget(first.ours);
                second.ours = unsafe { OwnedFd::from_raw_fd(number) };
            } else {
                kept = Some(first);
            }
            taker.receiver.fd = second.ours.as_raw_fd();
            assert_eq!(taker.wait(), wanted, "{begin:?} {from} {same_number}");
            drop(kept);
        }
    }
}

/// What the rules have said holds until there is an answer: nothing is asked again.
#[test]
fn the_policy_is_found_once() {
    let rules = rules();
    let mut taker = taker(&rules);
    let pair = Pair::tcp_from("127.0.0.1");
    taker.receiver.fd = pair.fd();
    assert_eq!(taker.nowait(), "more");
    let others = [rule("all", Policy::Direct)];
    taker.receiver.rules = others.as_ptr();
    taker.receiver.rule_count = 1;
    pair.send(V1);
    assert_eq!(taker.nowait(), "proxy");
    // Another number of the same socket is the same connection.
    let mut taker = self::taker(&rules);
    let pair = Pair::tcp_from("127.0.0.1");
    pair.send(&V1[..20]);
    taker.receiver.fd = pair.fd();
    assert_eq!(taker.nowait(), "more");
    let other = unsafe { OwnedFd::from_raw_fd(libc::dup(pair.fd())) };
    taker.receiver.fd = other.as_raw_fd();
    pair.send(&V1[20..]);
    assert_eq!(taker.nowait(), "proxy");
}
