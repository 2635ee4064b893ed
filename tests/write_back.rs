//! What is written, read back: by the parser to the same fields, and byte for byte
//! as the encoder of the tests, which shares no code with either. In C the same.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use common::{Seen, via_rust};
use proptest::prelude::*;
use proptest::sample::select;
use realpeer::{
    Limits, MAX_HEADER, Outgoing, Progress, Tlv, Transport, V1_MAX, WriteError, parse, types,
    write_v1,
};
use realpeer_testdata::{encode, vectors};

const LIMITS: Limits = Limits { max_header: MAX_HEADER, versions: realpeer::Versions::BOTH };

/// What a header is to say.
#[derive(Debug, Clone)]
struct Wanted {
    command: u8,
    transport: u8,
    addresses: Pair,
    tlvs: Vec<(u8, Vec<u8>)>,
    checksum: bool,
    multiple: u16,
}

#[derive(Debug, Clone)]
enum Pair {
    None,
    Ip(SocketAddr, SocketAddr),
    Unix(Vec<u8>, Vec<u8>),
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| (Ipv4Addr::from_bits(ip), port));
    let group = prop_oneof![2 => Just(0_u16), 1 => any::<u16>()];
    let v6 = prop_oneof![
        prop::array::uniform8(group).prop_map(Ipv6Addr::from),
        any::<u32>().prop_map(|v4| Ipv4Addr::from_bits(v4).to_ipv6_mapped()),
    ];
    prop_oneof![v4.prop_map(SocketAddr::from), (v6, any::<u16>()).prop_map(SocketAddr::from)]
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let pair = prop_oneof![
        2 => Just(Pair::None),
        6 => (address(), address()).prop_map(|(a, b)| Pair::Ip(a, b)),
        2 => (bytes(110), bytes(108)).prop_map(|(a, b)| Pair::Unix(a, b)),
    ];
    let within = prop::collection::vec((any::<u8>(), bytes(12)), 0..4);
    let tlv = prop_oneof![
        (any::<u8>(), bytes(40)),
        bytes(130).prop_map(|value| (5, value)),
        (prop::array::uniform5(any::<u8>()), within)
            .prop_map(|(head, within)| (0x20, [head.to_vec(), encode::tlvs(&within)].concat())),
        (Just(3), bytes(5)),
    ];
    let tlvs = prop::collection::vec(tlv, 0..6);
    let multiple = select(vec![0, 0, 1, 2, 3, 4, 100, 128, 4096, 60_000]);
    // Mostly what goes together.
    let kind = prop_oneof![8 => Just((1, None)), 2 => (0..2_u8, (0..3_u8).prop_map(Some))];
    (kind, pair, tlvs, any::<bool>(), multiple).prop_map(
        |((command, transport), addresses, tlvs, checksum, multiple)| {
            let fits = u8::from(!matches!(addresses, Pair::None));
            let transport = transport.unwrap_or(fits * (1 + u8::from(checksum)));
            Wanted { command, transport, addresses, tlvs, checksum, multiple }
        },
    )
}

impl Wanted {
    fn write(&self) -> Result<Vec<u8>, WriteError> {
        let transport = match self.transport {
            0 => Transport::Unspec,
            1 => Transport::Stream,
            _ => Transport::Datagram,
        };
        let header = match (&self.addresses, self.command) {
            (Pair::None, 0) => Outgoing::local(),
            (Pair::None, _) => Outgoing::unspec(),
            (Pair::Ip(a, b), 1) => Outgoing::from((*a, *b)),
            (Pair::Unix(a, b), 1) => Outgoing::unix(a, b),
            // Rust has no words for it; C has.
            _ => return Err(WriteError::BadAddress),
        };
        let tlvs: Vec<Tlv<'_>> =
            self.tlvs.iter().map(|(kind, value)| Tlv { kind: *kind, value }).collect();
        let header = header
            .transport(transport)
            .tlvs(tlvs.iter().copied())
            .checksum(self.checksum)
            .pad_to_multiple(self.multiple);
        let mut out = vec![0xaa; 66_000];
        let len = header.write(&mut out);
        assert_eq!(len, header.len());
        let len = len?;
        assert!(out[len..].iter().all(|byte| *byte == 0xaa), "written behind the end");
        out.truncate(len);
        Ok(out)
    }

    /// The same from the encoder of the tests, or why it cannot be.
    fn encode(&self) -> Result<Vec<u8>, WriteError> {
        let (family, block) = match (&self.addresses, self.command, self.transport) {
            (Pair::None, _, 0) => (0, Vec::new()),
            (Pair::None, ..) | (_, 0, _) | (_, _, 0) => return Err(WriteError::BadAddress),
            (Pair::Ip(a, b), _, transport) => {
                let mapped = |address: &SocketAddr| match address {
                    SocketAddr::V4(v4) => {
                        SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
                    }
                    v6 => *v6,
                };
                let both_v4 = a.is_ipv4() && b.is_ipv4();
                let (a, b) = if both_v4 { (*a, *b) } else { (mapped(a), mapped(b)) };
                encode::addresses(a, b, transport)
            }
            (Pair::Unix(a, b), _, transport) => {
                if a.len() > 108 || b.len() > 108 {
                    return Err(WriteError::BadAddress);
                }
                let filled = |path: &Vec<u8>| [path, &vec![0; 108 - path.len()][..]].concat();
                (0x30 | transport, [filled(a), filled(b)].concat())
            }
        };
        let mut tlvs = self.tlvs.clone();
        let sound = |(kind, value): &(u8, Vec<u8>)| match *kind {
            types::UNIQUE_ID => value.len() <= 128,
            types::SSL => via_ssl(value),
            _ => true,
        };
        let checksums = tlvs.iter().filter(|tlv| tlv.0 == types::CRC32C).count();
        if checksums > 1 || !tlvs.iter().all(sound) {
            return Err(WriteError::InvalidTlv);
        }
        if self.checksum && checksums == 0 {
            tlvs.insert(0, (types::CRC32C, Vec::new()));
        }
        let at = tlvs.iter().position(|tlv| tlv.0 == types::CRC32C);
        if let Some(at) = at {
            tlvs[at].1 = vec![0; 4];
        }
        let len = 16 + block.len() + encode::tlvs(&tlvs).len();
        let multiple = usize::from(self.multiple).max(1);
        let total = (len..).find(|n| n % multiple == 0 && (*n == len || n - len >= 3)).unwrap();
        if total > MAX_HEADER as usize {
            return Err(WriteError::TooMuch);
        }
        if total > len {
            tlvs.push((types::NOOP, vec![0; total - len - 3]));
        }
        let mut header =
            encode::v2(0x20 | self.command, family, &[block.clone(), encode::tlvs(&tlvs)].concat());
        if let Some(at) = at {
            let place = 16 + block.len() + encode::tlvs(&tlvs[..at]).len() + 3;
            encode::seal(&mut header, place);
        }
        Ok(header)
    }
}

/// Whether the value is that of an SSL TLV, without the library.
fn via_ssl(value: &[u8]) -> bool {
    let Some(mut rest) = value.get(5..) else { return false };
    while let [_, high, low, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(after) = after.get(len..) else { return false };
        rest = after;
    }
    rest.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6000) })]

    #[test]
    fn version_2(wanted in wanted(), request in bytes(20)) {
        let header = wanted.write();
        prop_assert_eq!(&header, &wanted.encode());
        #[cfg(feature = "ffi")]
        prop_assert_eq!(in_c::write(&wanted), header.clone().map_err(|error| error.into()));
        let Ok(header) = header else { return Ok(()) };
        let Seen::Accepted(seen) = via_rust(&[&header[..], &request].concat(), &LIMITS) else {
            panic!("refused")
        };
        prop_assert_eq!(seen.len, header.len());
        prop_assert_eq!(seen.checksum, wanted.checksum || wanted.tlvs.iter().any(|tlv| tlv.0 == 3));
        match &wanted.addresses {
            Pair::Ip(a, b) => {
                let canonical = |address: Option<SocketAddr>| address.map(realpeer::canonical);
                prop_assert_eq!(canonical(seen.source), canonical(Some(*a)));
                prop_assert_eq!(canonical(seen.destination), canonical(Some(*b)));
            }
            Pair::Unix(a, b) => {
                let (source, destination) = seen.paths.clone().expect("paths");
                prop_assert!(source.starts_with(a) && destination.starts_with(b));
            }
            Pair::None => prop_assert_eq!(seen.source, None),
        }
        let plain = |tlvs: &[(u8, Vec<u8>)]| -> Vec<(u8, Vec<u8>)> {
            tlvs.iter().filter(|(kind, _)| ![3, 4].contains(kind)).cloned().collect()
        };
        prop_assert_eq!(plain(&seen.tlvs), plain(&wanted.tlvs));
    }

    #[test]
    fn version_1((source, destination) in (address(), address()), request in bytes(20)) {
        let mut line = [0xaa; V1_MAX];
        let written = write_v1(Some((source, destination)), &mut line);
        #[cfg(feature = "ffi")]
        prop_assert_eq!(
            in_c::write_line(Some((source, destination))),
            written.map(|len| line[..len].to_vec()).map_err(|error| error.into())
        );
        if source.is_ipv4() != destination.is_ipv4() {
            prop_assert_eq!(written, Err(WriteError::MixedFamilies));
            return Ok(());
        }
        let len = written.unwrap();
        prop_assert!(source.is_ipv6() || line[..len] == encode::v1(source, destination));
        let stream = [&line[..len], &request].concat();
        let Ok(Progress::Done(read)) = parse(&stream, &LIMITS) else { panic!("refused") };
        prop_assert_eq!(read.len(), len);
        prop_assert_eq!((read.source(), read.destination()), (Some(source), Some(destination)));
        // Nothing but what the grammar has.
        let text = std::str::from_utf8(&line[..len]).unwrap();
        prop_assert_eq!(text.matches(' ').count(), 5);
        prop_assert!(source.is_ipv4() || !text.contains('.'));
    }
}

/// Every header of the vectors that is accepted, written again from what was read:
/// the same bytes, but for what a header need not be.
#[test]
fn vectors_written_again() {
    let (mut same, mut other) = (0, 0);
    for vector in vectors() {
        let Ok(Progress::Done(read)) = parse(&vector.bytes, &LIMITS) else { continue };
        let mut out = vec![0; MAX_HEADER as usize];
        let addresses = read.source().zip(read.destination());
        let len = if vector.bytes[0] == b'P' {
            match write_v1(addresses, &mut out) {
                Ok(len) => len,
                Err(error) => panic!("{}: {error}", vector.name),
            }
        } else {
            let header = match (read.command(), addresses, read.unix_paths()) {
                (realpeer::Command::Local, ..) => Outgoing::local(),
                (_, Some(pair), _) => Outgoing::from(pair).transport(read.transport()),
                (_, _, Some((a, b))) => {
                    Outgoing::unix(a.as_bytes(), b.as_bytes()).transport(read.transport())
                }
                _ => Outgoing::unspec(),
            };
            header.tlvs(read.tlvs()).write(&mut out).expect("a header that was read")
        };
        match parse(&out[..len], &LIMITS) {
            Ok(Progress::Done(again)) => {
                assert_eq!(again.len(), len, "{}", vector.name);
                assert_eq!(again.source(), read.source(), "{}", vector.name);
                assert_eq!(again.destination(), read.destination());
                assert_eq!(again.unix_paths(), read.unix_paths());
                let values = |tlvs: realpeer::Tlvs<'_>| -> Vec<(u8, Vec<u8>)> {
                    let tlvs = tlvs.filter(|tlv| tlv.kind != types::CRC32C);
                    tlvs.map(|tlv| (tlv.kind, tlv.value.to_vec())).collect()
                };
                assert_eq!(values(again.tlvs()), values(read.tlvs()), "{}", vector.name);
                assert_eq!(again.checksum_verified(), read.checksum_verified());
                assert_eq!(again.outcome(), read.outcome());
            }
            bad => panic!("{}: {bad:?}", vector.name),
        }
        if out[..len] == *read.as_bytes() {
            same += 1;
        } else {
            // UNKNOWN may say anything, so may LOCAL and UNSPEC; groups of an IPv6
            // address can be written in more than one way.
            let free = vector.family == "unspec" || vector.bytes.starts_with(b"PROXY TCP6");
            assert!(free, "{}: {:02x?}", vector.name, &out[..len]);
            other += 1;
        }
    }
    assert!(same > 60 && other > 10, "{same} and {other}");
}

#[cfg(feature = "ffi")]
mod in_c {
    use std::mem::zeroed;
    use std::ptr::{null, null_mut};

    use realpeer::ffi::*;

    use super::*;

    fn call(f: impl Fn(*mut u8, usize) -> i32) -> Result<Vec<u8>, Error> {
        let asked = f(null_mut(), 0);
        let mut out = vec![0xaa; 66_000];
        let written = f(out.as_mut_ptr(), out.len());
        assert_eq!(asked, written, "as long as it was said to be");
        if written < 0 {
            assert!(out.iter().all(|byte| *byte == 0xaa), "written without success");
            let name = common::c::name(written);
            return Err(match name {
                "too_much" => Error::TooMuch,
                "mixed_families" => Error::MixedFamilies,
                "bad_address" => Error::BadAddress,
                "invalid_tlv" => Error::InvalidTlv,
                other => panic!("{other}"),
            });
        }
        out.truncate(written as usize);
        let mut less = vec![0xaa; out.len() - 1];
        assert_eq!(f(less.as_mut_ptr(), less.len()), Error::NoRoom as i32);
        assert!(less.iter().all(|byte| *byte == 0xaa), "written without room");
        assert_eq!(f(less.as_mut_ptr(), 0), Error::NoRoom as i32);
        let mut exact = vec![0xaa; out.len()];
        assert_eq!(f(exact.as_mut_ptr(), exact.len()), written);
        assert_eq!(exact, out);
        Ok(out)
    }

    pub fn write_line(addresses: Option<(SocketAddr, SocketAddr)>) -> Result<Vec<u8>, Error> {
        let source = realpeer_address::from(addresses.map(|(source, _)| source));
        let destination = realpeer_address::from(addresses.map(|(_, destination)| destination));
        // SAFETY: all pointers come from references of the size given with them.
        call(|out, size| unsafe { realpeer_write_v1(&source, &destination, out, size) })
    }

    pub fn write(wanted: &Wanted) -> Result<Vec<u8>, Error> {
        let tlv = |(kind, value): &(u8, Vec<u8>)| realpeer_tlv {
            value: if value.is_empty() { null() } else { value.as_ptr() },
            length: value.len() as u32,
            kind: *kind,
            reserved: [0; 3],
        };
        let tlvs: Vec<_> = wanted.tlvs.iter().map(tlv).collect();
        // SAFETY: all zeroes are a valid value.
        let mut header: realpeer_outgoing = unsafe { zeroed() };
        header.tlvs = tlvs.as_ptr();
        header.tlv_count = tlvs.len() as u32;
        header.pad_to_multiple = wanted.multiple;
        header.command = wanted.command;
        header.transport = wanted.transport;
        header.checksum = wanted.checksum.into();
        match &wanted.addresses {
            Pair::None => {}
            Pair::Ip(a, b) => {
                header.source = Some(*a).into();
                header.destination = Some(*b).into();
            }
            Pair::Unix(a, b) => {
                (header.source.family, header.destination.family) = (3, 3);
                (header.source_path, header.source_path_length) = (a.as_ptr(), a.len() as u16);
                (header.destination_path, header.destination_path_length) =
                    (b.as_ptr(), b.len() as u16);
            }
        }
        // SAFETY: all pointers come from references of the size given with them.
        call(|out, size| unsafe { realpeer_write_v2(&header, size_of_val(&header), out, size) })
    }
}
