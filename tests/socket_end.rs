//! No more comes: the peer closes or resets, the time is over; and what does not
//! end the wait for a header on a socket, or is no socket at all.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::call::{INVALID, rule};
use common::socket::*;
use libc::c_int;
use realpeer::Policy;
use realpeer::ffi::*;

#[test]
fn the_peer_closes() {
    for (stream, wanted) in [
        (&b""[..], "silent"),
        (b"P", "truncated"),
        (&V1[..44], "truncated"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0", "truncated"),
        (REQUEST, "no_header"),
    ] {
        for mut pair in Pair::each() {
            pair.send(stream);
            pair.close();
            assert_eq!(Taker::new(pair.fd(), REQUIRE).wait(), wanted, "{}", pair.what);
        }
        // Half closed is no more to come, either.
        for pair in Pair::each() {
            pair.send(stream);
            let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
            assert_eq!(unsafe { libc::shutdown(theirs, libc::SHUT_WR) }, 0);
            while !pair.is_readable() {
                thread::yield_now();
            }
            let mut taker = Taker::new(pair.fd(), REQUIRE);
            assert_eq!(taker.nowait(), wanted, "{}", pair.what);
        }
    }
}

#[test]
fn the_peer_resets() {
    for (stream, wanted) in [(&b""[..], "silent"), (&V1[..20], "truncated")] {
        let mut pair = Pair::tcp();
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        pair.send(stream);
        if !stream.is_empty() {
            assert_eq!(taker.nowait(), "more");
            assert_eq!(taker.receiver.have as usize, stream.len());
        }
        pair.reset();
        assert_eq!(taker.wait(), wanted);
    }
    // With rules the address is asked for, which a connection that is reset has
    // no more.
    let mut pair = Pair::tcp();
    pair.reset();
    while !pair.is_readable() {
        thread::yield_now();
    }
    let rules = [rule("all", Policy::Direct)];
    let mut taker = Taker::new(pair.fd(), 0);
    taker.receiver.rules = rules.as_ptr();
    taker.receiver.rule_count = 1;
    assert_eq!(taker.wait(), "silent");
}

#[test]
fn the_time_is_over() {
    for (stream, policy, wanted) in [
        (&b""[..], REQUIRE, "timeout"),
        (b"PROXY", REQUIRE, "timeout"),
        (b"PROXY TCP4 ", OPTIONAL, "timeout"),
        (b"", OPTIONAL, "absent"),
        (b"PRO", OPTIONAL, "absent"),
        (b"\r\n\r\n", STRIP, "absent"),
    ] {
        for pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), policy);
            taker.receiver.timeout_ms = 20;
            assert_eq!(taker.wait(), wanted, "{}", pair.what);
            assert_eq!(pair.low_water(), 1);
            if wanted == "absent" {
                assert_eq!(pair.rest(), stream);
            }
        }
        for pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), policy);
            taker.receiver.timeout_ms = 20;
            let mut asked = 0;
            while taker.nowait() == "more" {
                asked += 1;
                thread::yield_now();
            }
            assert!(asked > 0);
            assert_eq!(common::c::name(taker.decision.result), wanted, "{}", pair.what);
        }
    }
}

/// What is there when the time is over counts.
#[test]
fn a_header_at_the_last_moment() {
    for pair in Pair::each() {
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        assert_eq!(taker.nowait(), "more");
        let mut now: libc::timespec = unsafe { zeroed() };
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) }, 0);
        let now = now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000;
        assert!((1..=now + 60_000).contains(&taker.receiver.ends));
        taker.receiver.deadline = 1;
        pair.send(V1);
        assert_eq!(taker.nowait(), "proxy");
        let other = Pair::tcp();
        taker = Taker::new(other.fd(), REQUIRE);
        taker.receiver.deadline = 1;
        assert_eq!(taker.nowait(), "timeout");
    }
}

#[test]
fn without_an_end_and_by_default() {
    for timeout in [0, -1, i32::MAX, i32::MIN] {
        let pair = Pair::tcp();
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.timeout_ms = timeout;
        assert_eq!(taker.nowait(), "more");
        assert_eq!(taker.receiver.ends != 0, timeout >= 0);
        let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
        thread::scope(|scope| {
            scope.spawn(|| write_all(theirs, V1));
            assert_eq!(taker.wait(), "proxy");
        });
    }
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Signals whose handler does not restart system calls.
#[test]
fn signals_do_not_end_the_wait() {
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = count as *const () as usize;
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, null_mut()) }, 0);
    for begin in [&b""[..], b"PRO", b"PROXY TCP4"] {
        for pair in Pair::each() {
            let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
            pair.send(begin);
            let mut taker = Taker::new(pair.fd(), OPTIONAL);
            let waiting = unsafe { libc::pthread_self() };
            let (before, done) = (SIGNALS.load(Ordering::SeqCst), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while SIGNALS.load(Ordering::SeqCst) < before + 50 {
                        assert_eq!(unsafe { libc::pthread_kill(waiting, libc::SIGUSR1) }, 0);
                        thread::yield_now();
                    }
                    assert!(!done.load(Ordering::SeqCst), "a signal ended the wait");
                    write_all(theirs, &[&V1[begin.len()..], REQUEST].concat());
                });
                assert_eq!(taker.wait(), "proxy", "{}", pair.what);
                done.store(true, Ordering::SeqCst);
            });
            assert_eq!(pair.rest(), REQUEST);
        }
    }
}

#[test]
fn no_socket() {
    let errno = || std::io::Error::last_os_error().raw_os_error();
    let mut taker = Taker::new(-1, REQUIRE);
    assert_eq!(taker.call(realpeer_receive), SOCKET);
    assert_eq!(errno(), Some(libc::EBADF));
    assert_eq!(taker.decision.result, 0, "written without success");

    let (pipe, _end) = std::io::pipe().expect("a pipe");
    let mut taker = Taker::new(pipe.as_raw_fd(), REQUIRE);
    assert_eq!(taker.call(realpeer_receive_nowait), SOCKET);
    assert_eq!(errno(), Some(libc::ENOTSOCK));

    let rules = [rule("all", Policy::Require)];
    let mut taker = Taker::new(-1, 0);
    taker.receiver.rules = rules.as_ptr();
    taker.receiver.rule_count = 1;
    assert_eq!(taker.call(realpeer_receive), SOCKET);
    assert_eq!(errno(), Some(libc::EBADF));
}

/// An urgent byte hides what is behind it: an event loop would be told of the bytes
/// in front of it for ever, and none would ever be added.
#[test]
fn an_urgent_byte_behind_undecided_ones() {
    for policy in [OPTIONAL, STRIP] {
        for waits in [false, true] {
            let pair = Pair::tcp();
            pair.send(b"PRO");
            let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
            let sent = unsafe { libc::send(theirs, b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
            assert_eq!(sent, 1);
            let mut urgent = libc::pollfd { fd: pair.fd(), events: libc::POLLPRI, revents: 0 };
            assert_eq!(unsafe { libc::poll(&mut urgent, 1, 60_000) }, 1);
            pair.write(b"XY TCP4");
            let mut taker = Taker::new(pair.fd(), policy);
            taker.receiver.timeout_ms = -1;
            assert_eq!(if waits { taker.wait() } else { taker.nowait() }, "absent");
            assert_eq!((pair.low_water(), taker.receiver.have), (1, 0));
            assert_eq!(pair.rest(), b"PROXY TCP4");
        }
    }
}

/// Whole messages are taken off such sockets.
#[test]
fn sockets_with_messages() {
    let pair = || {
        let mut fds = [0; 2];
        let kind = libc::SOCK_SEQPACKET;
        assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }, 0);
        let [ours, theirs] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        Pair { ours, theirs: Some(theirs), what: "messages" }
    };
    for policy in [REQUIRE, OPTIONAL, STRIP] {
        for header in [V1.to_vec(), v2()] {
            let alone = pair();
            alone.write(&header);
            alone.write(REQUEST);
            let mut taker = Taker::new(alone.fd(), policy);
            assert_eq!(taker.wait(), if policy == STRIP { "stripped" } else { "proxy" });
            let mut rest = [0; 99];
            let (to, size) = (rest.as_mut_ptr().cast(), rest.len());
            let n = unsafe { libc::recv(alone.fd(), to, size, libc::MSG_DONTWAIT) };
            assert_eq!(&rest[..n as usize], REQUEST);

            let both = pair();
            both.write(&[&header[..], REQUEST].concat());
            let mut taker = Taker::new(both.fd(), policy);
            assert_eq!(taker.call(realpeer_receive), INVALID);
        }
    }
}
