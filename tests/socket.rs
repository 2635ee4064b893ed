//! The header taken off real sockets, TCP on the loopback and Unix ones, blocking
//! and not, in one piece and in many; and what is left for the application.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::os::fd::AsRawFd;
use std::thread;

use common::socket::*;
use libc::c_int;
use realpeer::ffi::*;
use realpeer::{Event, MAX_HEADER, Policy, Settings, decide};
use realpeer_testdata::{Vector, bytes, vectors};

#[test]
fn exactly_the_header_is_taken() {
    for header in [V1.to_vec(), v2()] {
        for pair in Pair::each() {
            let flags = pair.flags();
            pair.send(&[&header, REQUEST].concat());
            let mut taker = Taker::new(pair.fd(), REQUIRE);
            assert_eq!(taker.wait(), "proxy", "{}", pair.what);
            assert_eq!(taker.client(), client());
            assert_eq!(taker.decision.consumed as usize, header.len());
            assert_eq!(taker.receiver.have, 0);
            assert_eq!(taker.buffer[..header.len()], header);
            assert_eq!(pair.flags(), flags);
            assert_eq!(pair.rest(), REQUEST);
        }
    }
}

/// Every vector with something behind it, under every policy that reads: the
/// answer is that of `decide`, and no byte of the application is lost.
#[test]
fn vectors_over_sockets() {
    let mut accepted = 0;
    for vector in vectors() {
        // A larger one does not fit into a Unix socket at once.
        if vector.bytes.len() > 20_000 {
            continue;
        }
        for (policy, pair) in [
            (Policy::Require, Pair::unix()),
            (Policy::Optional, Pair::unix()),
            (Policy::Strip, Pair::tcp()),
        ] {
            accepted += usize::from(over_a_socket(&vector, policy, pair));
        }
    }
    assert!(accepted > 300, "only {accepted} were accepted");
}

fn over_a_socket(vector: &Vector, policy: Policy, mut pair: Pair) -> bool {
    let stream = match vector.expect.as_str() {
        "more" => vector.bytes.clone(),
        _ => [&vector.bytes, REQUEST].concat(),
    };
    let c = common::c::settings(vector);
    let settings = Settings { limits: common::limits(vector), ..Settings::default() };
    let wanted = decide(Some(policy), &settings, &stream, Event::Closed);
    pair.send(&stream);
    pair.close();
    let mut taker = Taker::with_buffer(pair.fd(), policy as i32, MAX_HEADER as usize);
    taker.receiver.settings = &c;
    taker.receiver.settings_size = size_of_val(&c) as u32;
    let word = taker.wait();
    assert_eq!(word, wanted.outcome.name(), "{} under {}", vector.name, policy.name());
    let accepted = taker.decision.action > 0;
    if accepted {
        assert_eq!(taker.client(), wanted.client, "{}", vector.name);
        assert_eq!(taker.decision.consumed as usize, wanted.consumed, "{}", vector.name);
        assert_eq!(pair.rest(), stream[wanted.consumed..], "{}", vector.name);
    }
    accepted
}

/// One byte at a time, asked after each; a wait in between needs nothing of the
/// buffer where nothing was taken.
#[test]
fn one_byte_at_a_time_without_waiting() {
    for policy in [REQUIRE, OPTIONAL, STRIP] {
        for header in [V1.to_vec(), v2()] {
            for pair in Pair::each() {
                let mut taker = Taker::new(pair.fd(), policy);
                assert_eq!(taker.nowait(), "more");
                for byte in &header[..header.len() - 1] {
                    pair.send(&[*byte]);
                    assert_eq!(taker.nowait(), "more");
                    let have = taker.receiver.have as usize;
                    assert!(taker.decision.need as usize > have);
                    // Or the next byte would wake nobody.
                    assert!(pair.low_water() as usize == pair.there() + 1 || !pair.is_tcp());
                    taker.buffer[have..].fill(0x55);
                }
                pair.send(&[&header[header.len() - 1..], REQUEST].concat());
                let wanted = if policy == STRIP { "stripped" } else { "proxy" };
                assert_eq!(taker.nowait(), wanted, "{}", pair.what);
                assert_eq!(taker.buffer[..header.len()], header);
                assert_eq!(pair.low_water(), 1);
                assert_eq!(pair.rest(), REQUEST);
            }
        }
    }
}

#[test]
fn waiting_for_pieces() {
    for policy in [REQUIRE, OPTIONAL] {
        for header in [V1.to_vec(), v2()] {
            for pair in Pair::each() {
                let stream = [&header, REQUEST].concat();
                let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
                let mut taker = Taker::new(pair.fd(), policy);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        for byte in &stream {
                            write_all(theirs, &[*byte]);
                            thread::yield_now();
                        }
                    });
                    assert_eq!(taker.wait(), "proxy", "{}", pair.what);
                });
                assert_eq!(taker.client(), client());
                assert_eq!(pair.rest(), REQUEST);
            }
        }
    }
}

#[test]
fn the_longest_header_there_is() {
    let mut header = bytes("SIG 21 11 ffff c0000201 c6336407 dc04 01bb 04 fff0");
    header.resize(MAX_HEADER as usize, 0);
    for pair in Pair::each() {
        let settings = realpeer_settings { max_header: MAX_HEADER, ..Default::default() };
        let stream = [&header, REQUEST].concat();
        let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
        let mut taker = Taker::with_buffer(pair.fd(), REQUIRE, MAX_HEADER as usize);
        taker.receiver.settings = &settings;
        taker.receiver.settings_size = size_of_val(&settings) as u32;
        thread::scope(|scope| {
            scope.spawn(|| write_all(theirs, &stream));
            assert_eq!(taker.wait(), "proxy", "{}", pair.what);
        });
        assert_eq!(taker.buffer, header);
        assert_eq!(pair.rest(), REQUEST);
    }
}

#[test]
fn a_header_that_does_not_fit_the_buffer() {
    let header = bytes("SIG 21 11 0060 c0000201 c6336407 dc04 01bb 04 0051");
    for (size, wanted) in [(112, "proxy"), (111, "too_long"), (107, "too_long")] {
        let pair = Pair::tcp();
        let mut whole = header.clone();
        whole.resize(112, 0);
        pair.send(&whole);
        assert_eq!(Taker::with_buffer(pair.fd(), REQUIRE, size).wait(), wanted);
        // Nobody waits for what there is no room for.
        let pair = Pair::tcp();
        pair.send(&whole[..16]);
        let wanted = if wanted == "proxy" { "more" } else { wanted };
        assert_eq!(Taker::with_buffer(pair.fd(), REQUIRE, size).nowait(), wanted);
    }
}

#[test]
fn what_is_no_header_stays() {
    for policy in [OPTIONAL, STRIP] {
        for stream in [REQUEST, b"P", b"PROXI TCP4", b"\r\n\r\n\0\r\nQUITX", b"\r\n\r\n\0\r\nQUIT"]
        {
            for mut pair in Pair::each() {
                pair.send(stream);
                pair.close();
                let mut taker = Taker::new(pair.fd(), policy);
                assert_eq!(taker.wait(), "absent", "{}", pair.what);
                assert_eq!(taker.receiver.have, 0);
                assert_eq!(taker.decision.consumed, 0);
                assert_eq!(pair.rest(), stream);
            }
        }
    }
}

/// Bytes that may be the beginning of a header or not stay on the socket; the one
/// that decides is waited for.
#[test]
fn undecided_bytes() {
    for (begin, end, wanted) in [
        (&b"PRO"[..], &b"GRAM"[..], "absent"),
        (b"\r\n\r\n", b"\r\n", "absent"),
        (b"PROX", &V1[4..], "proxy"),
    ] {
        for mut pair in Pair::each() {
            pair.send(begin);
            let mut taker = Taker::new(pair.fd(), OPTIONAL);
            assert_eq!(taker.nowait(), "more");
            assert_eq!((taker.receiver.have, pair.there()), (0, begin.len()));
            if pair.is_tcp() {
                // Or an event loop would be told of the same bytes for ever.
                assert!(!pair.is_readable());
                assert_eq!(pair.low_water(), begin.len() as c_int + 1);
            }
            let mut waiting = Taker::new(pair.fd(), OPTIONAL);
            let theirs = pair.theirs.take().expect("open");
            thread::scope(|scope| {
                scope.spawn(|| write_all(theirs.as_raw_fd(), end));
                assert_eq!(waiting.wait(), wanted, "{}", pair.what);
            });
            drop(theirs);
            assert_eq!(taker.nowait(), if wanted == "proxy" { "absent" } else { wanted });
            assert_eq!(pair.low_water(), 1);
            let left = if wanted == "proxy" { Vec::new() } else { [begin, end].concat() };
            assert_eq!(pair.rest(), left);
        }
    }
}

#[test]
fn undecided_bytes_and_the_end() {
    for stream in [&b"PROX"[..], b"\r\n\r\n\0\r\n"] {
        for mut pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), STRIP);
            assert_eq!(taker.nowait(), "more");
            pair.close();
            // The FIN may be on its way yet.
            while !pair.is_readable() {
                thread::yield_now();
            }
            assert_eq!(taker.nowait(), "absent", "{}", pair.what);
            assert_eq!(pair.low_water(), 1);
            assert_eq!(pair.rest(), stream);
        }
    }
}

/// What an event loop sees that asks for edges: every byte is one.
#[test]
fn each_byte_is_an_edge() {
    for pair in Pair::each() {
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0);
        let events = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: 0 };
        let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, pair.fd(), &mut event) };
        assert_eq!(added, 0);
        let mut taker = Taker::new(pair.fd(), OPTIONAL);
        for (byte, at) in V1.iter().zip(1..) {
            pair.write(&[*byte]);
            let n = unsafe { libc::epoll_wait(epoll, &mut event, 1, 60_000) };
            assert_eq!(n, 1, "{}", pair.what);
            let wanted = if at == V1.len() { "proxy" } else { "more" };
            assert_eq!(taker.nowait(), wanted, "byte {at}, {}", pair.what);
        }
        unsafe { libc::close(epoll) };
    }
}
