//! Headers written by an encoder of the tests' own (`realpeer_testdata::encode`)
//! and read back; and bytes of no meaning, which may be refused but nothing else.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use common::{Seen, via_rust};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use realpeer::{Header, Limits, MAX_HEADER, Progress, Version, parse};
use realpeer_testdata::encode::{self, Tlv};
use realpeer_testdata::{Vector, vectors};

const LIMITS: Limits = Limits { max_header: MAX_HEADER, versions: realpeer::Versions::BOTH };

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Addresses as they are, and the forms in which zeroes come in runs.
fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    let group = prop_oneof![3 => Just(0_u16), 1 => any::<u16>(), 1 => 0..16_u16];
    prop_oneof![
        any::<u128>().prop_map(Ipv6Addr::from_bits),
        prop::array::uniform8(group).prop_map(Ipv6Addr::from),
        any::<u32>().prop_map(|v4| Ipv4Addr::from_bits(v4).to_ipv6_mapped()),
    ]
    .boxed()
}

fn pair() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = || (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| (Ipv4Addr::from_bits(ip), port));
    let v6 = || (ipv6(), any::<u16>());
    prop_oneof![
        (v4(), v4()).prop_map(|(a, b)| (a.into(), b.into())),
        (v6(), v6()).prop_map(|(a, b)| (a.into(), b.into())),
    ]
}

/// TLVs that keep their formats, the checksum apart.
fn tlv() -> impl Strategy<Value = Tlv> {
    let value = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    let within = prop::collection::vec((any::<u8>(), value(12)), 0..4);
    prop_oneof![
        (any::<u8>().prop_filter("of its own", |kind| ![3, 5, 0x20].contains(kind)), value(40)),
        value(129).prop_map(|value| (5, value)),
        (prop::array::uniform5(any::<u8>()), within)
            .prop_map(|(head, within)| (0x20, [head.to_vec(), encode::tlvs(&within)].concat())),
    ]
}

/// A version 2 header with its TLVs, sealed where a checksum is among them.
fn sealed(
    (version_command, family): (u8, u8),
    addresses: &[u8],
    mut tlvs: Vec<Tlv>,
    checksum: Option<Index>,
) -> (Vec<u8>, Vec<Tlv>) {
    let place = checksum.map(|at| {
        let at = at.index(tlvs.len() + 1);
        tlvs.insert(at, (3, vec![0; 4]));
        (at, 16 + addresses.len() + encode::tlvs(&tlvs[..at]).len() + 3)
    });
    let block = [addresses, &encode::tlvs(&tlvs)].concat();
    let mut header = encode::v2(version_command, family, &block);
    if let Some((at, place)) = place {
        encode::seal(&mut header, place);
        tlvs[at].1 = header[place..place + 4].to_vec();
    }
    (header, tlvs)
}

fn done<'a>(bytes: &'a [u8]) -> Header<'a> {
    match parse(bytes, &LIMITS) {
        Ok(Progress::Done(header)) => header,
        other => panic!("{other:?} from {bytes:02x?}"),
    }
}

/// What holds of every answer, whatever the bytes are.
fn invariants(bytes: &[u8], limits: &Limits) {
    match parse(bytes, limits) {
        Ok(Progress::More { need }) => assert!(need > bytes.len() && need <= MAX_HEADER as usize),
        Err(outcome) => assert!((outcome as i32) < 0 && (-11..=-2).contains(&(outcome as i32))),
        Ok(Progress::Done(header)) => {
            assert!(header.len() <= bytes.len());
            assert_eq!(header.as_bytes(), &bytes[..header.len()]);
            let tlvs = header.tlvs().as_bytes();
            assert!(header.as_bytes().ends_with(tlvs), "TLVs are the end of the header");
            let tiled: usize = header.tlvs().map(|tlv| 3 + tlv.value.len()).sum();
            assert_eq!(tiled, tlvs.len(), "TLVs fill their block");
            match header.version() {
                Version::V1 => {
                    assert!(header.len() <= 107 && header.as_bytes().ends_with(b"\r\n"));
                    assert!(tlvs.is_empty() && header.as_bytes().starts_with(b"PROXY "));
                }
                Version::V2 => {
                    let length = u16::from_be_bytes([bytes[14], bytes[15]]);
                    assert_eq!(header.len(), 16 + usize::from(length));
                    assert!(header.len() <= limits.max_header as usize);
                }
            }
            assert_eq!(header.source().is_some(), header.destination().is_some());
        }
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let vectors: Vec<Vec<u8>> = vectors()
        .into_iter()
        .filter(|vector| vector.bytes.len() < 600)
        .map(|vector: Vector| vector.bytes)
        .collect();
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    (select(vectors), prop::collection::vec(change, 1..5)).prop_map(|(mut bytes, changes)| {
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => bytes[at] ^= 1 << (byte & 7),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn version_1((source, destination) in pair(), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        let line = encode::v1(source, destination);
        let stream = [&line[..], &rest].concat();
        let header = done(&stream);
        prop_assert_eq!(header.len(), line.len());
        prop_assert_eq!((header.source(), header.destination()), (Some(source), Some(destination)));
        prop_assert_eq!(header.outcome().name(), "proxy");
    }

    #[test]
    fn version_2(
        (source, destination) in pair(),
        transport in 0..3_u8,
        local in any::<bool>(),
        tlvs in prop::collection::vec(tlv(), 0..6),
        checksum in prop::option::of(any::<Index>()),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let (family, block) = encode::addresses(source, destination, transport);
        let command = if local { 0x20 } else { 0x21 };
        let (bytes, tlvs) = sealed((command, family), &block, tlvs, checksum);
        let stream = [&bytes[..], &rest].concat();
        let Seen::Accepted(seen) = via_rust(&stream, &LIMITS) else {
            panic!("{:02x?} is not accepted", bytes)
        };
        prop_assert_eq!(seen.len, bytes.len());
        let known = !local && transport != 0;
        prop_assert_eq!(seen.source, known.then_some(source));
        prop_assert_eq!(seen.destination, known.then_some(destination));
        if known {
            // LOCAL and UNSPEC do not say where their TLVs begin.
            prop_assert_eq!(&seen.tlvs, &tlvs);
            prop_assert_eq!(seen.checksum, checksum.is_some());
        }
        prop_assert_eq!(seen.word, match (local, transport) {
            (true, _) => "local",
            (_, 1) => "proxy",
            _ => "no_address",
        });
        #[cfg(feature = "ffi")]
        {
            let settings = realpeer::ffi::realpeer_settings { max_header: MAX_HEADER, ..Default::default() };
            prop_assert_eq!(common::c::via_c(&stream, &settings), Seen::Accepted(seen));
        }
    }

    /// A checksum protects every byte of the header: turn a bit, and it is refused.
    #[test]
    fn every_bit_is_covered(
        (source, destination) in pair(),
        tlvs in prop::collection::vec(tlv(), 0..4),
        checksum in any::<Index>(),
        (at, bit) in (any::<Index>(), 0..8_u8),
    ) {
        let (family, block) = encode::addresses(source, destination, 1);
        let (mut bytes, _) = sealed((0x21, family), &block, tlvs, Some(checksum));
        prop_assert!(done(&bytes).checksum_verified());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Where the length grew, the rest may still come; a turned type may make
        // the checksum another TLV. Only then is a header accepted, without one.
        match parse(&bytes, &LIMITS) {
            Ok(Progress::Done(header)) => prop_assert!(!header.checksum_verified()),
            Ok(Progress::More { need }) => prop_assert!(need > bytes.len()),
            Err(_) => {}
        }
    }

    #[test]
    fn changed_headers_keep_the_invariants(bytes in mutated(), max in select(vec![16, 60, 4096, MAX_HEADER])) {
        invariants(&bytes, &Limits { max_header: max, ..LIMITS });
        #[cfg(feature = "ffi")]
        {
            let settings = realpeer::ffi::realpeer_settings { max_header: max, ..Default::default() };
            let rust = via_rust(&bytes, &Limits { max_header: max, ..LIMITS });
            prop_assert_eq!(common::c::via_c(&bytes, &settings), rust);
        }
    }

    #[test]
    fn any_bytes_keep_the_invariants(
        start in select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0"]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        invariants(&[start, &rest].concat(), &LIMITS);
    }
}

/// Text of which much is nearly an address.
fn address_like(alphabet: &'static str) -> impl Strategy<Value = String> {
    let letters: Vec<char> = alphabet.chars().collect();
    let noise = prop::collection::vec(select(letters.clone()), 0..20)
        .prop_map(|letters| letters.into_iter().collect::<String>());
    let real = prop_oneof![
        ipv6().prop_map(|ip| ip.to_string()),
        ipv6().prop_map(|ip| {
            let groups: Vec<_> = ip.segments().iter().map(|group| format!("{group:x}")).collect();
            groups.join(":")
        }),
        any::<u32>().prop_map(|ip| Ipv4Addr::from_bits(ip).to_string()),
        (ipv6(), any::<u32>()).prop_map(|(ip, v4)| {
            let head = ip.to_string();
            let head = head.rsplit_once(':').map_or("", |(head, _)| head).to_owned();
            format!("{head}:{}", Ipv4Addr::from_bits(v4))
        }),
    ]
    .boxed();
    let changed = (real.clone(), any::<Index>(), select(letters), 0..4_u8).prop_map(
        |(text, at, letter, kind)| {
            let mut text: Vec<char> = text.chars().collect();
            let at = at.index(text.len() + 1);
            match kind {
                0 if at < text.len() => text[at] = letter,
                1 if at < text.len() => drop(text.remove(at)),
                2 => text.truncate(at),
                _ => text.insert(at, letter),
            }
            text.into_iter().collect()
        },
    );
    prop_oneof![noise, real, changed]
}

/// The address in a line, where the line is valid.
fn from_line(family: &str, text: &str) -> Option<IpAddr> {
    let other = if family == "TCP4" { "192.0.2.1" } else { "::1" };
    let line = |source: &str, destination: &str| {
        let line = format!("PROXY {family} {source} {destination} 1 2\r\n");
        let seen = parse(line.as_bytes(), &LIMITS).ok()?;
        let Progress::Done(header) = seen else { panic!("{line:?} is not whole") };
        assert_eq!(header.len(), line.len());
        Some((header.source()?.ip(), header.destination()?.ip()))
    };
    let source = line(text, other);
    let destination = line(other, text);
    assert_eq!(source.map(|(ip, _)| ip), destination.map(|(_, ip)| ip), "{text:?}");
    source.map(|(ip, _)| ip)
}

proptest! {
    #![proptest_config(config(20_000))]

    /// The standard library's parser is as strict about IPv4 as section 2.1.
    #[test]
    fn ipv4_as_the_standard_library(text in address_like("0123456789.x")) {
        prop_assert_eq!(from_line("TCP4", &text), text.parse::<Ipv4Addr>().ok().map(IpAddr::V4), "{:?}", text);
    }

    #[test]
    fn ipv6_as_the_standard_library(text in address_like("0123456789abcdefABCDEF:::::.gx%[]")) {
        prop_assert_eq!(from_line("TCP6", &text), text.parse::<Ipv6Addr>().ok().map(IpAddr::V6), "{:?}", text);
    }

    #[test]
    fn ports_as_numbers_without_heading_zeroes(text in "(0|[1-9])?[0-9]{0,5}[+x-]?") {
        let canonical = text.parse::<u16>().ok().filter(|port| port.to_string() == text);
        for line in [format!("PROXY TCP4 192.0.2.1 192.0.2.2 {text} 2\r\n"), format!("PROXY TCP4 192.0.2.1 192.0.2.2 2 {text}\r\n")] {
            let seen = match parse(line.as_bytes(), &LIMITS) {
                Ok(Progress::Done(header)) => {
                    let ports = [header.source().unwrap().port(), header.destination().unwrap().port()];
                    Some(if line.ends_with(" 2\r\n") && ports[1] == 2 { ports[0] } else { ports[1] })
                }
                Ok(Progress::More { .. }) => panic!("{line:?} is not whole"),
                Err(_) => None,
            };
            prop_assert_eq!(seen, canonical, "{:?}", line);
        }
    }
}
