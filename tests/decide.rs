//! What becomes of a connection: every policy, what came, and why it is asked.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use realpeer::Action::{self, Accept, More, Pass, Refuse};
use realpeer::Event::{self, Closed, Data, Timeout};
use realpeer::{Decision, Limits, NoAddress, Outcome, Policy, Settings, Version, Versions, decide};
use realpeer_testdata::bytes;

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn v2() -> Vec<u8> {
    bytes("SIG 21 11 000c c0000201 c6336407 dc04 01bb")
}

/// Rust's answer, having made sure that C gives the same.
fn ask<'a>(
    policy: Option<Policy>,
    settings: &Settings,
    bytes: &'a [u8],
    event: Event,
) -> Decision<'a> {
    let decision = decide(policy, settings, bytes, event);
    #[cfg(feature = "ffi")]
    in_c::compare(policy, settings, bytes, event, &decision);
    decision
}

fn words(policy: Option<Policy>, bytes: &[u8], event: Event) -> (Action, &'static str) {
    let decision = ask(policy, &Settings::default(), bytes, event);
    (decision.action, decision.outcome.name())
}

/// One row of the table: what came, and what `require`, `optional` and `strip`
/// make of it on data, on the peer's end, on the timeout.
type Row = (&'static str, Vec<u8>, [[(Action, &'static str); 3]; 3]);

fn always(answer: (Action, &'static str)) -> [(Action, &'static str); 3] {
    [answer; 3]
}

fn table() -> Vec<Row> {
    let valid = |name, bytes| -> Row {
        (
            name,
            bytes,
            [always((Accept, "proxy")), always((Accept, "proxy")), always((Pass, "stripped"))],
        )
    };
    let own_address = |name, bytes, word| -> Row {
        (name, bytes, [always((Accept, word)), always((Accept, word)), always((Pass, "stripped"))])
    };
    let none = |name, bytes| -> Row {
        (
            name,
            bytes,
            [always((Refuse, "no_header")), always((Pass, "absent")), always((Pass, "absent"))],
        )
    };
    let broken = |name, bytes, word| -> Row { (name, bytes, [always((Refuse, word)); 3]) };
    let may_be_a_header = |name, bytes, closed| -> Row {
        (
            name,
            bytes,
            [
                [(More, "more"), (Refuse, closed), (Refuse, "timeout")],
                [(More, "more"), (Pass, "absent"), (Pass, "absent")],
                [(More, "more"), (Pass, "absent"), (Pass, "absent")],
            ],
        )
    };
    let must_be_a_header = |name, bytes| -> Row {
        let row = [(More, "more"), (Refuse, "truncated"), (Refuse, "timeout")];
        (name, bytes, [row; 3])
    };
    vec![
        valid("version 1", V1.to_vec()),
        valid("version 1 and a request", [V1, REQUEST].concat()),
        valid("version 2", v2()),
        valid("version 2 and a request", [&v2()[..], REQUEST].concat()),
        own_address("LOCAL", bytes("SIG 20 00 0000"), "local"),
        own_address(
            "LOCAL with an address",
            bytes("SIG 20 11 000c 7f000001 7f000001 0001 0002"),
            "local",
        ),
        own_address("UNKNOWN", b"PROXY UNKNOWN\r\n".to_vec(), "no_address"),
        own_address("UNSPEC", bytes("SIG 21 00 0000"), "no_address"),
        own_address("a Unix socket", bytes("SIG 21 31 00d8 00*216"), "no_address"),
        own_address(
            "a datagram",
            bytes("SIG 21 12 000c c0000201 c6336407 dc04 0035"),
            "no_address",
        ),
        none("a request", REQUEST.to_vec()),
        none("a request that begins like version 1", b"PROPFIND / HTTP/1.1\r\n".to_vec()),
        none("a request that begins like version 2", b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec()),
        none("TLS", bytes("16 0301 0200 01")),
        none("one byte", b"G".to_vec()),
        broken("version 1, a bad line", b"PROXY TCP4 010.0.0.1 ".to_vec(), "bad_v1"),
        broken("version 1, a hopeless part", b"PROXY INVALID".to_vec(), "bad_v1"),
        broken("a bad version", bytes("SIG 11"), "bad_version"),
        broken("a bad command", bytes("SIG 22"), "bad_command"),
        broken("a bad family", bytes("SIG 21 41"), "bad_family"),
        broken("a short address", bytes("SIG 21 11 0000"), "short_address"),
        broken("a bad TLV", bytes("SIG 21 11 000d c0000201 c6336407 dc04 01bb 00"), "bad_tlv"),
        broken("a bad checksum", bytes("SIG 21 00 0007 03 0004 00000000"), "bad_checksum"),
        broken("too long", bytes("SIG 21 11 0ff1"), "too_long"),
        may_be_a_header("nothing", Vec::new(), "silent"),
        may_be_a_header("a part of the first signature", b"PROX".to_vec(), "truncated"),
        may_be_a_header("one byte of the first signature", b"P".to_vec(), "truncated"),
        may_be_a_header(
            "a part of the second signature",
            b"\r\n\r\n\0\r\nQUIT".to_vec(),
            "truncated",
        ),
        may_be_a_header("one byte of the second signature", b"\r".to_vec(), "truncated"),
        must_be_a_header("the first signature", b"PROXY".to_vec()),
        must_be_a_header("a part of the line", V1[..V1.len() - 1].to_vec()),
        must_be_a_header("the second signature", bytes("SIG")),
        must_be_a_header("a part of the block", v2()[..27].to_vec()),
    ]
}

#[test]
fn the_table_of_policies() {
    let policies = [Policy::Require, Policy::Optional, Policy::Strip];
    for (name, bytes, answers) in table() {
        for (policy, row) in policies.into_iter().zip(answers) {
            for (event, answer) in [Data, Closed, Timeout].into_iter().zip(row) {
                let seen = words(Some(policy), &bytes, event);
                assert_eq!(seen, answer, "{name}, {policy:?}, {event:?}");
            }
        }
        for event in [Data, Closed, Timeout] {
            for (policy, answer) in [
                (Some(Policy::Direct), (Pass, "direct")),
                (Some(Policy::Refuse), (Refuse, "untrusted")),
                (None, (Refuse, "untrusted")),
            ] {
                assert_eq!(words(policy, &bytes, event), answer, "{name}, {policy:?}, {event:?}");
            }
        }
    }
}

/// G6: where a header is required, nothing passes without one.
#[test]
fn require_does_not_guess() {
    for (name, bytes, _) in table() {
        for event in [Data, Closed, Timeout] {
            let seen = ask(Some(Policy::Require), &Settings::default(), &bytes, event);
            assert_ne!(seen.action, Pass, "{name}");
            assert_eq!(seen.action == Accept, seen.header.is_some(), "{name}");
        }
    }
}

/// B13: bytes that end inside a header never reach the protocol above.
#[test]
fn a_part_of_a_header_at_the_end() {
    for header in [V1.to_vec(), v2()] {
        for len in 0..header.len() {
            let part = &header[..len];
            let closed = words(Some(Policy::Require), part, Closed);
            assert_eq!(closed, (Refuse, if len == 0 { "silent" } else { "truncated" }));
            assert_eq!(words(Some(Policy::Require), part, Timeout), (Refuse, "timeout"));
        }
    }
}

/// A header that is whole counts, though the peer has closed or time is up.
#[test]
fn a_whole_header_comes_before_the_event() {
    for event in [Data, Closed, Timeout] {
        assert_eq!(words(Some(Policy::Require), V1, event), (Accept, "proxy"));
        assert_eq!(words(Some(Policy::Require), REQUEST, event), (Refuse, "no_header"));
    }
}

#[test]
fn addresses_and_lengths_of_what_is_accepted() {
    let stream = [V1, REQUEST].concat();
    for policy in [Policy::Require, Policy::Optional] {
        let seen = ask(Some(policy), &Settings::default(), &stream, Data);
        assert_eq!(seen.consumed, V1.len());
        assert_eq!(seen.client, Some("192.0.2.1:56324".parse().unwrap()));
        assert_eq!(seen.server, Some("198.51.100.7:443".parse().unwrap()));
        assert_eq!(seen.header.unwrap().version(), Version::V1);
    }
}

/// Logs and access lists know one form of an address.
#[test]
fn mapped_addresses_become_ipv4() {
    let line = b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n";
    let seen = ask(Some(Policy::Require), &Settings::default(), line, Data);
    assert_eq!(seen.client, Some("192.0.2.1:1".parse().unwrap()));
    assert_eq!(seen.server, Some("[2001:db8::2]:2".parse().unwrap()));
    let header = seen.header.unwrap();
    assert_eq!(header.source(), Some("[::ffff:192.0.2.1]:1".parse().unwrap()));

    let block = bytes("SIG 21 21 0024 00*10 ffff c0000201 00*10 ffff c6336407 0001 0002");
    let seen = ask(Some(Policy::Require), &Settings::default(), &block, Data);
    assert_eq!(seen.client, Some("192.0.2.1:1".parse().unwrap()));
    assert_eq!(seen.server, Some("198.51.100.7:2".parse().unwrap()));
    // Compatible addresses (without the ffff) are IPv6 addresses.
    let line = b"PROXY TCP6 ::192.0.2.1 ::1 1 2\r\n";
    let seen = ask(Some(Policy::Require), &Settings::default(), line, Data);
    assert_eq!(seen.client, Some("[::c000:201]:1".parse().unwrap()));
}

/// A4, B8: LOCAL, UNKNOWN, UNSPEC, Unix and datagrams keep the own address.
#[test]
fn nothing_replaces_the_address_but_a_stream_over_ip() {
    for (name, bytes, _) in table() {
        for policy in Policy::ALL {
            let seen = ask(Some(policy), &Settings::default(), &bytes, Data);
            let replaced = seen.outcome == Outcome::Proxy;
            assert_eq!(seen.client.is_some(), replaced, "{name}, {policy:?}");
            assert_eq!(seen.server.is_some(), replaced, "{name}, {policy:?}");
        }
    }
}

/// A4, B8: whoever does not want connections without an address says so. LOCAL is
/// accepted all the same: the specification demands it.
#[test]
fn no_address_can_be_refused() {
    let settings = Settings { no_address: NoAddress::Refuse, ..Settings::default() };
    let unknown = b"PROXY UNKNOWN\r\n".to_vec();
    let all = [
        unknown,
        bytes("SIG 21 00 0000"),
        bytes("SIG 21 31 00d8 00*216"),
        bytes("SIG 21 12 000c c0000201 c6336407 dc04 0035"),
    ];
    for header in all {
        for policy in [Policy::Require, Policy::Optional] {
            let seen = ask(Some(policy), &settings, &header, Data);
            assert_eq!((seen.action, seen.outcome), (Refuse, Outcome::NoAddress));
            assert!(seen.header.is_some(), "for the log");
            assert_eq!(seen.consumed, 0);
        }
        // What is thrown away may be anything.
        let seen = ask(Some(Policy::Strip), &settings, &header, Data);
        assert_eq!((seen.action, seen.outcome), (Pass, Outcome::Stripped));
    }
    for header in [bytes("SIG 20 00 0000"), V1.to_vec(), v2()] {
        let seen = ask(Some(Policy::Require), &settings, &header, Data);
        assert_eq!(seen.action, Accept);
    }
}

#[test]
fn what_is_stripped_is_taken_off_the_stream() {
    for header in [V1.to_vec(), v2(), bytes("SIG 20 00 0000"), b"PROXY UNKNOWN\r\n".to_vec()] {
        let stream = [&header[..], REQUEST].concat();
        let seen = ask(Some(Policy::Strip), &Settings::default(), &stream, Data);
        assert_eq!((seen.action, seen.outcome), (Pass, Outcome::Stripped));
        assert_eq!((seen.consumed, seen.client), (header.len(), None));
        assert!(seen.header.is_none(), "what it says was said by anybody");
        let version = if header[0] == b'P' { Version::V1 } else { Version::V2 };
        assert_eq!(seen.version, Some(version));
    }
}

#[test]
fn what_is_passed_or_refused_is_left_alone() {
    for (name, bytes, _) in table() {
        for policy in Policy::ALL {
            for event in [Data, Closed, Timeout] {
                let seen = ask(Some(policy), &Settings::default(), &bytes, event);
                let may_consume =
                    matches!(seen.action, Accept | More) || seen.outcome == Outcome::Stripped;
                assert!(may_consume || seen.consumed == 0, "{name}, {policy:?}, {event:?}");
                assert_eq!(seen.action == More, seen.need > bytes.len(), "{name}, {policy:?}");
            }
        }
    }
}

#[test]
fn a_version_that_is_switched_off() {
    let only = |versions| Settings {
        limits: Limits { versions, ..Limits::default() },
        ..Settings::default()
    };
    for policy in [Policy::Require, Policy::Optional, Policy::Strip] {
        for (versions, on, off) in
            [(Versions::V1, V1.to_vec(), v2()), (Versions::V2, v2(), V1.to_vec())]
        {
            let settings = only(versions);
            assert_ne!(ask(Some(policy), &settings, &on, Data).action, Refuse);
            let seen = ask(Some(policy), &settings, &off, Data);
            assert_eq!((seen.action, seen.outcome), (Refuse, Outcome::VersionDisallowed));
        }
    }
}

#[test]
fn limits_are_obeyed() {
    let long = [&bytes("SIG 20 00 1000")[..], &[0xff; 0x1000]].concat();
    let seen = ask(Some(Policy::Require), &Settings::default(), &long[..16], Data);
    assert_eq!((seen.action, seen.outcome), (Refuse, Outcome::TooLong));
    let limits = Limits { max_header: realpeer::MAX_HEADER, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let seen = ask(Some(Policy::Require), &settings, &long[..16], Data);
    assert_eq!((seen.action, seen.need, seen.consumed), (More, 4112, 16));
    let seen = ask(Some(Policy::Require), &settings, &long, Data);
    assert_eq!((seen.action, seen.consumed), (Accept, 4112));
}

/// Quiet is what a TCP health check looks like, and nothing else that is refused.
#[test]
fn silent_alone_is_no_error() {
    for outcome in Outcome::ALL {
        assert_eq!(outcome.is_quiet(), *outcome == Outcome::Silent, "{outcome:?}");
    }
}

/// Numbers of results are for ever; their signs say what they mean.
#[test]
fn results_have_names_and_texts() {
    let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    assert_eq!(
        names,
        [
            "more",
            "proxy",
            "local",
            "no_address",
            "direct",
            "absent",
            "stripped",
            "untrusted",
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
            "truncated",
            "timeout",
            "silent",
        ]
    );
    let numbers: Vec<_> = Outcome::ALL.iter().map(|outcome| *outcome as i32).collect();
    let wanted: Vec<_> = (0..=6).chain((-14..=-1).rev()).collect();
    assert_eq!(numbers, wanted);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Outcome::ALL.len());
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::from_number(*outcome as i32), Some(*outcome));
        let text = outcome.text();
        assert_eq!(outcome.to_string(), text);
        let fits = text.is_ascii() && !text.ends_with('.') && !text.contains('"');
        assert!(!text.is_empty() && fits, "{text}");
    }
    assert_eq!(Outcome::from_number(7), None);
    assert_eq!(Outcome::from_number(-15), None);
}

#[cfg(feature = "ffi")]
mod in_c {
    use super::*;
    use realpeer::ffi::*;
    use std::net::{IpAddr, SocketAddr};

    fn same(seen: &realpeer_address, wanted: Option<SocketAddr>) -> bool {
        match wanted {
            None => *seen == realpeer_address::default(),
            Some(wanted) => {
                let mut ip = [0; 16];
                let family = match wanted.ip() {
                    IpAddr::V4(v4) => {
                        ip[..4].copy_from_slice(&v4.octets());
                        1
                    }
                    IpAddr::V6(v6) => {
                        ip = v6.octets();
                        2
                    }
                };
                (seen.family, seen.ip, seen.port) == (family, ip, wanted.port())
            }
        }
    }

    pub(super) fn compare(
        policy: Option<Policy>,
        settings: &Settings,
        bytes: &[u8],
        event: Event,
        wanted: &Decision<'_>,
    ) {
        let versions = settings.limits.versions;
        let settings = realpeer_settings {
            max_header: settings.limits.max_header,
            versions: u8::from(versions.contains(Version::V1)) * REALPEER_VERSION_1
                + u8::from(versions.contains(Version::V2)) * REALPEER_VERSION_2,
            no_address: settings.no_address as u8,
            reserved: [0; 2],
        };
        // SAFETY: all zeroes are a value of this struct of numbers.
        let mut seen: realpeer_decision = unsafe { std::mem::zeroed() };
        // SAFETY: all pointers come from references of the size given with them.
        let action = unsafe {
            realpeer_decide(
                policy.map_or(REALPEER_POLICY_NONE, |policy| policy as i32),
                &settings,
                size_of_val(&settings),
                bytes.as_ptr(),
                bytes.len(),
                event as i32,
                &mut seen,
                size_of_val(&seen),
            )
        };
        assert_eq!(action, wanted.action as i32);
        assert_eq!((seen.action, seen.result), (action, wanted.outcome as i32));
        assert_eq!((seen.consumed as usize, seen.need as usize), (wanted.consumed, wanted.need));
        assert!(same(&seen.client, wanted.client) && same(&seen.server, wanted.server));
        match wanted.header {
            None => {
                // Of what is thrown away no TLV can be found either.
                let version = wanted.version.map_or(0, |version| version as u8);
                let only = realpeer_header { version, ..realpeer_header::default() };
                assert_eq!(seen.header, only);
            }
            Some(header) => {
                assert_eq!(seen.header.length as usize, header.len());
                assert_eq!(seen.header.version, header.version() as u8);
                assert!(same(&seen.header.source, header.source()));
                assert!(same(&seen.header.destination, header.destination()));
            }
        }
    }
}
