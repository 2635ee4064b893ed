//! What is written is what the tests' own encoder writes, is read back as it was
//! meant, and is written whole or not at all.

use std::net::{IpAddr, SocketAddr};

use arbitrary::{Result, Unstructured};
use realpeer::{
    Command, Limits, MAX_HEADER, Outgoing, Progress, Tlv, Transport, V1_MAX, WriteError, parse,
    write_ssl, write_v1,
};
use realpeer_testdata::encode;

use crate::oracle;

const LIMITS: Limits = Limits { max_header: MAX_HEADER, versions: realpeer::Versions::BOTH };

pub fn check(data: &[u8]) {
    // Too few bytes are no input.
    let _ = both(&mut Unstructured::new(data));
}

fn both(input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=7)? {
        0 => line(input),
        1 => tls(input),
        _ => header(input),
    }
}

fn address(input: &mut Unstructured<'_>) -> Result<SocketAddr> {
    let ip: IpAddr = match input.int_in_range(0..=2)? {
        0 => input.arbitrary::<[u8; 4]>()?.into(),
        1 => input.arbitrary::<[u8; 16]>()?.into(),
        _ => {
            let groups: [u8; 8] = input.arbitrary()?;
            groups.map(|group| u16::from(group & 0x0f) * u16::from(group >> 7)).into()
        }
    };
    Ok(SocketAddr::new(ip, input.arbitrary()?))
}

fn line(input: &mut Unstructured<'_>) -> Result<()> {
    let addresses = match input.ratio(1, 9)? {
        true => None,
        false => Some((address(input)?, address(input)?)),
    };
    let written = written(|out| write_v1(addresses, out));
    let same = addresses.is_none_or(|(a, b)| a.is_ipv4() == b.is_ipv4());
    let Ok(line) = written else {
        assert!(written == Err(WriteError::MixedFamilies) && !same);
        return Ok(());
    };
    assert!(same && line.len() <= V1_MAX);
    // Mapped addresses are read back from groups as well as from a dotted tail.
    let Ok(Progress::Done(header)) = parse(&line, &LIMITS) else { panic!("{line:?} is refused") };
    assert_eq!((header.len(), header.source().zip(header.destination())), (line.len(), addresses));
    Ok(())
}

fn tls(input: &mut Unstructured<'_>) -> Result<()> {
    let (client, verify) = (input.arbitrary()?, input.arbitrary::<u32>()?);
    let list = list(input)?;
    let wanted = [&[client][..], &verify.to_be_bytes(), &encode::tlvs(&list)].concat();
    let tlvs = list.iter().map(|(kind, value)| Tlv { kind: *kind, value });
    let written = written(|out| write_ssl(client, verify, tlvs.clone(), out));
    match written {
        Ok(value) => assert_eq!(value, wanted),
        Err(error) => assert!(error == WriteError::TooMuch && wanted.len() > 65_535),
    }
    Ok(())
}

/// TLVs of any types, some of which must not be written; a few of them long.
fn list(input: &mut Unstructured<'_>) -> Result<Vec<oracle::Tlv>> {
    let mut list = Vec::new();
    for _ in 0..input.int_in_range(0..=6)? {
        let kind = match input.int_in_range(0..=3)? {
            0 => *input.choose(&[3, 4, 5, 0x20])?,
            _ => input.arbitrary()?,
        };
        let len = match input.int_in_range(0..=63)? {
            0 => input.int_in_range(0..=65_535)?,
            1..=4 => input.int_in_range(120..=140)?,
            _ => input.int_in_range(0..=12)?,
        };
        let mut value = input.bytes(len.min(input.len()))?.to_vec();
        value.resize(len, 0);
        list.push((kind, value));
    }
    Ok(list)
}

fn header(input: &mut Unstructured<'_>) -> Result<()> {
    let (a, b) = (address(input)?, address(input)?);
    let paths: [[u8; 3]; 2] = [input.arbitrary()?, input.arbitrary()?];
    let [source, destination] =
        [&paths[0], &paths[1]].map(|path| path.repeat(usize::from(path[0] % 38)));
    let kind = input.int_in_range(0..=7)?;
    let transport = *input.choose(&[Transport::Stream, Transport::Datagram, Transport::Unspec])?;
    let base = match kind {
        0 => Outgoing::local(),
        1 => Outgoing::unspec(),
        2 => Outgoing::unix(&source, &destination),
        _ => Outgoing::proxy(a, b),
    };
    let said = kind > 1 || input.ratio(1, 4)?;
    let base = if said { base.transport(transport) } else { base };
    let list = list(input)?;
    let (checksum, multiple) =
        (input.arbitrary()?, *input.choose(&[0, 1, 2, 3, 7, 64, 100, 4096, 65_535])?);
    let outgoing = base
        .clone()
        .tlvs(list.iter().map(|(kind, value)| Tlv { kind: *kind, value }))
        .checksum(checksum)
        .pad_to_multiple(multiple);
    let written = written(|out| outgoing.write(out));
    assert_eq!(outgoing.len(), written.as_ref().map(Vec::len).map_err(|error| *error));

    let bad_address = match kind {
        0 | 1 => said && transport != Transport::Unspec,
        2 => transport == Transport::Unspec || source.len().max(destination.len()) > 108,
        _ => transport == Transport::Unspec,
    };
    let checksums = list.iter().filter(|(kind, _)| *kind == 3).count();
    let bad_tlv =
        checksums > 1 || list.iter().any(|tlv| tlv.0 != 3 && !oracle::keeps_its_format(tlv));
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error @ (WriteError::BadAddress | WriteError::InvalidTlv)) => {
            assert!(if error == WriteError::BadAddress { bad_address } else { bad_tlv });
            return Ok(());
        }
        Err(WriteError::TooMuch) => {
            let least = 16 + encode::tlvs(&list).len();
            // With the longest addresses, a checksum, and padding of two multiples.
            assert!(least + 216 + 7 + 2 * usize::from(multiple) + 3 > 65_551);
            return Ok(());
        }
        Err(error) => panic!("{error:?}"),
    };
    assert!(!bad_address && !bad_tlv);
    assert_eq!(bytes.len() - 16, usize::from(u16::from_be_bytes([bytes[14], bytes[15]])));
    assert!(multiple < 2 || bytes.len() % usize::from(multiple) == 0, "not padded");

    let Ok(Progress::Done(seen)) = parse(&bytes, &LIMITS) else {
        panic!("{bytes:02x?} is refused")
    };
    assert_eq!(seen.len(), bytes.len());
    assert_eq!(seen.command() == Command::Local, kind == 0);
    assert_eq!(seen.checksum_verified(), checksum || checksums == 1);
    let as_ipv6 = |address: SocketAddr| match (address.ip(), a.is_ipv4() && b.is_ipv4()) {
        (IpAddr::V4(ip), false) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        _ => address,
    };
    match kind {
        0 | 1 => assert_eq!(seen.source(), None),
        2 => {
            let (from, to) = seen.unix_paths().expect("paths");
            for (path, wanted) in [(from, &source), (to, &destination)] {
                assert!(path.as_bytes().starts_with(wanted));
                assert!(path.as_bytes()[wanted.len()..].iter().all(|&byte| byte == 0));
            }
        }
        _ => {
            assert_eq!((seen.source(), seen.destination()), (Some(as_ipv6(a)), Some(as_ipv6(b))));
            assert_eq!(seen.transport(), transport);
        }
    }
    sent_tlvs(&seen.tlvs().map(|tlv| (tlv.kind, tlv.value.to_vec())).collect::<Vec<_>>(), list);
    // Taken apart and sent on, it is the same header.
    let again = base.tlvs(seen.tlvs());
    assert_eq!(self::written(|out| again.write(out)), Ok(bytes.clone()));
    Ok(())
}

/// The TLVs that were given, in their order; a checksum may be in front, padding
/// behind; the value of a checksum is not the one that was given.
fn sent_tlvs(seen: &[oracle::Tlv], mut wanted: Vec<oracle::Tlv>) {
    let mut seen = seen.to_vec();
    let without_value = |tlv: &mut oracle::Tlv| {
        if tlv.0 == 3 {
            tlv.1.clear();
        }
    };
    seen.iter_mut().for_each(without_value);
    wanted.iter_mut().for_each(without_value);
    if !wanted.iter().any(|(kind, _)| *kind == 3) && seen.first().is_some_and(|tlv| tlv.0 == 3) {
        seen.remove(0);
    }
    if seen.len() == wanted.len() + 1 {
        let padding = seen.pop().expect("a TLV");
        assert!(padding.0 == 4 && padding.1.iter().all(|&byte| byte == 0), "{padding:?}");
    }
    assert_eq!(seen, wanted);
}

/// What a function writes into a buffer that is just right; into one that is a byte
/// too short it must write nothing.
fn written(
    write: impl Fn(&mut [u8]) -> std::result::Result<usize, WriteError>,
) -> std::result::Result<Vec<u8>, WriteError> {
    let needed = match write(&mut []) {
        Err(WriteError::NoRoom { needed }) => needed,
        Err(error) => {
            let mut out = [0xaa; 300];
            assert_eq!(write(&mut out), Err(error));
            assert_eq!(out, [0xaa; 300], "written and refused");
            return Err(error);
        }
        Ok(len) => panic!("{len} bytes in none"),
    };
    let mut out = vec![0xaa; needed + 3];
    assert_eq!(write(&mut out[..needed - 1]), Err(WriteError::NoRoom { needed }));
    assert!(out.iter().all(|&byte| byte == 0xaa), "begun and not ended");
    assert_eq!(write(&mut out), Ok(needed));
    assert_eq!(out[needed..], [0xaa; 3]);
    out.truncate(needed);
    Ok(out)
}
