//! The functions that take sockets: the policy they find, the names they give, and
//! wrong arguments.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::mem::zeroed;
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{null, null_mut};

use common::call::{INVALID, Room, rule};
use common::socket::*;
use libc::{c_int, sockaddr_in, sockaddr_storage, socklen_t};
use realpeer::ffi::*;
use realpeer::{Outcome, Policy, Rule};

// ---- policies

/// Where no byte has to be read the socket is not touched: there need not be one.
#[test]
fn policies_that_do_not_read() {
    for (policy, wanted) in [(DIRECT, "direct"), (REFUSE, "untrusted"), (0, "untrusted")] {
        assert_eq!(Taker::new(-1, policy).wait(), wanted);
        assert_eq!(Taker::new(-1, policy).nowait(), wanted);
    }
}

#[test]
fn the_policy_by_rules() {
    let mut rules = [
        rule("127.0.0.0/8", Policy::Require),
        rule("unix:", Policy::Strip),
        rule("::1", Policy::Optional),
        rule("192.0.2.0/24", Policy::Direct),
    ];
    realpeer::Rules::prepare(&mut rules).expect("no source twice");
    let take = |fd: c_int, rules: &[Rule]| {
        let mut taker = Taker::new(fd, 0);
        taker.receiver.rules = rules.as_ptr();
        taker.receiver.rule_count = rules.len() as u32;
        (taker.wait(), taker.receiver.policy)
    };
    for pair in Pair::each() {
        pair.send(V1);
        let wanted = if pair.is_tcp() { ("proxy", REQUIRE) } else { ("stripped", STRIP) };
        assert_eq!(take(pair.fd(), &rules), wanted, "{}", pair.what);
    }
    for pair in Pair::each() {
        pair.send(V1);
        let mut others = [rule("192.0.2.0/24", Policy::Direct), rule("::/0", Policy::Direct)];
        realpeer::Rules::prepare(&mut others).expect("no source twice");
        assert_eq!(take(pair.fd(), &others), ("untrusted", 0), "{}", pair.what);
        assert_eq!(pair.rest(), V1);
    }
    // A machine need not have IPv6.
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.write_all(V1).unwrap();
    let (ours, _) = listener.accept().unwrap();
    assert_eq!(take(ours.as_raw_fd(), &rules), ("proxy", OPTIONAL));
}

#[test]
fn a_header_without_an_address() {
    for (no_address, wanted) in [(0, 2), (1, -1)] {
        let pair = Pair::unix();
        pair.send(b"PROXY UNKNOWN\r\n");
        let settings = realpeer_settings { no_address, ..Default::default() };
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.settings = &settings;
        taker.receiver.settings_size = size_of_val(&settings) as u32;
        assert_eq!(taker.wait(), "no_address");
        assert_eq!(taker.decision.action, wanted);
    }
}

// ---- who is there

fn name(fd: c_int, decision: *const realpeer_decision, ours: bool) -> Result<SocketAddr, i32> {
    let mut out: sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of_val(&out) as socklen_t;
    let to = (&raw mut out).cast();
    let size = size_of::<realpeer_decision>();
    let f = if ours { realpeer_getsockname } else { realpeer_getpeername };
    let result = unsafe { f(fd, decision, size, to, &mut len) };
    if result != 0 {
        return Err(result);
    }
    let mut address = realpeer_address::default();
    let size = size_of_val(&address);
    let from = (&raw const out).cast();
    let result = unsafe { realpeer_address_from_sockaddr(from, len, &mut address, size) };
    assert_eq!(result, 0);
    common::c::address(&address).ok_or(0)
}

#[test]
fn names_as_the_decision_has_them() {
    let pair = Pair::tcp();
    let theirs =
        unsafe { TcpStream::from_raw_fd(libc::dup(pair.theirs.as_ref().unwrap().as_raw_fd())) };
    let own = (theirs.local_addr().unwrap(), theirs.peer_addr().unwrap());
    assert_eq!(name(pair.fd(), null(), false), Ok(own.0));
    assert_eq!(name(pair.fd(), null(), true), Ok(own.1));

    pair.send(V1);
    let mut taker = Taker::new(pair.fd(), REQUIRE);
    assert_eq!(taker.wait(), "proxy");
    assert_eq!(name(pair.fd(), &taker.decision, false).ok(), client());
    let server = "198.51.100.7:443".parse().unwrap();
    assert_eq!(name(pair.fd(), &taker.decision, true), Ok(server));

    pair.send(b"PROXY UNKNOWN\r\n");
    let mut taker = Taker::new(pair.fd(), REQUIRE);
    assert_eq!(taker.wait(), "no_address");
    assert_eq!(name(pair.fd(), &taker.decision, false), Ok(own.0));
    assert_eq!(name(pair.fd(), &taker.decision, true), Ok(own.1));
    assert_eq!(name(-1, &taker.decision, true), Err(SOCKET));
    theirs.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn names_with_wrong_arguments() {
    let mut decision: realpeer_decision = unsafe { zeroed() };
    decision.client.family = 1;
    let mut out: sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of_val(&out) as socklen_t;
    let n = size_of_val(&decision);
    let to = (&raw mut out).cast();
    unsafe {
        assert_eq!(realpeer_getpeername(0, &decision, n - 1, to, &mut len), INVALID);
        assert_eq!(realpeer_getpeername(0, &decision, n, null_mut(), &mut len), INVALID);
        assert_eq!(realpeer_getpeername(0, &decision, n, to, null_mut()), INVALID);
        len = 15;
        assert_eq!(realpeer_getpeername(0, &decision, n, to, &mut len), INVALID);
        len = 16;
        assert_eq!(realpeer_getpeername(0, &decision, n, to, &mut len), 0);
        assert_eq!(len as usize, size_of::<sockaddr_in>());
    }
}

/// The system would cut the address.
#[test]
fn names_of_the_socket_itself_are_whole_or_not_there() {
    let pair = Pair::tcp();
    for ask in [realpeer_getpeername, realpeer_getsockname] {
        for (size, wanted) in [(0, INVALID), (15, INVALID), (16, 0), (128, 0)] {
            let mut room = Room::new();
            let mut len = size;
            assert_eq!(unsafe { ask(pair.fd(), null(), 0, room.of(), &mut len) }, wanted);
            assert_eq!(len, if wanted == 0 { 16 } else { size });
            assert!(room.is_untouched_from(if wanted == 0 { 16 } else { 0 }));
        }
    }
}

// ---- arguments

#[test]
fn wrong_arguments() {
    let pair = Pair::unix();
    pair.send(V1);
    let fresh = || Taker::new(pair.fd(), REQUIRE);
    let mut taker = fresh();
    let n = size_of::<realpeer_decision>();
    taker.receiver.buffer = taker.buffer.as_mut_ptr();
    taker.receiver.buffer_size = taker.buffer.len() as u32;
    unsafe {
        let size = size_of::<realpeer_receiver>();
        let (receiver, decision) = (&raw mut taker.receiver, &raw mut taker.decision);
        assert_eq!(realpeer_receive(null_mut(), size, decision, n), INVALID);
        assert_eq!(realpeer_receive(null_mut(), 0, decision, n), INVALID);
        assert_eq!(realpeer_receive(receiver, size - 1, decision, n), INVALID);
        assert_eq!(realpeer_receive(receiver, size, null_mut(), n), INVALID);
        assert_eq!(realpeer_receive(receiver, size, decision, n - 1), INVALID);
    }
    let change = |change: fn(&mut realpeer_receiver)| {
        let mut taker = fresh();
        taker.receiver.buffer = taker.buffer.as_mut_ptr();
        taker.receiver.buffer_size = taker.buffer.len() as u32;
        change(&mut taker.receiver);
        let sizes = (size_of::<realpeer_receiver>(), n);
        unsafe { realpeer_receive(&mut taker.receiver, sizes.0, &mut taker.decision, sizes.1) }
    };
    assert_eq!(change(|receiver| receiver.buffer = null_mut()), INVALID);
    assert_eq!(change(|receiver| receiver.buffer_size = 106), INVALID);
    assert_eq!(change(|receiver| receiver.have = 4097), INVALID);
    assert_eq!(change(|receiver| receiver.policy = 6), INVALID);
    assert_eq!(change(|receiver| receiver.policy = -1), INVALID);
    assert_eq!(change(|receiver| receiver.rule_count = 1), INVALID);
    assert_eq!(
        change(|receiver| {
            static SETTINGS: realpeer_settings =
                realpeer_settings { max_header: 15, versions: 0, no_address: 0, reserved: [0; 2] };
            receiver.settings = &raw const SETTINGS;
            receiver.settings_size = 8;
        }),
        INVALID
    );
    assert_eq!(change(|_| {}), 2);
}

/// A newer program's receiver: what this library does not know has to be zero.
#[test]
fn a_longer_receiver() {
    let size = size_of::<realpeer_receiver>();
    for (beyond, wanted) in [(0, Outcome::Proxy as i32), (1, INVALID)] {
        let pair = Pair::unix();
        pair.send(V1);
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.buffer = taker.buffer.as_mut_ptr();
        taker.receiver.buffer_size = taker.buffer.len() as u32;
        let mut room = Room::new();
        room.0[size..size + 8].fill(0);
        room.0[size + 7] = beyond;
        let receiver = room.of::<realpeer_receiver>();
        unsafe {
            *receiver = taker.receiver;
            let n = size_of::<realpeer_decision>();
            let result = realpeer_receive(receiver, size + 8, &mut taker.decision, n);
            assert_eq!(result.min(1), wanted);
        }
        assert!(room.is_untouched_from(size + 8));
    }
}

/// The other end sees nothing of all this.
#[test]
fn nothing_is_sent() {
    let pair = Pair::tcp();
    pair.send(&[V1, REQUEST].concat());
    assert_eq!(Taker::new(pair.fd(), REQUIRE).wait(), "proxy");
    let theirs = pair.theirs.as_ref().unwrap().as_raw_fd();
    let mut theirs = unsafe { TcpStream::from_raw_fd(libc::dup(theirs)) };
    theirs.set_nonblocking(true).unwrap();
    let kind = theirs.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::WouldBlock));
}
