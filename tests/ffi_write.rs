//! The functions that write, and that take addresses, called as C calls them: with
//! NULL, with wrong sizes, with numbers that are no enumerator.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::mem::zeroed;
use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use common::call::{INVALID, Room};
use libc::{sockaddr, sockaddr_storage, socklen_t};
use realpeer::WriteError;
use realpeer::ffi::*;

const NO_ROOM: i32 = Error::NoRoom as i32;
const BAD_ADDRESS: i32 = Error::BadAddress as i32;

fn address(text: &str) -> realpeer_address {
    Some(text.parse::<SocketAddr>().expect("an address")).into()
}

fn outgoing() -> realpeer_outgoing {
    unsafe { zeroed() }
}

/// A header in one of the ways it can be wrong.
fn written(change: impl Fn(&mut realpeer_outgoing)) -> i32 {
    let mut header = outgoing();
    header.command = 1;
    header.transport = 1;
    header.source = address("192.0.2.1:1");
    header.destination = address("192.0.2.2:2");
    change(&mut header);
    let mut out = [0xaa; 512];
    let result =
        unsafe { realpeer_write_v2(&header, size_of_val(&header), out.as_mut_ptr(), out.len()) };
    if result < 0 {
        assert_eq!(out, [0xaa; 512], "written without success");
    }
    result
}

#[test]
fn every_error_has_its_number() {
    for (error, number, name) in [
        (WriteError::NoRoom { needed: 9 }, -71, "no_room"),
        (WriteError::TooMuch, -72, "too_much"),
        (WriteError::MixedFamilies, -73, "mixed_families"),
        (WriteError::BadAddress, -74, "bad_address"),
        (WriteError::InvalidTlv, -75, "invalid_tlv"),
    ] {
        assert_eq!(Error::from(error) as i32, number);
        assert_eq!(common::c::name(number), name);
        assert_eq!(common::call::text(realpeer_strerror(number)), error.to_string());
    }
    assert_eq!(common::c::name(Error::Socket as i32), "socket");
}

#[test]
fn lines() {
    let (v4, v6) = (address("192.0.2.1:1"), address("[2001:db8::1]:2"));
    let none = realpeer_address::default();
    let unix = realpeer_address { family: 3, ..none };
    let bad = realpeer_address { family: 4, ..none };
    let line = |a: *const realpeer_address, b: *const realpeer_address| {
        let mut out = [0xaa; REALPEER_V1_MAX];
        let result = unsafe { realpeer_write_v1(a, b, out.as_mut_ptr(), out.len()) };
        assert!(result > 0 || out == [0xaa; REALPEER_V1_MAX]);
        result
    };
    assert_eq!(line(&v4, &v4), "PROXY TCP4 192.0.2.1 192.0.2.1 1 1\r\n".len() as i32);
    assert_eq!(line(&v6, &v6), "PROXY TCP6 2001:db8::1 2001:db8::1 2 2\r\n".len() as i32);
    assert_eq!(line(&v4, &v6), Error::MixedFamilies as i32);
    for (a, b) in [(null(), null()), (&raw const none, null()), (&none, &none), (&unix, &none)] {
        assert_eq!(line(a, b), "PROXY UNKNOWN\r\n".len() as i32);
    }
    for other in [&raw const none, &unix, null()] {
        assert_eq!(line(&v4, other), BAD_ADDRESS);
        assert_eq!(line(other, &v4), BAD_ADDRESS);
    }
    assert_eq!(line(&v4, &bad), INVALID);
    assert_eq!(line(&bad, null()), INVALID);
    unsafe {
        assert_eq!(realpeer_write_v1(&v4, &v4, null_mut(), 0), 36);
        assert_eq!(realpeer_write_v1(&v4, &v4, null_mut(), 1), INVALID);
        assert_eq!(realpeer_write_v1(&v4, &v4, [0; 1].as_mut_ptr(), 0), NO_ROOM);
        assert_eq!(realpeer_write_v1(&v4, &v4, [0; 35].as_mut_ptr(), 35), NO_ROOM);
    }
}

#[test]
fn headers() {
    assert_eq!(written(|_| {}), 28);
    assert_eq!(written(|header| header.transport = 2), 28);
    assert_eq!(written(|header| header.destination = address("[2001:db8::1]:2")), 52);
    assert_eq!(written(|header| header.checksum = 1), 35);
    assert_eq!(written(|header| header.pad_to_multiple = 100), 100);
    // Numbers that are none.
    assert_eq!(written(|header| header.command = 2), INVALID);
    assert_eq!(written(|header| header.transport = 3), INVALID);
    assert_eq!(written(|header| header.checksum = 2), INVALID);
    assert_eq!(written(|header| header.source.family = 4), INVALID);
    assert_eq!(written(|header| header.destination.family = 255), INVALID);
    assert_eq!(written(|header| header.reserved = [0, 0, 1]), INVALID);
    assert_eq!(written(|header| header.source.reserved = 1), INVALID);
    assert_eq!(written(|header| header.destination.reserved = 1), INVALID);
    // What cannot be said.
    assert_eq!(written(|header| header.command = 0), BAD_ADDRESS);
    assert_eq!(written(|header| header.transport = 0), BAD_ADDRESS);
    assert_eq!(written(|header| header.source.family = 0), BAD_ADDRESS);
    assert_eq!(written(|header| header.destination.family = 0), BAD_ADDRESS);
    assert_eq!(written(|header| header.destination.family = 3), BAD_ADDRESS);
    // A Unix socket's.
    let unix = |change: &dyn Fn(&mut realpeer_outgoing)| {
        written(|header| {
            (header.source.family, header.destination.family) = (3, 3);
            change(header);
        })
    };
    assert_eq!(unix(&|_| {}), 232);
    assert_eq!(unix(&|header| header.source_path_length = 1), INVALID);
    assert_eq!(unix(&|header| header.destination_path_length = 1), INVALID);
    let path = [b'x'; 109];
    for (len, wanted) in [(108, 232), (109, BAD_ADDRESS)] {
        assert_eq!(
            unix(&|header| (header.source_path, header.source_path_length) = (path.as_ptr(), len)),
            wanted
        );
    }
}

#[test]
fn tlvs() {
    let value = vec![1; 70_000];
    let tlv = |value: *const u8, length| realpeer_tlv { value, length, kind: 1, reserved: [0; 3] };
    for (tlvs, wanted) in [
        (vec![], 28),
        (vec![tlv(null(), 0)], 31),
        (vec![tlv(value.as_ptr(), 0), tlv(value.as_ptr(), 9)], 43),
        (vec![realpeer_tlv { reserved: [0, 0, 1], ..tlv(null(), 0) }], INVALID),
        (vec![tlv(null(), 1)], INVALID),
        (vec![tlv(value.as_ptr(), 9), tlv(null(), 1)], INVALID),
        (vec![tlv(value.as_ptr(), 65_536)], Error::TooMuch as i32),
        (vec![tlv(value.as_ptr(), 500)], NO_ROOM),
    ] {
        let result = written(|header| {
            (header.tlvs, header.tlv_count) = (tlvs.as_ptr(), tlvs.len() as u32);
        });
        assert_eq!(result, wanted, "{} TLVs", tlvs.len());
    }
    assert_eq!(written(|header| header.tlv_count = 1), INVALID);
}

#[test]
fn sizes_of_the_struct() {
    let size = size_of::<realpeer_outgoing>();
    let mut out = [0; 64];
    let (to, room) = (out.as_mut_ptr(), out.len());
    let mut longer = Room::new();
    unsafe {
        assert_eq!(realpeer_write_v2(null(), 0, to, room), 16);
        assert_eq!(realpeer_write_v2(null(), size, to, room), 16);
        assert_eq!(realpeer_write_v2(null(), size, null_mut(), 0), 16);
        assert_eq!(realpeer_write_v2(&outgoing(), size - 1, to, room), INVALID);
        assert_eq!(realpeer_write_v2(&outgoing(), size, null_mut(), 16), INVALID);
        assert_eq!(realpeer_write_v2(&outgoing(), usize::MAX, to, room), INVALID);
        let header = longer.of::<realpeer_outgoing>();
        *header = outgoing();
        assert_eq!(realpeer_write_v2(header, size + 8, to, room), INVALID);
        longer.0[size..size + 8].fill(0);
        assert_eq!(realpeer_write_v2(header, size + 8, to, room), 16);
    }
}

#[test]
fn values_of_ssl() {
    let version = *b"TLSv1.3";
    let tlv = realpeer_tlv { value: version.as_ptr(), length: 7, kind: 0x21, reserved: [0; 3] };
    let nowhere = realpeer_tlv { value: null(), ..tlv };
    let mut out = [0xaa; 32];
    unsafe {
        assert_eq!(realpeer_write_ssl(1, 0, &tlv, 1, null_mut(), 0), 15);
        assert_eq!(realpeer_write_ssl(1, 0, null(), 0, null_mut(), 0), 5);
        assert_eq!(realpeer_write_ssl(1, 0, null(), 1, null_mut(), 0), INVALID);
        assert_eq!(realpeer_write_ssl(1, 0, &nowhere, 1, null_mut(), 0), INVALID);
        assert_eq!(realpeer_write_ssl(1, 0, &tlv, 1, out.as_mut_ptr(), 14), NO_ROOM);
        assert_eq!(out, [0xaa; 32]);
        assert_eq!(realpeer_write_ssl(5, 0x0102_0304, &tlv, 1, out.as_mut_ptr(), 32), 15);
    }
    assert_eq!(out[..15], *b"\x05\x01\x02\x03\x04\x21\0\x07TLSv1.3");
    assert_eq!(out[15..], [0xaa; 17]);
}

#[test]
fn addresses_of_sockets() {
    let read = |bytes: &[u8], len: usize| {
        let mut storage: sockaddr_storage = unsafe { zeroed() };
        let from = (&raw mut storage).cast::<u8>();
        let mut out = realpeer_address { family: 9, ..Default::default() };
        let size = size_of_val(&out);
        let result = unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), from, bytes.len());
            realpeer_address_from_sockaddr(from.cast(), len as socklen_t, &mut out, size)
        };
        assert!(result == 0 || out.family == 9, "written without success");
        if result == 0 { Ok(out) } else { Err(result) }
    };
    let not_found = Err(Error::NotFound as i32);
    let v4 = [&(libc::AF_INET as u16).to_ne_bytes()[..], &[0x12, 0x34, 192, 0, 2, 1], &[0; 8]];
    let v4 = v4.concat();
    assert_eq!(read(&v4, 16), Ok(address("192.0.2.1:4660")));
    assert_eq!(read(&v4, 7), not_found);
    assert_eq!(read(&v4, 1), not_found);
    assert_eq!(read(&v4, 0), not_found);
    let v6 = |ip: &str| {
        let ip: std::net::Ipv6Addr = ip.parse().unwrap();
        let family = (libc::AF_INET6 as u16).to_ne_bytes();
        [&family[..], &[0x12, 0x34, 1, 2, 3, 4], &ip.octets(), &[5; 4]].concat()
    };
    assert_eq!(read(&v6("2001:db8::1"), 28), Ok(address("[2001:db8::1]:4660")));
    assert_eq!(read(&v6("::ffff:192.0.2.1"), 28), Ok(address("192.0.2.1:4660")));
    assert_eq!(read(&v6("2001:db8::1"), 23), not_found);
    let unix = realpeer_address { family: 3, ..Default::default() };
    assert_eq!(read(&(libc::AF_UNIX as u16).to_ne_bytes(), 2), Ok(unix));
    assert_eq!(read(&(libc::AF_NETLINK as u16).to_ne_bytes(), 12), not_found);

    let mut out = realpeer_address::default();
    let from: *const sockaddr = v4.as_ptr().cast();
    let n = size_of_val(&out);
    unsafe {
        assert_eq!(realpeer_address_from_sockaddr(null(), 16, &mut out, n), INVALID);
        assert_eq!(realpeer_address_from_sockaddr(from, 16, null_mut(), n), INVALID);
        assert_eq!(realpeer_address_from_sockaddr(from, 16, &mut out, n - 1), INVALID);
    }
}

#[test]
fn datagrams() {
    let mut out: realpeer_decision = unsafe { zeroed() };
    let n = size_of_val(&out);
    let settings = realpeer_settings { versions: 4, ..Default::default() };
    let data = b"query".as_ptr();
    unsafe {
        let (null_settings, policy) = (null(), 1);
        assert_eq!(realpeer_decide_datagram(policy, null_settings, 0, data, 5, &mut out, n), -1);
        assert_eq!(common::c::name(out.result), "no_header");
        assert_eq!(realpeer_decide_datagram(2, null_settings, 0, null(), 0, &mut out, n), 1);
        assert_eq!(realpeer_decide_datagram(1, null_settings, 0, null(), 5, &mut out, n), INVALID);
        assert_eq!(realpeer_decide_datagram(6, null_settings, 0, data, 5, &mut out, n), INVALID);
        assert_eq!(realpeer_decide_datagram(1, &settings, 8, data, 5, &mut out, n), INVALID);
        assert_eq!(realpeer_decide_datagram(1, null_settings, 0, data, 5, null_mut(), n), INVALID);
        assert_eq!(
            realpeer_decide_datagram(1, null_settings, 0, data, 5, &mut out, n - 1),
            INVALID
        );
    }
}

#[test]
fn relaying_refuses_what_is_no_client() {
    let none = realpeer_address::default();
    let (client, server) = (address("[2001:db8::7]:1"), address("[2001:db8::1]:2"));
    let size = size_of::<realpeer_address>();
    let relayed = |client, server, local, size| {
        let mut ends = [address("192.0.2.9:9"); 2];
        let [source, destination] = &mut ends;
        let result = unsafe { realpeer_relayed(client, server, local, source, destination, size) };
        if result < 0 {
            assert_eq!(ends, [address("192.0.2.9:9"); 2], "written without success");
        }
        (result, ends)
    };
    assert_eq!(relayed(&client, &server, &address("127.0.0.1:3"), size), (0, [client, server]));
    assert_eq!(relayed(&client, &server, null(), size), (0, [client, server]));
    assert_eq!(relayed(&client, &none, &server, size), (0, [client, server]));
    assert_eq!(
        relayed(&client, null(), null(), size),
        (0, [client, address("[::ffff:0.0.0.0]:0")])
    );
    assert_eq!(relayed(&none, &server, &server, size).0, Error::NotFound as i32);
    assert_eq!(relayed(null(), &server, &server, size).0, INVALID);
    assert_eq!(relayed(&client, &server, &server, size - 1).0, INVALID);
    let mut end = none;
    for [source, destination] in [[null_mut(), &raw mut end], [&raw mut end, null_mut()]] {
        let result =
            unsafe { realpeer_relayed(&client, &server, &server, source, destination, size) };
        assert_eq!(result, INVALID);
        assert_eq!(end, none);
    }
}
