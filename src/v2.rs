//! Version 2, the binary header (section 2.2).
#![forbid(unsafe_code)]

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::address::{Family, Transport};
use crate::header::{Addresses, Command, Header, Progress, Version};
use crate::outcome::Outcome;
use crate::tlv::{self, Checked, Tlvs};

pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes in front of the addresses: signature, version and command, family and
/// transport, and the length of all that follows.
pub(crate) const FIXED: usize = 16;
const AT_VERSION: usize = 12;
const AT_FAMILY: usize = 13;
const AT_LENGTH: usize = 14;
pub(crate) const UNIX_PATH: usize = 108;

/// Parses a header whose signature has been seen.
pub(crate) fn parse(bytes: &[u8], max_header: u32) -> Result<Progress<'_>, Outcome> {
    const MORE: Result<Progress<'_>, Outcome> = Ok(Progress::More { need: FIXED });

    let Some(&version_command) = bytes.get(AT_VERSION) else { return MORE };
    let command = command(version_command)?;

    let Some(&family_transport) = bytes.get(AT_FAMILY) else { return MORE };
    let named = match command {
        // The family of a LOCAL header is ignored, even one that is undefined.
        Command::Local => None,
        Command::Proxy => Some(family(family_transport)?),
    };

    let Some(&length) = bytes.get(AT_LENGTH..).and_then(<[u8]>::first_chunk) else { return MORE };
    let block_len = usize::from(u16::from_be_bytes(length));
    let (family, transport) = match named {
        // Either half unspecified: what addresses there are is not said.
        Some((family, transport)) if transport != Transport::Unspec => (family, transport),
        _ => (Family::Unspec, Transport::Unspec),
    };
    if block_len < family.block_len() {
        return Err(Outcome::ShortAddress);
    }
    let len = block_len.saturating_add(FIXED);
    if u32::try_from(len).is_ok_and(|len| len > max_header) {
        return Err(Outcome::TooLong);
    }

    let Some(header) = bytes.get(..len) else { return Ok(Progress::More { need: len }) };
    let block = header.get(FIXED..).unwrap_or(&[]);
    let (addresses, checked) = match family {
        Family::Unspec => (Addresses::None, tlvs_of_ignored_block(header, family_transport)?),
        _ => {
            let tlvs = tlv::check(header, FIXED.saturating_add(family.block_len()))?;
            tlvs.verify(header)?;
            (addresses(family, block), tlvs)
        }
    };
    Ok(Progress::Done(Header {
        bytes: header,
        version: Version::V2,
        command,
        family,
        transport,
        addresses,
        tlvs: checked.tlvs,
        checksum: checked.checksum_at.is_some(),
    }))
}

fn command(version_command: u8) -> Result<Command, Outcome> {
    match (version_command >> 4, version_command & 15) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, _) => Err(Outcome::BadCommand),
        _ => Err(Outcome::BadVersion),
    }
}

fn family(family_transport: u8) -> Result<(Family, Transport), Outcome> {
    let family = match family_transport >> 4 {
        0 => Family::Unspec,
        1 => Family::Inet,
        2 => Family::Inet6,
        3 => Family::Unix,
        _ => return Err(Outcome::BadFamily),
    };
    let transport = match family_transport & 15 {
        0 => Transport::Unspec,
        1 => Transport::Stream,
        2 => Transport::Datagram,
        _ => return Err(Outcome::BadFamily),
    };
    match family {
        Family::Unspec => Ok((family, Transport::Unspec)),
        _ => Ok((family, transport)),
    }
}

/// The addresses of `block`, which is as long as its family needs.
fn addresses(family: Family, block: &[u8]) -> Addresses<'_> {
    match family {
        Family::Unspec => None,
        Family::Inet => inet(block),
        Family::Inet6 => inet6(block),
        Family::Unix => unix(block),
    }
    .unwrap_or(Addresses::None)
}

fn inet(block: &[u8]) -> Option<Addresses<'_>> {
    let (source, rest) = block.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (source_port, destination_port) = ports(rest)?;
    Some(Addresses::Inet {
        source: SocketAddrV4::new(Ipv4Addr::from(*source), source_port).into(),
        destination: SocketAddrV4::new(Ipv4Addr::from(*destination), destination_port).into(),
    })
}

fn inet6(block: &[u8]) -> Option<Addresses<'_>> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (source_port, destination_port) = ports(rest)?;
    let address = |ip: &[u8; 16], port| -> SocketAddr {
        SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, 0).into()
    };
    Some(Addresses::Inet {
        source: address(source, source_port),
        destination: address(destination, destination_port),
    })
}

fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
    let (source, rest) = bytes.split_first_chunk::<2>()?;
    let destination = rest.first_chunk::<2>()?;
    Some((u16::from_be_bytes(*source), u16::from_be_bytes(*destination)))
}

fn unix(block: &[u8]) -> Option<Addresses<'_>> {
    let (source, rest) = block.split_at_checked(UNIX_PATH)?;
    let destination = rest.get(..UNIX_PATH)?;
    Some(Addresses::Unix { source, destination })
}

/// The TLVs of a LOCAL or UNSPEC header, as far as they can be made out.
///
/// The specification does not say where they begin: AWS puts them right behind
/// the length though the family byte says IPv4, HAProxy 2.0 puts addresses in
/// front. So the first place counts from which they fill the block exactly; where
/// there is none, the block is something else and is ignored, as the clause on
/// LOCAL demands. A CRC32c found so is verified.
fn tlvs_of_ignored_block(header: &[u8], family_transport: u8) -> Result<Checked<'_>, Outcome> {
    let addresses = family(family_transport).map_or(0, |(family, _)| family.block_len());
    for skipped in [0, addresses] {
        if let Ok(checked) = tlv::check(header, FIXED.saturating_add(skipped)) {
            checked.verify(header)?;
            return Ok(checked);
        }
    }
    Ok(Checked { tlvs: Tlvs::EMPTY, checksum_at: None })
}
