//! Inputs that broke other receivers, as in attacks.rs: rows 18 to 34, and what has no
//! number.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use common::attack::*;
use std::net::{IpAddr, SocketAddr};

use common::Seen;
use realpeer::{
    Action, AddressText, Event, NoAddress, Outgoing, Peer, Policy, Progress, Receiver, Rule, Rules,
    Settings, Tlvs, Transport, canonical, decide, decide_datagram, parse, types,
};
use realpeer_testdata::{bytes, encode};

/// The first bytes of a TLS handshake.
const HELLO: &[u8] = &[0x16, 3, 1, 0, 0xa0, 1, 0, 0, 0x9c, 3, 3];

#[test]
fn attack_18_local_with_the_address_of_somebody_else() {
    let header = fused("SIG 20 11 000c 7f000001 7f000001 0001 0050");
    let seen = required(&header, Event::Data);
    assert_eq!(word(&seen), (Action::Accept, "local"));
    assert_eq!((seen.client, seen.server, seen.consumed), (None, None, 28));
}

/// Behind the first header everything is the application's, a second one too.
#[test]
fn attack_19_a_second_header() {
    let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".to_vec();
    let v2 = bytes("SIG 21 11 000c cb007142 cb007142 029a 029a");
    for first in [&v1, &v2] {
        for second in [&v1, &v2] {
            let both = [&first[..], second].concat();
            let alone = accepted(first);
            assert_eq!(accepted(&both), alone);
            let mut buffer = vec![0; 4096];
            let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
            receiver.room()[..both.len()].copy_from_slice(&both);
            receiver.filled(both.len());
            assert_eq!(receiver.decision().client, alone.source);
            assert_eq!(receiver.rest(), &second[..]);
        }
    }
}

/// A header anywhere but at the first byte is none.
#[test]
fn attack_20_a_header_within_the_application() {
    let header = "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\n";
    for before in ["\r\n", "\n", " ", "GET / HTTP/1.1\r\nA: b\r\n", "\0"] {
        refused(format!("{before}{header}").as_bytes(), "no_header");
        let stream = format!("{before}{header}");
        let optional =
            decide(Some(Policy::Optional), &Settings::default(), stream.as_bytes(), Event::Data);
        assert_eq!((word(&optional), optional.consumed), ((Action::Pass, "absent"), 0));
    }
}

#[test]
fn attack_21_ports_that_are_cut_to_16_bits() {
    for port in
        ["65536", "65616", "4294967376", "18446744073709551696", "-1", "0x50", "+80", "080", ""]
    {
        assert_eq!(
            line(&format!("PROXY TCP4 192.0.2.1 198.51.100.7 {port} 443\r\n")),
            Seen::Refused("bad_v1")
        );
        assert_eq!(line(&format!("PROXY TCP6 ::1 ::2 443 {port}\r\n")), Seen::Refused("bad_v1"));
    }
}

#[test]
fn attack_22_no_address_in_front_of_tls() {
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), bytes("SIG 20 00 0000"), bytes("SIG 21 00 0000")]
    {
        let stream = [&header[..], HELLO].concat();
        let seen = required(&stream, Event::Data);
        assert_eq!((seen.action, seen.client), (Action::Accept, None));
        assert_eq!(&stream[seen.consumed..], HELLO);
    }
}

/// The longest header, on a thread with little stack.
#[test]
fn attack_23_the_longest_header_on_a_small_stack() {
    let header = encode::v2(0x20, 0, &encode::tlvs(&[(types::NOOP, vec![0; 65_532])]));
    let parsed = move || {
        let settings = Settings { limits: ALL, ..Settings::default() };
        decide(Some(Policy::Require), &settings, &header, Event::Data).consumed
    };
    let thread = std::thread::Builder::new().stack_size(32 * 1024).spawn(parsed);
    assert_eq!(thread.unwrap().join().unwrap(), 65_551);
}

#[test]
fn attack_24_lengths_that_overflow_16_bits_with_the_fixed_part() {
    for len in 65_520..=65_535_u16 {
        let mut header = encode::v2(0x20, 0, &[]);
        header[14..16].copy_from_slice(&len.to_be_bytes());
        let wanted = usize::from(len) + 16;
        assert_eq!(parse(&header, &ALL), Ok(Progress::More { need: wanted }));
        header.resize(wanted + 5, 0);
        let Ok(Progress::Done(seen)) = parse(&header, &ALL) else { panic!("{len} is refused") };
        assert_eq!(seen.len(), wanted);
        assert_eq!(parse(&header[..wanted - 1], &ALL), Ok(Progress::More { need: wanted }));
    }
}

/// Rules look at the source that connected, and never at what a header says.
#[test]
fn attacks_25_to_27_whose_address_a_rule_looks_at() {
    let mut rules = [
        Rule::parse("10.0.0.0/8", Policy::Require, 1).unwrap().0,
        Rule::parse("192.0.2.1", Policy::Direct, 2).unwrap().0,
    ];
    let rules = Rules::prepare(&mut rules).unwrap();
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    let from = |ip: &str| {
        decide(
            rules.find(ip.parse::<IpAddr>().unwrap().into()),
            &Settings::default(),
            line,
            Event::Data,
        )
    };
    assert_eq!(from("10.1.1.1").client, Some("192.0.2.1:56324".parse().unwrap()));
    assert_eq!(word(&from("192.0.2.1")), (Action::Pass, "direct"));
    assert_eq!(word(&from("203.0.113.9")), (Action::Refuse, "untrusted"));
    // A datagram and a stream from one source are told apart by the header alone.
    let udp = bytes("SIG 21 12 000c c0000201 c6336407 dc04 0035");
    let policy = rules.find("10.1.1.1".parse::<IpAddr>().unwrap().into());
    assert_eq!(
        decide_datagram(policy, &Settings::default(), &udp).client,
        Some("192.0.2.1:56324".parse().unwrap())
    );
    assert_eq!(decide(policy, &Settings::default(), &udp, Event::Data).client, None);
}

/// Broken off at each byte, at each place in memory.
#[test]
fn attack_28_broken_off_anywhere() {
    for whole in [
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.7 56324 443\r\n".to_vec(),
        b"PROXY UNKNOWN 1 2 3\r\n".to_vec(),
        bytes("SIG 21 21 0026 20010db8*8 dc04 01bb 0400"),
        bytes("SIG 20 00 0007 03 0004 a9b87e8f"),
    ] {
        for len in 0..whole.len() {
            for offset in 0..9 {
                let memory = [&[0xaa; 8][..offset.min(8)], &whole[..len]].concat();
                let part = &memory[offset.min(8)..];
                assert_eq!(see(part), Seen::More);
                let closed = if len == 0 { "silent" } else { "truncated" };
                assert_eq!(word(&required(part, Event::Closed)), (Action::Refuse, closed));
                assert_eq!(word(&required(part, Event::Timeout)), (Action::Refuse, "timeout"));
            }
        }
    }
}

/// A protocol with the same purpose that is not spoken here.
#[test]
fn attack_29_the_client_ip_of_another_protocol() {
    refused(&bytes("32d0fc3e 0018 45000014 00000000 40060000 c0000201 c6336407"), "no_header");
}

#[test]
fn attack_30_health_checks() {
    for (header, len) in [
        ("SIG 20 00 0000", 16),
        ("SIG 20 11 0000", 16),
        ("SIG 20 11 000c 00000000 00000000 0000 0000", 28),
        ("SIG 20 11 0054 03 0004 bce5951f 04 004a 00*74", 100),
        ("SIG 20 00 0003 040000", 19),
    ] {
        for settings in [NoAddress::Accept, NoAddress::Refuse] {
            let settings = Settings { no_address: settings, ..Settings::default() };
            let stream = fused(header);
            let seen = decide(Some(Policy::Require), &settings, &stream, Event::Data);
            assert_eq!((word(&seen), seen.consumed), ((Action::Accept, "local"), len), "{header}");
        }
    }
    assert!(required(b"", Event::Closed).outcome.is_quiet());
}

/// What is logged is what is compared: the text comes from the binary form.
#[test]
fn attack_31_one_address_and_two_texts() {
    for ip in [
        "192.0.2.010",
        "0300.0.2.1",
        "192.2.1",
        "3221225985",
        "192.0.2.1.",
        "0xc0000201",
        "192.0.2.1 ",
    ] {
        assert_eq!(
            line(&format!("PROXY TCP4 {ip} 198.51.100.7 1 2\r\n")),
            Seen::Refused("bad_v1"),
            "{ip}"
        );
    }
    for (text, canonical_text) in [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
    ] {
        let line = format!("PROXY TCP6 {text} 2001:db8::2 1 2\r\n");
        let client = required(line.as_bytes(), Event::Data).client.unwrap();
        assert_eq!(AddressText::new(client.ip()).as_str(), canonical_text);
        assert_eq!(canonical(client), client);
    }
}

#[test]
fn attack_32_the_byte_order_of_the_checksum() {
    let mut header = bytes("SIG 21 11 0013 c0000201 c6336407 dc04 01bb 03 0004 00000000");
    encode::seal(&mut header, 31);
    assert!(accepted(&header).checksum);
    header[31..].reverse();
    refused(&header, "bad_checksum");
    header[31..].reverse();
    for bit in 0..8 * header.len() {
        let mut turned = header.clone();
        turned[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(see(&turned), Seen::Accepted(seen) if seen.checksum), "bit {bit}");
    }
}

#[test]
fn attack_33_lax_text() {
    for text in [
        "PROXY TCP4 0x7f.0.0.1 198.51.100.7 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXYX TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.7 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
    ] {
        assert_eq!(line(text), Seen::Refused("bad_v1"), "{text:?}");
    }
    assert_eq!(line("proxy TCP4 192.0.2.1 198.51.100.7 1 2\r\n"), Seen::Refused("no_header"));
}

#[test]
fn attack_34_undefined_values() {
    for command in 2..=15_u8 {
        refused(&encode::v2(0x20 | command, 0x11, &[0; 12]), "bad_command");
    }
    for family in [0x41, 0x13, 0x1f, 0xf1] {
        refused(&encode::v2(0x21, family, &[0; 216]), "bad_family");
    }
    refused(&fused("SIG 21 11 0013 c0000201 c6336407 dc04 01bb 03 0004 00000000"), "bad_checksum");
    refused(&fused("SIG 21 11 000e c0000201 c6336407 dc04 01bb 0000"), "bad_tlv");
}

// ---- what the list has without a number

#[test]
fn attack_also_a_word_that_begins_like_the_signature() {
    for stream in [&b"PRO"[..], b"PROX"] {
        let whole = [stream, REQUEST].concat();
        assert_eq!(word(&required(stream, Event::Data)), (Action::More, "more"));
        let undecided = decide(Some(Policy::Optional), &Settings::default(), stream, Event::Data);
        assert_eq!((word(&undecided), undecided.consumed), ((Action::More, "more"), 0));
        assert_eq!(word(&required(&whole, Event::Data)), (Action::Refuse, "no_header"));
        for policy in [Policy::Optional, Policy::Strip] {
            let seen = decide(Some(policy), &Settings::default(), &whole, Event::Data);
            assert_eq!((word(&seen), seen.consumed), ((Action::Pass, "absent"), 0));
        }
    }
}

#[test]
fn attack_also_mapped_peers_and_unix_sockets() {
    let mut rules = [Rule::parse("10.0.0.0/8", Policy::Require, 1).unwrap().0];
    let rules = Rules::prepare(&mut rules).unwrap();
    let find = |ip: &str| rules.find(ip.parse::<IpAddr>().unwrap().into());
    assert_eq!(find("::ffff:10.0.0.1"), Some(Policy::Require));
    assert_eq!(find("::10.0.0.1"), None);
    assert_eq!(find("64:ff9b::10.0.0.1"), None);
    assert_eq!(rules.find(Peer::Unix), None);
}

/// An odd address is the sender's word like any other: it is not judged here, only
/// given as it is.
#[test]
fn attack_also_odd_sources() {
    for ip in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.1"] {
        let line = format!("PROXY TCP4 {ip} 198.51.100.7 0 0\r\n");
        let wanted = SocketAddr::new(ip.parse().unwrap(), 0);
        assert_eq!(required(line.as_bytes(), Event::Data).client, Some(wanted));
    }
    let none = Tlvs::new(&[]);
    assert!(none.ssl().is_none() && Outgoing::local().transport(Transport::Stream).len().is_err());
}
