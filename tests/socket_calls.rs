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
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
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
        (taker.wait(), taker.decision.policy)
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

/// Over a connection of each family, a client of each: the address in the family of
/// the socket, or a refusal, and never the balancer's.
#[test]
fn the_client_in_the_family_of_the_socket() {
    const SIX: &str = "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n";
    const MAPPED: &str = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 56324 443\r\n";
    let four = std::str::from_utf8(V1).unwrap();
    let (v4, v6) = (libc::AF_INET, libc::AF_INET6);
    let refused = Err(Error::OtherFamily as i32);
    for (family, line, client, server) in [
        (v4, four, Ok("192.0.2.1"), Ok("198.51.100.7")),
        (v4, MAPPED, Ok("192.0.2.1"), refused),
        (v4, SIX, refused, refused),
        (v6, four, Ok("::ffff:192.0.2.1"), Ok("::ffff:198.51.100.7")),
        (v6, MAPPED, Ok("::ffff:192.0.2.1"), Ok("2001:db8::2")),
        (v6, SIX, Ok("2001:db8::1"), Ok("2001:db8::2")),
        (libc::AF_UNIX, four, refused, refused),
        (libc::AF_UNIX, SIX, refused, refused),
    ] {
        let pair = match family {
            libc::AF_INET => Pair::tcp(),
            libc::AF_UNIX => Pair::unix(),
            _ => match Pair::tcp6() {
                Some(pair) => pair,
                // A machine need not have IPv6.
                None => continue,
            },
        };
        pair.send(line.as_bytes());
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        assert_eq!(taker.wait(), "proxy");
        let decision = &raw const taker.decision;
        let wanted =
            [(realpeer_getpeername_own as Ask, client), (realpeer_getsockname_own, server)];
        for (ask, wanted) in wanted {
            let seen = own(pair.fd(), decision, ask);
            let seen = seen.map(|(family_of_it, ip, _)| {
                assert_eq!(family_of_it, family);
                ip
            });
            assert_eq!(seen, wanted.map(|text| text.parse().unwrap()), "{family} {line}");
        }
        // Without a name in the decision it is the socket's own.
        let (family_of_it, ..) = own(pair.fd(), null(), realpeer_getpeername_own).unwrap();
        assert_eq!(family_of_it, family);
        for (to, wanted) in [(v4, &[v4][..]), (v6, &[v4, v6]), (libc::AF_UNIX, &[]), (0, &[])] {
            let own = if taker.decision.client.family == 1 { v4 } else { v6 };
            let mut room = Room::new();
            let mut len = 128;
            let client = &raw const taker.decision.client;
            let result = unsafe { realpeer_address_to_family(client, to, room.of(), &mut len) };
            let fits = wanted.contains(&own);
            assert_eq!(result, if fits { 0 } else { Error::OtherFamily as i32 });
            assert!(room.is_untouched_from(if fits { len as usize } else { 0 }));
        }
    }
    assert_eq!(own(-1, null(), realpeer_getpeername_own), Err(SOCKET));
}

/// What the natural code of a program for IPv4 has in hand.
#[test]
fn a_client_that_has_no_room_is_an_error() {
    let pair = Pair::tcp();
    pair.send(b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n");
    let mut taker = Taker::new(pair.fd(), REQUIRE);
    assert_eq!(taker.wait(), "proxy");
    let n = size_of_val(&taker.decision);
    for (ask, wanted) in [
        (realpeer_getpeername as Ask, INVALID),
        (realpeer_getpeername_own, Error::OtherFamily as i32),
    ] {
        let mut room = Room::new();
        let mut len = size_of::<sockaddr_in>() as socklen_t;
        let result = unsafe { ask(pair.fd(), &taker.decision, n, room.of(), &mut len) };
        assert_eq!(result, wanted);
        assert!(room.is_untouched_from(0));
    }
}

type Ask = unsafe extern "C" fn(
    c_int,
    *const realpeer_decision,
    usize,
    *mut libc::sockaddr,
    *mut socklen_t,
) -> i32;

/// The family, the address (that of a Unix socket is none) and the length.
fn own(
    fd: c_int,
    decision: *const realpeer_decision,
    ask: Ask,
) -> Result<(c_int, IpAddr, socklen_t), i32> {
    let mut out: sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of_val(&out) as socklen_t;
    let size = size_of::<realpeer_decision>();
    let to = (&raw mut out).cast();
    let result = unsafe { ask(fd, decision, size, to, &mut len) };
    if result != 0 {
        return Err(result);
    }
    let from = &raw const out;
    let ip = match c_int::from(out.ss_family) {
        libc::AF_INET => {
            let ip = unsafe { (*from.cast::<sockaddr_in>()).sin_addr.s_addr };
            IpAddr::from(ip.to_ne_bytes())
        }
        libc::AF_INET6 => {
            let ip = unsafe { (*from.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr };
            IpAddr::from(ip)
        }
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    Ok((out.ss_family.into(), ip, len))
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
