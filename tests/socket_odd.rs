//! Sockets that are not as they should be: half a signature that keeps one
//! readable, descriptors that nothing is connected to, and a place for peeking that
//! the program has set.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use common::call::rule;
use common::socket::*;
use libc::{c_int, socklen_t};
use realpeer::Policy;

/// A server that polls for levels, with half a signature on the socket until the
/// time is over: it sleeps.
#[test]
fn half_a_signature_lets_a_poll_sleep() {
    for policy in [OPTIONAL, STRIP] {
        for begin in [&b"PRO"[..], b"\r\n\r\n\0\r\nQUIT"] {
            for pair in Pair::each() {
                pair.send(begin);
                let mut taker = Taker::new(pair.fd(), policy);
                taker.receiver.timeout_ms = 200;
                let mut wakes = 0;
                loop {
                    let word = taker.nowait();
                    if word != "more" {
                        assert_eq!(word, "absent", "{}", pair.what);
                        break;
                    }
                    wakes += 1;
                    wait(&taker, 200);
                }
                println!("{}: {wakes} wake-ups", pair.what);
                assert!(wakes < 12, "{wakes} wake-ups, {}", pair.what);
                assert_eq!(pair.rest(), begin);
            }
        }
    }
}

/// As `retry_ms` says.
fn wait(taker: &Taker, most: c_int) {
    let receiver = &taker.receiver;
    let (events, most) = match receiver.retry_ms {
        0 => (libc::POLLIN, most),
        retry => (libc::POLLRDHUP, retry),
    };
    let mut one = libc::pollfd { fd: receiver.fd, events, revents: 0 };
    unsafe { libc::poll(&mut one, 1, most) };
}

fn socket(family: c_int, kind: c_int) -> OwnedFd {
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[test]
fn what_is_not_connected_is_a_mistake_of_the_program() {
    let folder = std::env::temp_dir().join(format!("realpeer-odd-{}", std::process::id()));
    let _ = std::fs::remove_file(&folder);
    let unix = UnixListener::bind(&folder).expect("a Unix socket");
    std::fs::remove_file(&folder).expect("its name");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let new = [
        socket(libc::AF_INET, libc::SOCK_STREAM),
        socket(libc::AF_UNIX, libc::SOCK_STREAM),
        socket(libc::AF_UNIX, libc::SOCK_SEQPACKET),
    ];
    let rules = [rule("all", Policy::Require)];
    for (fd, what) in [
        (tcp.as_raw_fd(), "a TCP listener"),
        (unix.as_raw_fd(), "a Unix listener"),
        (new[0].as_raw_fd(), "TCP"),
        (new[1].as_raw_fd(), "Unix"),
        (new[2].as_raw_fd(), "Unix messages"),
        (udp.as_raw_fd(), "UDP"),
    ] {
        for by_rules in [true, false] {
            if !by_rules && what == "UDP" {
                continue;
            }
            for waits in [true, false] {
                let mut taker = Taker::new(fd, if by_rules { 0 } else { REQUIRE });
                taker.receiver.timeout_ms = 1000;
                taker.receiver.rules = rules.as_ptr();
                taker.receiver.rule_count = 1;
                let word = if waits { taker.wait() } else { taker.nowait() };
                assert_eq!(word, "not_connected", "{what}, rules {by_rules}");
                assert_eq!(taker.decision.result, 0, "written without success");
            }
        }
    }
}

fn peek_offset(fd: c_int) -> c_int {
    let (mut at, mut size): (c_int, _) = (-2, 4 as socklen_t);
    let to = (&raw mut at).cast();
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, to, &mut size) };
    assert_eq!(result, 0);
    at
}

/// Whether the system has it for such a socket.
fn set_peek_offset(fd: c_int, at: c_int) -> bool {
    let from = (&raw const at).cast();
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, from, 4) == 0 }
}

/// The header is at the beginning, wherever the program wants to peek; and that is
/// counted from the bytes that are left.
#[test]
fn a_place_for_peeking_hides_no_header() {
    let mut tried = 0;
    for (set, left) in [(0, 0), (3, 0), (45, 0), (50, 5), (1000, 955)] {
        for policy in [REQUIRE, OPTIONAL] {
            for in_pieces in [false, true] {
                for pair in Pair::each() {
                    if !set_peek_offset(pair.fd(), set) {
                        continue;
                    }
                    tried += 1;
                    let mut taker = Taker::new(pair.fd(), policy);
                    if in_pieces {
                        for piece in [&V1[..3], &V1[3..8], &V1[8..20]] {
                            pair.send(piece);
                            assert_eq!(taker.nowait(), "more", "{set} {}", pair.what);
                        }
                        pair.send(&V1[20..]);
                    } else {
                        pair.send(V1);
                    }
                    pair.send(REQUEST);
                    assert_eq!(taker.wait(), "proxy", "{set} {}", pair.what);
                    assert_eq!(taker.client(), client());
                    assert_eq!(peek_offset(pair.fd()), left);
                    assert_eq!(pair.rest(), REQUEST);
                }
            }
        }
    }
    assert!(tried > 0);
}

/// Where nothing is taken it stays what it was.
#[test]
fn a_place_for_peeking_stays_where_there_is_no_header() {
    for pair in Pair::each() {
        if set_peek_offset(pair.fd(), 7) {
            pair.send(REQUEST);
            assert_eq!(Taker::new(pair.fd(), OPTIONAL).wait(), "absent");
            assert_eq!(peek_offset(pair.fd()), 7);
            assert_eq!(pair.rest(), REQUEST);
        }
    }
}
