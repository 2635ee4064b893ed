//! What the C functions do with what lies in memory: TLVs, texts, addresses as
//! `struct sockaddr`, arrays of rules.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::mem::{MaybeUninit, offset_of, zeroed};
use std::ptr::{null, null_mut};

use common::call::{INVALID, Room, c, rule};
use libc::{AF_INET, AF_INET6, AF_UNIX, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};
use realpeer::ffi::*;
use realpeer::{Policy, Rule};

// ---- TLVs

#[test]
fn iteration_stops_where_it_should() {
    let tlvs = [1, 0, 2, b'h', b'2', 4, 0, 0, 9];
    let mut tlv = realpeer_tlv { value: null(), length: 0, kind: 0, reserved: [9; 3] };
    let mut position = 0;
    let mut next = |position: &mut usize| unsafe {
        let result =
            realpeer_tlv_next(tlvs.as_ptr(), tlvs.len(), position, &mut tlv, size_of_val(&tlv));
        (result, tlv)
    };
    let (result, first) = next(&mut position);
    assert_eq!((result, position, first.kind, first.length), (1, 5, 1, 2));
    assert_eq!((first.value, first.reserved), (tlvs[3..].as_ptr(), [0; 3]));
    let (result, second) = next(&mut position);
    assert_eq!((result, position, second.kind, second.length), (1, 8, 4, 0));
    assert!(!second.value.is_null());
    assert_eq!((next(&mut position).0, position), (0, 8));
    position = 9;
    assert_eq!((next(&mut position).0, position), (0, 9));
    for beyond in [10, usize::MAX] {
        position = beyond;
        assert_eq!((next(&mut position).0, position), (INVALID, beyond));
    }
}

#[test]
fn tls_taken_apart() {
    let tlvs = [0x20, 0, 10, 5, 0, 0, 0, 0, 0x22, 0, 2, b'a', b'b'];
    let mut ssl: realpeer_ssl = unsafe { zeroed() };
    let n = size_of_val(&ssl);
    assert_eq!(unsafe { realpeer_tlv_ssl(tlvs.as_ptr(), tlvs.len(), &mut ssl, n) }, 1);
    assert_eq!((ssl.client, ssl.verify, ssl.verified, ssl.tlvs_length), (5, 0, 1, 5));
    assert_eq!((ssl.tlvs, ssl.reserved), (tlvs[8..].as_ptr(), [0; 6]));
    let failed = [0x20, 0, 5, 7, 0, 0, 1, 2];
    assert_eq!(unsafe { realpeer_tlv_ssl(failed.as_ptr(), failed.len(), &mut ssl, n) }, 1);
    assert_eq!((ssl.client, ssl.verify, ssl.verified, ssl.tlvs_length), (7, 0x102, 0, 0));
    assert!(!ssl.tlvs.is_null());
}

#[test]
fn lengths_of_texts_are_given_though_they_do_not_fit() {
    let tlvs = [1, 0, 3, b'h', b'\n', b'2'];
    let mut out = Room::new();
    for (size, written) in [(0, false), (5, false), (6, true), (7, true)] {
        out = Room::new();
        let len = unsafe { realpeer_tlv_text(tlvs.as_ptr(), tlvs.len(), 1, out.of(), size) };
        assert_eq!(len, 6);
        assert_eq!(!out.is_untouched_from(0), written, "{size}");
    }
    assert_eq!(&out.0[..6], b"h\\x0A2");
    assert!(out.is_untouched_from(6), "no NUL is added");
}

// ---- addresses

fn address(text: &str, port: u16) -> realpeer_address {
    let mut ip = [0; 16];
    let family = match text.parse().unwrap() {
        std::net::IpAddr::V4(v4) => {
            ip[..4].copy_from_slice(&v4.octets());
            1
        }
        std::net::IpAddr::V6(v6) => {
            ip = v6.octets();
            2
        }
    };
    realpeer_address { family, reserved: 0, port, ip }
}

#[test]
fn addresses_as_text() {
    for text in ["192.0.2.1", "::", "2001:db8::1", "::ffff:192.0.2.1"] {
        let from = address(text, 80);
        for size in 0..=REALPEER_ADDRESS_TEXT {
            let mut out = Room::new();
            let len = unsafe { realpeer_address_text(&from, out.of(), size) };
            assert_eq!(len as usize, text.len());
            if size > text.len() {
                assert_eq!(&out.0[..=text.len()], [text.as_bytes(), b"\0"].concat());
                assert!(out.is_untouched_from(text.len() + 1));
            } else {
                assert!(out.is_untouched_from(0), "{text} in {size} bytes");
            }
        }
    }
    let mut out = Room::new();
    for family in [0, 3, 4, 255] {
        let none = realpeer_address { family, ..address("192.0.2.1", 80) };
        let result = unsafe { realpeer_address_text(&none, out.of(), 64) };
        assert_eq!(result, Error::NotFound as i32);
    }
    assert!(out.is_untouched_from(0));
}

#[test]
fn addresses_as_sockaddr() {
    for (text, family, size) in [
        ("192.0.2.1", AF_INET, size_of::<sockaddr_in>()),
        ("2001:db8::1", AF_INET6, size_of::<sockaddr_in6>()),
    ] {
        let from = address(text, 0x1234);
        for room_len in 0..=128 {
            let mut room = Room::new();
            let mut len = room_len as socklen_t;
            let result = unsafe { realpeer_address_to_sockaddr(&from, room.of(), &mut len) };
            if room_len < size {
                assert_eq!((result, len as usize), (INVALID, room_len));
                assert!(room.is_untouched_from(0));
                continue;
            }
            assert_eq!((result, len as usize), (0, size));
            assert!(room.is_untouched_from(size));
            assert_eq!(i32::from(unsafe { (*room.of::<sockaddr>()).sa_family }), family);
            let port = if family == AF_INET {
                let at = offset_of!(sockaddr_in, sin_addr);
                assert_eq!(room.0[at..at + 4], from.ip[..4]);
                unsafe { (*room.of::<sockaddr_in>()).sin_port }
            } else {
                let v6 = unsafe { *room.of::<sockaddr_in6>() };
                assert_eq!(v6.sin6_addr.s6_addr, from.ip);
                assert_eq!((v6.sin6_flowinfo, v6.sin6_scope_id), (0, 0));
                v6.sin6_port
            };
            assert_eq!(port.to_ne_bytes(), [0x12, 0x34], "network byte order");
        }
    }
    let mut room = Room::new();
    let mut len = 128;
    let none = realpeer_address::default();
    let result = unsafe { realpeer_address_to_sockaddr(&none, room.of(), &mut len) };
    assert_eq!((result, len), (Error::NotFound as i32, 128));
    assert!(room.is_untouched_from(0));
}

// ---- rules

#[test]
fn peers_as_sockaddr() {
    let mut rules = [
        rule("192.0.2.0/24", Policy::Require),
        rule("2001:db8::/32", Policy::Optional),
        rule("unix:", Policy::Direct),
    ];
    assert_eq!(unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), 3, null_mut()) }, 0);
    let find = |peer: &[u8]| unsafe {
        realpeer_rules_find(rules.as_ptr(), 3, peer.as_ptr().cast(), peer.len() as socklen_t)
    };
    let peer = |text: &str| {
        let mut room = Room::new();
        let mut len = 512;
        let from = address(text, 80);
        assert_eq!(unsafe { realpeer_address_to_sockaddr(&from, room.of(), &mut len) }, 0);
        room.0[..len as usize].to_vec()
    };
    assert_eq!(find(&peer("192.0.2.9")), Policy::Require as i32);
    assert_eq!(find(&peer("::ffff:192.0.2.9")), Policy::Require as i32);
    assert_eq!(find(&peer("2001:db8::9")), Policy::Optional as i32);
    assert_eq!(find(&peer("198.51.100.1")), REALPEER_POLICY_NONE);

    // Any length and alignment; what is not all there is nobody.
    for whole in [peer("192.0.2.9"), peer("2001:db8::9")] {
        let needed = if whole.len() == 16 { 8 } else { 24 };
        for len in 0..whole.len() {
            let wanted = if len < needed { REALPEER_POLICY_NONE } else { find(&whole) };
            assert_eq!(find(&whole[..len]), wanted, "{len} of {}", whole.len());
        }
        let shifted = [&[0xaa][..], &whole].concat();
        assert_eq!(find(&shifted[1..]), find(&whole));
    }
    let family = |family: i32| (family as u16).to_ne_bytes().to_vec();
    assert_eq!(find(&family(AF_UNIX)), Policy::Direct as i32);
    let named = [family(AF_UNIX), b"/run/client.sock\0".to_vec()].concat();
    assert_eq!(find(&named), Policy::Direct as i32);
    for other in [libc::AF_UNSPEC, libc::AF_NETLINK, 0xffff] {
        assert_eq!(find(&[family(other), vec![0; 30]].concat()), REALPEER_POLICY_NONE);
    }
    // `all` is for whoever can be told apart, not for what is no address.
    let all = [rule("all", Policy::Require)];
    let nobody = family(libc::AF_NETLINK);
    let found = unsafe { realpeer_rules_find(all.as_ptr(), 1, nobody.as_ptr().cast(), 2) };
    assert_eq!(found, REALPEER_POLICY_NONE);
}

#[test]
fn duplicates_are_named() {
    let mut rules: Vec<Rule> = Vec::new();
    for (source, tag) in [("10.0.0.0/8", 12), ("all", 5), ("10.1.2.3/8", 4)] {
        let mut out = MaybeUninit::<Rule>::uninit();
        let result = unsafe {
            realpeer_rule_parse(
                c(source),
                source.len(),
                1,
                tag,
                out.as_mut_ptr(),
                size_of::<Rule>(),
            )
        };
        assert_eq!(result, i32::from(tag == 4));
        rules.push(unsafe { out.assume_init() });
    }
    let mut tags = [0; 2];
    let duplicate = Error::DuplicateSource as i32;
    assert_eq!(
        unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), 3, tags.as_mut_ptr()) },
        duplicate
    );
    assert_eq!(tags, [4, 12]);
    assert_eq!(unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), 3, null_mut()) }, duplicate);
}

#[test]
fn arrays_are_compared_by_source_and_policy() {
    let prepared = |list: &[(&str, Policy)]| {
        let mut rules: Vec<Rule> =
            list.iter().map(|(source, policy)| rule(source, *policy)).collect();
        assert_eq!(
            unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), rules.len(), null_mut()) },
            0
        );
        rules
    };
    let equal = |a: &[Rule], b: &[Rule]| unsafe {
        realpeer_rules_equal(a.as_ptr(), a.len(), b.as_ptr(), b.len())
    };
    use Policy::{Direct, Require};
    let a = prepared(&[("10.0.0.0/8", Require), ("all", Direct)]);
    assert_eq!(equal(&a, &prepared(&[("all", Direct), ("10.9.9.9/8", Require)])), 1);
    assert_eq!(equal(&a, &prepared(&[("all", Require), ("10.0.0.0/8", Require)])), 0);
    assert_eq!(equal(&a, &prepared(&[("all", Direct), ("10.0.0.0/9", Require)])), 0);
    assert_eq!(equal(&a, &prepared(&[("all", Direct)])), 0);
    assert_eq!(equal(&a, &[]), 0);
    assert_eq!(equal(&[], &[]), 1);
}

/// Memory that C got wrong: links between rules that lead anywhere, in a circle
/// too. The look-up comes to an end, with whatever answer.
#[test]
fn links_that_were_overwritten() {
    const PARENT: usize = 16;
    let sources = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3"];
    let count = sources.len();
    let mut rules: Vec<Rule> = sources.iter().map(|source| rule(source, Policy::Require)).collect();
    assert_eq!(unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), count, null_mut()) }, 0);

    let (done, end) = std::sync::mpsc::channel();
    // A look-up that does not end cannot be stopped, only be reported.
    std::thread::spawn(move || {
        for links in 0..7_u32.pow(4) {
            let mut rules = rules.clone();
            for (at, rule) in rules.iter_mut().enumerate() {
                let link = match links / 7_u32.pow(at as u32) % 7 {
                    4 => u32::MAX - 1,
                    5 => u32::MAX,
                    6 => 1000,
                    near => near,
                };
                let field = std::ptr::from_mut(rule).cast::<u8>().wrapping_add(PARENT);
                unsafe { field.cast::<u32>().write(link) };
            }
            for peer in ["10.1.2.3", "10.1.2.4", "10.1.3.0", "10.2.0.0", "11.0.0.0", "9.0.0.0"] {
                let mut room = Room::new();
                let mut len = 512;
                let found = unsafe {
                    realpeer_address_to_sockaddr(&address(peer, 1), room.of(), &mut len);
                    realpeer_rules_find(rules.as_ptr(), count, room.of(), len)
                };
                assert!([REALPEER_POLICY_NONE, Policy::Require as i32].contains(&found));
            }
        }
        done.send(()).expect("the test waits");
    });
    let ended = end.recv_timeout(std::time::Duration::from_secs(60));
    assert!(ended.is_ok(), "a look-up does not end, or has failed: {ended:?}");
}

/// `const` may be used by many at once.
#[test]
fn concurrently() {
    let mut rules: Vec<Rule> =
        (0..=255).map(|i| rule(&format!("10.{i}.0.0/16"), Policy::ALL[i % 5])).collect();
    assert_eq!(unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), rules.len(), null_mut()) }, 0);
    let rules = &rules[..];
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for i in 0..=255_u8 {
                    let mut room = Room::new();
                    let mut len = 512;
                    let from = address(&format!("10.{i}.{thread}.1"), 1);
                    let found = unsafe {
                        assert_eq!(realpeer_address_to_sockaddr(&from, room.of(), &mut len), 0);
                        realpeer_rules_find(rules.as_ptr(), rules.len(), room.of(), len)
                    };
                    assert_eq!(found, Policy::ALL[usize::from(i) % 5] as i32);
                }
            });
        }
    });
}

// ---- the limit of a log

fn rate_parse(rate: Option<&str>, burst: Option<&str>) -> Result<(u32, u32), i32> {
    let mut out = realpeer_log_rate { interval: 7, burst: 7 };
    let word = |word: Option<&str>| match word {
        Some(word) => (word.as_ptr().cast(), word.len()),
        None => (null(), 0),
    };
    let ((rate, rate_len), (burst, burst_len)) = (word(rate), word(burst));
    let size = size_of_val(&out);
    let result =
        unsafe { realpeer_log_rate_parse(rate, rate_len, burst, burst_len, &mut out, size) };
    if result == 0 {
        return Ok((out.interval, out.burst));
    }
    assert_eq!((out.interval, out.burst), (7, 7));
    Err(result)
}

#[test]
fn rates_of_a_log() {
    assert_eq!(rate_parse(None, None), Ok((100, 100)));
    assert_eq!(rate_parse(Some("10r/s"), None), Ok((100, 100)));
    assert_eq!(rate_parse(Some("30r/m"), Some("burst=5")), Ok((2000, 5)));
    assert_eq!(rate_parse(Some("300r/s"), Some("burst=5")), Ok((4, 5)));
    assert_eq!(rate_parse(Some("off"), None), Ok((0, 0)));
    assert_eq!(rate_parse(Some("10"), None), Err(Error::BadRate as i32));
    assert_eq!(rate_parse(Some("10r/s"), Some("5")), Err(Error::BadBurst as i32));
    assert_eq!(rate_parse(Some("10r/s"), Some("")), Err(Error::BadBurst as i32));
    assert_eq!(rate_parse(None, Some("burst=5")), Err(INVALID));
    let mut out = realpeer_log_rate { interval: 7, burst: 7 };
    unsafe {
        assert_eq!(realpeer_log_rate_parse(null(), 0, null(), 0, null_mut(), 8), INVALID);
        assert_eq!(realpeer_log_rate_parse(null(), 0, null(), 0, &mut out, 7), INVALID);
        assert_eq!(realpeer_log_rate_parse(null(), 3, null(), 0, &mut out, 8), INVALID);
        let bad = [0xff_u8];
        let result = realpeer_log_rate_parse(bad.as_ptr().cast(), 1, null(), 0, &mut out, 8);
        assert_eq!(result, Error::BadRate as i32);
    }
}

#[test]
fn lines_of_a_log() {
    let mut limit = realpeer_log_limit { state: [0; 64] };
    let rate = realpeer_log_rate { interval: 1000, burst: 1 };
    let (mut held_back, mut result) = (7, 7);
    let n = size_of_val(&rate);
    let mut refused = |result: i32, now: u64, held_back: &mut u32| unsafe {
        realpeer_log_refused(&mut limit, &rate, n, result, 0, now, held_back)
    };
    assert_eq!((refused(-3, 0, &mut held_back), held_back), (1, 0));
    held_back = 7;
    assert_eq!((refused(-3, 5, &mut held_back), held_back), (0, 7));
    assert_eq!((refused(3, 5, &mut held_back), held_back), (1, 0));
    assert_eq!(refused(99, 5, &mut held_back), INVALID);
    assert_eq!((refused(-3, 1000, &mut held_back), held_back), (1, 1));
    assert_eq!((refused(-3, 1001, &mut held_back), refused(3, 900, &mut held_back)), (0, 0));

    let mut told = |rate: *const realpeer_log_rate, now: u64, result: &mut i32| {
        let (mut quiet, mut lines) = (9, 9);
        let answer = unsafe {
            realpeer_log_held_back(&mut limit, rate, n, now, result, &mut quiet, &mut lines)
        };
        assert_eq!(quiet, if answer == 1 { 0 } else { 9 });
        (answer, lines)
    };
    assert_eq!((told(&rate, 999, &mut result), result), ((2, 9), 7));
    assert_eq!((told(&rate, 1005, &mut result), result), ((1, 1), 3));
    assert_eq!((told(null(), 0, &mut result), result), ((1, 1), -3));
    assert_eq!(told(null(), 0, &mut result), (0, 9));

    // What asks for more than this library has.
    let longer = [1000_u32, 1, 1];
    let of = |size: usize| {
        let (limit, rate) = (&mut realpeer_log_limit { state: [0; 64] }, longer.as_ptr().cast());
        unsafe { realpeer_log_refused(limit, rate, size, -3, 0, 0, &mut held_back) }
    };
    let mut of = of;
    assert_eq!((of(7), of(8), of(12)), (INVALID, 1, INVALID));
    unsafe {
        assert_eq!(realpeer_log_refused(null_mut(), &rate, n, -3, 0, 0, &mut held_back), INVALID);
        assert_eq!(realpeer_log_refused(&mut limit, &rate, n, -3, 0, 0, null_mut()), INVALID);
        let odd = (&raw mut limit).byte_add(1);
        assert_eq!(realpeer_log_refused(odd, &rate, n, -3, 0, 0, &mut held_back), INVALID);
        for quiet in [-1, 2] {
            let refused = realpeer_log_refused(&mut limit, &rate, n, -3, quiet, 0, &mut held_back);
            assert_eq!(refused, INVALID);
        }
        let mut quiet = 9;
        let mut told = |result: *mut i32, quiet: *mut i32, lines: *mut u32| {
            realpeer_log_held_back(&mut limit, &rate, n, 0, result, quiet, lines)
        };
        assert_eq!(told(null_mut(), &mut quiet, &mut held_back), INVALID);
        assert_eq!(told(&mut result, null_mut(), &mut held_back), INVALID);
        assert_eq!(told(&mut result, &mut quiet, null_mut()), INVALID);
    }
}

#[test]
fn quiet_lines_of_a_log_are_apart() {
    let mut limit = realpeer_log_limit { state: [0; 64] };
    let rate = realpeer_log_rate { interval: 60_000, burst: 1 };
    let n = size_of_val(&rate);
    let mut refused = |quiet: i32| {
        let mut held_back = 9;
        let answer =
            unsafe { realpeer_log_refused(&mut limit, &rate, n, -2, quiet, 5, &mut held_back) };
        (answer, held_back)
    };
    assert_eq!((refused(1), refused(1), refused(1)), ((1, 0), (0, 9), (0, 9)));
    assert_eq!((refused(0), refused(0)), ((1, 0), (0, 9)));
    let mut told = || {
        let (mut result, mut quiet, mut lines) = (9, 9, 9);
        let answer = unsafe {
            realpeer_log_held_back(&mut limit, null(), n, 5, &mut result, &mut quiet, &mut lines)
        };
        (answer, result, quiet, lines)
    };
    assert_eq!((told(), told(), told().0), ((1, -2, 0, 1), (1, -2, 1, 2), 0));
}
