//! Inputs that broke other receivers, a test for each row of the list, named after it:
//! on the parser, the decision and the writer, in Rust and, built with the C
//! functions, in C. The same bytes against running servers are in tests/e2e; more of
//! their kind is in tests/vectors.
//! Rows 1 to 17; the others are in attacks_from_18.rs.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use common::attack::*;

use common::Seen;
use realpeer::{
    Action, AddressText, Event, Limits, Outgoing, Policy, Progress, Receiver, Settings, Tlv,
    WriteError, decide, parse, types,
};
use realpeer_testdata::{bytes, encode};

/// 107 bytes are the most that is ever waited for, whatever they are.
#[test]
fn attack_01_a_line_without_end() {
    for (start, filler) in [
        ("PROXY ", b'A'),
        ("PROXY UNKNOWN ", b'A'),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 ", b'1'),
        ("PROXY TCP6 ", b':'),
    ] {
        let mut stream = start.as_bytes().to_vec();
        while see(&stream) == Seen::More {
            assert!(stream.len() < 107, "{start:?} is waited for");
            stream.push(filler);
        }
        stream.resize(100_000, filler);
        refused(&stream, "bad_v1");
    }
}

/// Silence, and a header that stays a part: the event that ends the wait decides.
#[test]
fn attack_02_headers_that_never_come() {
    assert_eq!(word(&required(b"", Event::Timeout)), (Action::Refuse, "timeout"));
    for part in [&b"P"[..], b"PROXY TCP4 192.0", b"\r\n\r\n", &bytes("SIG 21 11 000c c0")] {
        assert_eq!(word(&required(part, Event::Data)), (Action::More, "more"));
        assert_eq!(word(&required(part, Event::Timeout)), (Action::Refuse, "timeout"));
        assert_eq!(word(&required(part, Event::Closed)), (Action::Refuse, "truncated"));
    }
}

#[test]
fn attack_03_addresses_that_do_not_come() {
    for header in ["SIG 21 12 0000", "SIG 21 11 0000", "SIG 21 21 000c", "SIG 21 31 000c"] {
        refused(&bytes(header), "short_address");
        refused(&fused(header), "short_address");
    }
    assert_eq!(see(&bytes("SIG 21 21 0024 20010db8")), Seen::More);
}

#[test]
fn attack_04_blocks_larger_than_any_addresses() {
    for len in [217_usize, 219, 1000, 65_535] {
        for (version_command, family) in [(0x20, 0), (0x20, 0x11), (0x21, 0), (0x21, 0x31)] {
            let mut block = vec![0; len.min(216)];
            if len >= 219 {
                block.extend(encode::tlvs(&[(types::NOOP, vec![0; len - 219])]));
            }
            block.resize(len, 0);
            let header = [encode::v2(version_command, family, &block), REQUEST.to_vec()].concat();
            if (version_command, family, len) == (0x21, 0x31, 217) {
                refused(&header, "bad_tlv");
                continue;
            }
            let seen = accepted(&header);
            assert_eq!((seen.len, seen.source), (16 + len, None));
        }
    }
}

#[test]
fn attack_05_a_length_shorter_than_the_addresses() {
    for header in [
        "SIG 21 11 0000",
        "SIG 21 11 000b c0000201 c6336407 dc04 01",
        "SIG 21 21 000c c0000201 c6336407 dc04 01bb",
        "SIG 21 21 0023 20010db8*8 dc04 01",
    ] {
        refused(&fused(header), "short_address");
    }
}

/// The same behind a valid header in the same memory: nothing of that shows.
#[test]
fn attack_06_stale_bytes_of_the_connection_before() {
    let valid = bytes("SIG 21 11 000c cb007142 cb007142 029a 029a");
    let mut memory = valid.clone();
    assert_eq!(accepted(&memory).source.unwrap().ip().to_string(), "203.0.113.66");
    memory[14..16].fill(0);
    refused(&memory, "short_address");
    memory[12] = 0x20;
    let seen = accepted(&memory);
    assert_eq!((seen.len, seen.source, seen.tlvs.len()), (16, None, 0));
    let part = &valid[..20];
    assert_eq!(required(part, Event::Closed).client, None);
}

#[test]
fn attack_07_tlvs_that_reach_into_the_application() {
    // Addresses and one TLV; what follows looks like another one.
    let header = bytes("SIG 21 11 0014 c0000201 c6336407 dc04 01bb 01 0005 'proto'");
    let seen = accepted(&[&header[..], &bytes("02 0005 'admin'")].concat());
    assert_eq!((seen.len, seen.tlvs.len()), (36, 1));
    // The value ends behind the header, within what follows.
    refused(&fused("SIG 21 11 0011 c0000201 c6336407 dc04 01bb 02 0010 6162"), "bad_tlv");
    refused(&fused("SIG 21 11 000f c0000201 c6336407 dc04 01bb 02 0001"), "bad_tlv");
    // One and two bytes are no TLV.
    refused(&fused("SIG 21 11 000d c0000201 c6336407 dc04 01bb 04"), "bad_tlv");
    refused(&fused("SIG 21 11 000e c0000201 c6336407 dc04 01bb 04 00"), "bad_tlv");
}

/// No function of the library needs the host to have IPv6.
#[test]
fn attack_08_ipv6_where_the_host_has_none() {
    let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n";
    let seen = required(line, Event::Data);
    assert_eq!(seen.client, Some("[2001:db8::1]:56324".parse().unwrap()));
    let text = AddressText::new(seen.client.unwrap().ip());
    assert_eq!(text.as_str(), "2001:db8::1");
    let mut out = [0; 107];
    let len = realpeer::write_v1(seen.client.zip(seen.server), &mut out).unwrap();
    assert_eq!(&out[..len], line);
}

/// No address: each getter says so, and the header can be passed on.
#[test]
fn attack_09_no_address_to_pass_on() {
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        bytes("SIG 20 00 0000"),
        bytes("SIG 21 00 0000"),
        bytes("SIG 20 11 0054 03 0004 bce5951f 04 004a 00*74"),
    ] {
        let Ok(Progress::Done(seen)) = parse(&header, &ALL) else { panic!("{header:02x?}") };
        let decision = required(&header, Event::Data);
        assert_eq!(decision.action, Action::Accept);
        assert_eq!((decision.client, decision.server), (None, None));
        assert_eq!((seen.source(), seen.destination(), seen.unix_paths()), (None, None, None));
        let mut out = [0; 256];
        let written = Outgoing::local().tlvs(seen.tlvs()).write(&mut out).unwrap();
        assert!(
            matches!(parse(&out[..written], &ALL), Ok(Progress::Done(again)) if again.outcome().name() == "local")
        );
    }
}

#[test]
fn attack_10_tlvs_that_are_no_text() {
    let nasty = [0xff, 0xfe, 0x80, 0, b'\r', b'\n', b'\\', 0x1b];
    for kind in [types::AUTHORITY, types::UNIQUE_ID, types::ALPN, types::NETNS, 0xe4] {
        let block = [
            &[192, 0, 2, 1, 198, 51, 100, 7, 0, 1, 0, 2][..],
            &encode::tlvs(&[(kind, nasty.to_vec())]),
        ]
        .concat();
        let seen = accepted(&encode::v2(0x21, 0x11, &block));
        assert_eq!(seen.tlvs, [(kind, nasty.to_vec())]);
        for (_, text) in &seen.fields {
            assert_eq!(text, r"\xFF\xFE\x80\x00\x0D\x0A\x5C\x1B");
        }
        assert!(!seen.fields.is_empty());
    }
    let long = encode::tlvs(&[(types::AUTHORITY, vec![0xff; 65_532])]);
    let seen = accepted(&encode::v2(0x20, 0, &long));
    assert_eq!(
        seen.fields.iter().find(|(name, _)| name == "authority").unwrap().1.len(),
        4 * 65_532
    );
}

/// The length that is written is that of what is written, or nothing is.
#[test]
fn attack_11_more_tlvs_than_a_header_counts() {
    let (source, destination) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let mut out = vec![0xaa; 140_000];
    for (len, fits) in [
        (65_535 - 12 - 3 - 1, true),
        (65_535 - 12 - 3, true),
        (65_535 - 12 - 2, false),
        (65_535, false),
    ] {
        let value = vec![b'a'; len];
        for parts in [1, 2] {
            let tlvs = value.chunks(len.div_ceil(parts)).map(|value| Tlv { kind: 0xe0, value });
            let fits = fits && (parts == 1 || len < 65_535 - 12 - 6);
            let written = Outgoing::proxy(source, destination).tlvs(tlvs).write(&mut out);
            let Ok(written) = written else {
                assert!(!fits && written == Err(WriteError::TooMuch));
                assert!(out.iter().all(|&byte| byte == 0xaa), "begun and not ended");
                continue;
            };
            assert!(fits);
            assert_eq!(written, 16 + usize::from(u16::from_be_bytes([out[14], out[15]])));
            assert!(out[written..].iter().all(|&byte| byte == 0xaa));
            out[..written].fill(0xaa);
        }
    }
}

/// Whoever asks who the peer is gets the header's word: the address is in one place.
#[test]
fn attack_12_the_direct_peer_instead_of_the_client() {
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    let seen = required(line, Event::Data);
    assert_eq!(word(&seen), (Action::Accept, "proxy"));
    assert_eq!(seen.client, seen.header.unwrap().source());
    for policy in [Policy::Direct, Policy::Refuse] {
        assert_eq!(decide(Some(policy), &Settings::default(), line, Event::Data).client, None);
    }
}

#[test]
fn attack_13_tls_within_tls() {
    let mut nested: Vec<u8> = Vec::new();
    while nested.len() + 8 + 12 <= 65_535 {
        nested = encode::tlvs(&[(types::SSL, [&[7, 0, 0, 0, 0][..], &nested].concat())]);
    }
    let block = [&[192, 0, 2, 1, 198, 51, 100, 7, 0, 1, 0, 2][..], &nested].concat();
    let header = encode::v2(0x21, 0x11, &block);
    let Ok(Progress::Done(header)) = parse(&header, &ALL) else { panic!("refused") };
    let mut depth = 0;
    let mut tlvs = header.tlvs();
    while let Some(ssl) = tlvs.ssl() {
        (tlvs, depth) = (ssl.tlvs(), depth + 1);
    }
    assert_eq!(depth, 8190);
}

#[test]
fn attack_14_what_a_tls_terminator_sends() {
    let with = |tlv: &str| {
        format!("SIG 21 11 {:04x} c0000201 c6336407 dc04 01bb {tlv}", 12 + bytes(tlv).len())
    };
    for tlv in [
        "02 0000",
        "01 0000",
        "ea 0000",
        "ee 0000",
        "e0 0000",
        "30 0000",
        "20 0005 0000000000",
        "02 0bb8 61*3000",
    ] {
        assert_eq!(accepted(&fused(&with(tlv))).tlvs.len(), 1, "{tlv}");
    }
    for tlv in [
        "20 0000",
        "20 0001 01",
        "20 0004 01000000",
        "20 0007 0100000001 2100",
        "20 0008 0100000001 210001",
    ] {
        refused(&fused(&with(tlv)), "bad_tlv");
    }
}

#[test]
fn attack_15_fields_that_are_not_there() {
    for text in [
        "PROXY TCP4192.0.2.1 198.51.100.7 1 2\r\n",
        "PROXYTCP4192.0.2.1198.51.100.712\r\n",
        "PROXY TCP4\x00192.0.2.1\x00198.51.100.7\x001\x002\r\n",
        "PROXY TCP4 192.0.2.1\0 198.51.100.7 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4  198.51.100.7 1 2\r\n",
        "PROXY TCP4 \r\n",
    ] {
        assert_eq!(line(text), Seen::Refused("bad_v1"), "{text:?}");
    }
    for filler in ["1", "1.", ":", "f", "::", "%"] {
        for family in ["TCP4", "TCP6"] {
            let text = format!("PROXY {family} {} 1 1 1\r\n", filler.repeat(120));
            assert_eq!(line(&text), Seen::Refused("bad_v1"), "{text:?}");
        }
    }
}

/// One byte more than there is room for, with and without a limit that says so.
#[test]
fn attack_16_a_header_larger_than_the_buffer() {
    for room in [108_usize, 232, 1485, 1500, 4096] {
        for (over, wanted) in [(0, "local"), (1, "too_long")] {
            let mut block = vec![0; room + over - 16];
            let len = block.len() - 3;
            block[0] = types::NOOP;
            block[1..3].copy_from_slice(&(len as u16).to_be_bytes());
            let header = encode::v2(0x20, 0, &block);
            let limits = Limits { max_header: room as u32, ..ALL };
            let word = match parse(&header, &limits) {
                Ok(Progress::Done(header)) => header.outcome().name(),
                Ok(Progress::More { .. }) => panic!("waited for"),
                Err(outcome) => outcome.name(),
            };
            assert_eq!(word, wanted);
            let mut buffer = vec![0; room];
            let settings = Settings { limits: ALL, ..Settings::default() };
            let mut receiver = Receiver::new(Policy::Require, settings, &mut buffer);
            let mut left = &header[..];
            while receiver.decision().action == Action::More {
                let into = receiver.missing();
                let n = into.len().min(left.len()).min(7);
                into[..n].copy_from_slice(&left[..n]);
                left = &left[n..];
                receiver.filled(n);
            }
            assert_eq!(receiver.decision().outcome.name(), wanted);
        }
    }
}

#[test]
fn attack_17_a_name_that_nobody_verified() {
    let cn = |client: u8, verify: [u8; 4]| {
        let value =
            [&[client][..], &verify, &encode::tlvs(&[(types::SSL_CN, b"admin".to_vec())])].concat();
        let block = [
            &[192, 0, 2, 1, 198, 51, 100, 7, 0, 1, 0, 2][..],
            &encode::tlvs(&[(types::SSL, value)]),
        ]
        .concat();
        let seen = accepted(&encode::v2(0x21, 0x11, &block));
        let field = |name: &str| {
            seen.fields.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        };
        (field("ssl_cn"), field("ssl_verified").unwrap())
    };
    let no = (None, "0".to_owned());
    assert_eq!(cn(7, [0, 0, 0, 1]), no);
    assert_eq!(cn(7, [1, 0, 0, 0]), no);
    assert_eq!(cn(1, [0, 0, 0, 0]), no);
    assert_eq!(cn(0, [0, 0, 0, 0]), no);
    for client in [2, 3, 4, 5, 6, 7] {
        assert_eq!(cn(client, [0; 4]), (Some("admin".to_owned()), "1".to_owned()));
    }
}
