//! All of what is small enough to be tried: every octet, port and group, every first
//! 16 bytes, every change of one byte of every vector. Each is compared with a second
//! reading of the specification (`realpeer_testdata::oracle`).
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread;

use common::limits;
use realpeer::{Limits, MAX_HEADER, Policy, Progress, Rule, Rules, Tlvs, Versions, parse};
use realpeer_testdata::oracle::{self, Reading, SIGNATURE};
use realpeer_testdata::{Vector, encode, vectors};

const LIMITS: Limits = Limits { max_header: MAX_HEADER, versions: Versions::BOTH };

/// Compares an answer with the second reading: word, length, addresses, TLVs.
fn compare(bytes: &[u8], limits: &Limits, versions: u8) {
    let seen = parse(bytes, limits);
    match (&seen, oracle::read(bytes, limits.max_header, versions)) {
        (Ok(Progress::Done(header)), Reading::Header(wanted)) => {
            assert_eq!(header.len(), wanted.len, "{bytes:02x?}");
            assert_eq!(header.family() as u8, wanted.family, "{bytes:02x?}");
            assert_eq!(header.source().zip(header.destination()), wanted.addresses);
            assert_eq!(header.checksum_verified(), wanted.checksum, "{bytes:02x?}");
            let list = wanted.tlvs.iter().map(|(kind, value)| (*kind, &value[..]));
            assert!(header.tlvs().map(|tlv| (tlv.kind, tlv.value)).eq(list), "{bytes:02x?}");
        }
        (Err(outcome), Reading::Refused(word)) => assert_eq!(outcome.name(), word, "{bytes:02x?}"),
        (Ok(Progress::More { need }), Reading::Part(_)) => assert!(*need > bytes.len()),
        // Of a line that has no end the other does not say whether it can have one.
        (Err(outcome), Reading::Part(0)) => assert_eq!(outcome.name(), "bad_v1"),
        (_, wanted) => panic!("{seen:?}, not {wanted:?}, from {bytes:02x?}"),
    }
}

fn same(bytes: &[u8]) {
    compare(bytes, &LIMITS, 3);
}

// ---- version 1

/// Every text of one to five digits, in either place. Of 111,110 there are 65,536
/// ports.
#[test]
fn every_text_of_a_port() {
    let (mut texts, mut ports) = (0, 0);
    for digits in 1..=5 {
        for number in 0..10_u32.pow(digits) {
            let text = format!("{number:0width$}", width = digits as usize);
            let is_port = (digits == 1 || !text.starts_with('0')) && number < 65_536;
            let line = format!("PROXY TCP4 192.0.2.1 192.0.2.2 {text} 7\r\n");
            let source = port_in(&line, 0);
            let line = format!("PROXY TCP4 192.0.2.1 192.0.2.2 7 {text}\r\n");
            let destination = port_in(&line, 1);
            let wanted = is_port.then_some(number);
            assert_eq!((source, destination), (wanted, wanted), "{text}");
            texts += 1;
            ports += u32::from(is_port);
        }
    }
    assert_eq!((texts, ports), (111_110, 65_536));
}

fn port_in(line: &str, which: usize) -> Option<u32> {
    match parse(line.as_bytes(), &LIMITS) {
        Ok(Progress::Done(header)) => {
            let pair = [header.source()?.port(), header.destination()?.port()];
            assert_eq!(pair[1 - which], 7);
            Some(pair[which].into())
        }
        Ok(Progress::More { .. }) => panic!("{line:?} is not whole"),
        Err(_) => None,
    }
}

/// Every text of one to four digits in each of the eight places.
#[test]
fn every_text_of_an_octet() {
    let mut octets = 0;
    for digits in 1..=4 {
        for number in 0..10_u32.pow(digits) {
            let text = format!("{number:0width$}", width = digits as usize);
            let is_octet = (digits == 1 || !text.starts_with('0')) && number < 256;
            for place in 0..8 {
                let mut parts = ["1"; 8];
                parts[place] = &text;
                let [a, b] = [parts[..4].join("."), parts[4..].join(".")];
                let line = format!("PROXY TCP4 {a} {b} 1 2\r\n");
                let seen = parse(line.as_bytes(), &LIMITS);
                assert_eq!(matches!(seen, Ok(Progress::Done(_))), is_octet, "{line}");
                if let Ok(Progress::Done(header)) = seen {
                    let ips = [header.source(), header.destination()].map(|ip| ip.unwrap().ip());
                    assert_eq!(ips.map(|ip| ip.to_string()), [a, b]);
                }
                octets += u32::from(is_octet);
            }
        }
    }
    assert_eq!(octets, 8 * 256);
}

/// Every group of one to four hex digits, in small and in capital letters.
#[test]
fn every_group_of_an_ipv6_address() {
    for digits in 1..=4 {
        for number in 0..16_u32.pow(digits) {
            let group = format!("{number:0width$x}", width = digits as usize);
            let line = format!("PROXY TCP6 2001:db8::{group} {}::1 1 2\r\n", group.to_uppercase());
            let Ok(Progress::Done(header)) = parse(line.as_bytes(), &LIMITS) else {
                panic!("{line:?} is refused")
            };
            let number = number as u16;
            let wanted = [
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number),
                Ipv6Addr::new(number, 0, 0, 0, 0, 0, 0, 1),
            ];
            assert_eq!([header.source().unwrap().ip(), header.destination().unwrap().ip()], wanted);
        }
    }
}

/// Every text of up to ten letters that digits, colons and dots can make, as an
/// address: all places of `::`, all numbers of groups, all dotted tails.
#[test]
fn every_shape_of_an_address() {
    let mut valid = 0;
    for len in 0..=10_u32 {
        for mut number in 0..3_u32.pow(len) {
            let mut text = String::new();
            for _ in 0..len {
                text.push([':', '1', '.'][(number % 3) as usize]);
                number /= 3;
            }
            let v4 = text.parse::<Ipv4Addr>().is_ok();
            let v6 = text.parse::<Ipv6Addr>().is_ok();
            for (family, other, wanted) in [("4", "192.0.2.1", v4), ("6", "::", v6)] {
                let line = format!("PROXY TCP{family} {other} {text} 1 2\r\n");
                let seen = parse(line.as_bytes(), &LIMITS);
                assert_eq!(matches!(seen, Ok(Progress::Done(_))), wanted, "{line}");
            }
            valid += u32::from(v4) + u32::from(v6);
        }
    }
    assert!(valid > 100, "{valid}");
}

/// Every byte in the place of every byte of a line, and in front of it.
#[test]
fn every_byte_in_every_place_of_a_line() {
    for line in [
        &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"[..],
        b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.7 56324 443\r\n",
        b"PROXY UNKNOWN 1 2\r\n",
    ] {
        for at in 0..=line.len() {
            for byte in 0..=255 {
                let mut changed = line.to_vec();
                changed.insert(at, byte);
                same(&changed);
                if at < line.len() {
                    changed.remove(at + 1);
                    same(&changed);
                }
            }
        }
    }
}

// ---- version 2

/// All of bytes 13 and 14, with lengths about those of each family: the first 16
/// bytes alone, and a block of zeroes behind them.
#[test]
fn every_version_command_and_family() {
    for version_command in 0..=255 {
        for family in 0..=255 {
            for len in [0, 1, 11, 12, 13, 15, 35, 36, 37, 39, 215, 216, 217, 219, 65_535] {
                let mut header = encode::v2(version_command, family, &[]);
                header[14..16].copy_from_slice(&(len as u16).to_be_bytes());
                same(&header);
                if version_command >> 1 == 0x10 && len < 300 {
                    header.resize(16 + len, 0);
                    same(&header);
                    same(&header[..15 + len]);
                }
            }
        }
    }
}

/// All lengths, with limits that are as long, a byte longer and a byte shorter.
#[test]
fn every_length() {
    for len in 0..=65_535_u16 {
        for (version_command, family) in [(0x20, 0), (0x21, 0x11), (0x21, 0x22), (0x21, 0x31)] {
            let mut header = encode::v2(version_command, family, &[]);
            header[14..16].copy_from_slice(&len.to_be_bytes());
            let whole = u32::from(len) + 16;
            for max_header in [whole - 1, whole, whole + 1, 4096] {
                let max_header = max_header.clamp(16, MAX_HEADER);
                compare(&header, &Limits { max_header, ..LIMITS }, 3);
            }
        }
    }
}

/// Every byte in every place of the signature, with nothing behind it, and every
/// first byte.
#[test]
fn every_byte_of_the_signature() {
    for at in 0..SIGNATURE.len() {
        for byte in 0..=255 {
            let mut part = SIGNATURE[..=at].to_vec();
            part[at] = byte;
            let is_part = byte == SIGNATURE[at] || at == 0 && byte == b'P';
            assert_eq!(parse(&part, &LIMITS).is_ok(), is_part, "{part:02x?}");
            same(&part);
        }
    }
}

/// Every TLV of any type with up to 130 bytes, alone in its header, and with one
/// byte too few and too many behind it.
#[test]
fn every_type_of_tlv() {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 4, 1, 0xbb];
    for kind in 0..=255 {
        for len in 0..=130 {
            let tlv = encode::tlvs(&[(kind, vec![0; len])]);
            for (version_command, family) in [(0x21, 0x11), (0x20, 0x11), (0x21, 0)] {
                let block = [&addresses[..], &tlv].concat();
                same(&encode::v2(version_command, family, &block));
                same(&encode::v2(version_command, family, &block[..block.len() - 1]));
                same(&encode::v2(version_command, family, &[&block[..], &[0]].concat()));
            }
        }
    }
}

/// Every block of up to six bytes of which each is one that TLVs are made of.
#[test]
fn every_small_block_of_tlvs() {
    let bytes = [0, 1, 3, 4, 5, 0x20, 0xff];
    for len in 0..=6 {
        for mut number in 0..bytes.len().pow(len) {
            let mut block = Vec::new();
            for _ in 0..len {
                block.push(bytes[number % bytes.len()]);
                number /= bytes.len();
            }
            for (version_command, family) in [(0x20, 0), (0x21, 0)] {
                same(&encode::v2(version_command, family, &block));
            }
            let seen = Tlvs::new(&block).map(|tlv| 3 + tlv.value.len()).sum::<usize>();
            let wanted = oracle::split(&block).map(|_| block.len());
            assert_eq!((seen == block.len()).then_some(seen), wanted, "{block:02x?}");
        }
    }
}

/// All values of `client`, and all bits of `verify`: a certificate was verified where
/// one was shown and `verify` is 0.
#[test]
fn every_client_and_verify() {
    for client in 0..=255_u8 {
        for verify in (0..32).map(|bit| 1_u32 << bit).chain([0, u32::MAX]) {
            let value = [&[client][..], &verify.to_be_bytes()].concat();
            let tlv = encode::tlvs(&[(0x20, value)]);
            let ssl = Tlvs::new(&tlv).ssl().expect("five bytes");
            assert_eq!(ssl.verified(), client & 6 != 0 && verify == 0);
            assert_eq!((ssl.client(), ssl.verify()), (client, verify));
        }
    }
}

// ---- both

/// Every change of one byte, of every byte that counts: those up to the verdict; of
/// long headers not all of what fills them.
#[test]
fn every_change_of_one_byte_of_every_vector() {
    let mut seen = HashSet::new();
    let vectors: Vec<Vector> = vectors()
        .into_iter()
        .filter(|vector| seen.insert((vector.bytes[..vector.at].to_vec(), vector.max_header)))
        .collect();
    let change = |vector: &Vector| {
        let limits = limits(vector);
        let versions = vector.versions.iter().sum();
        let mut bytes = vector.bytes[..vector.at].to_vec();
        let end = bytes.len();
        // A second header, so that a length that grew finds what it takes.
        bytes.extend(vector.bytes.iter().copied().take(60));
        for at in (0..end).filter(|&at| at < 60 || at + 8 >= end || end < 300 && at % 5 == 0) {
            let was = bytes[at];
            for byte in (0..=255).filter(|&byte| byte != was) {
                bytes[at] = byte;
                compare(&bytes, &limits, versions);
            }
            bytes[at] = was;
        }
    };
    let (first, second) = vectors.split_at(vectors.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| first.iter().for_each(change));
        second.iter().for_each(change);
    });
}

// ---- rules

/// Every prefix length there is and some there are not, in IPv4, IPv6 and the block
/// that maps one into the other: it holds its own first and last address, and not
/// their neighbours.
#[test]
fn every_prefix_length() {
    for (ip, most) in [
        ("198.51.100.7", 32),
        ("2001:db8:5a5a:a5a5:5a5a:a5a5:5a5a:a5a5", 128),
        ("::ffff:198.51.100.7", 128),
    ] {
        for len in 0..=300_u32 {
            let parsed = Rule::parse(&format!("{ip}/{len}"), Policy::Direct, 0);
            assert_eq!(parsed.is_ok(), len <= most, "{ip}/{len}");
            assert!(Rule::parse(&format!("{ip}/0{len}"), Policy::Direct, 0).is_err());
            let Ok((rule, _)) = parsed else { continue };
            let v4 = most == 32;
            let (bits, width) = match ip.parse::<Ipv4Addr>() {
                Ok(v4) => (u128::from(v4.to_bits()), 32),
                Err(_) => (ip.parse::<Ipv6Addr>().unwrap().to_bits(), 128),
            };
            let host = u128::MAX.checked_shr(128 - width + len).unwrap_or(0);
            let (first, last) = (bits & !host, bits | host);
            let mut rules = [rule];
            let rules = Rules::prepare(&mut rules).unwrap();
            let find = |bits: u128| match v4 {
                true => rules.find(std::net::IpAddr::from(Ipv4Addr::from_bits(bits as u32)).into()),
                false => rules.find(std::net::IpAddr::from(Ipv6Addr::from_bits(bits)).into()),
            };
            // A block around all mapped addresses is one of IPv6, and they are not in it.
            let mapped = |bits: u128| !v4 && bits >> 32 == 0xffff;
            for inside in [first, last, bits] {
                let wanted = !(mapped(inside) && len < 96);
                assert_eq!(find(inside).is_some(), wanted, "{ip}/{len}, {inside:x}");
            }
            if len > 0 {
                let edge = if v4 { u128::from(u32::MAX) } else { u128::MAX };
                for outside in [first.checked_sub(1), last.checked_add(1).filter(|&ip| ip <= edge)]
                {
                    assert!(outside.is_none_or(|ip| find(ip).is_none()), "{ip}/{len}");
                }
            }
        }
    }
}
