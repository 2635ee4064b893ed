//! Version 2, the binary header (section 2.2).
#![forbid(unsafe_code)]

use crate::address::{Family, Transport};
use crate::header::{Addresses, Command, Header, Progress, Version};
use crate::outcome::Outcome;
use crate::tlv::{self, Checked};

pub(crate) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes in front of the addresses: signature, version and command, family and
/// transport, and the length of all that follows.
pub(crate) const FIXED: usize = 16;
const AT_VERSION: usize = 12;
const AT_FAMILY: usize = 13;
pub(crate) const UNIX_PATH: usize = 108;

/// Parses a header whose signature has been seen.
#[inline(always)]
pub(crate) fn parse(bytes: &[u8], max_header: u32) -> Result<Progress<'_>, Outcome> {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return beginning(bytes) };
    let [.., version_command, family_transport, high, low] = *fixed;
    let command = command(version_command)?;
    let named = match command {
        // The family of a LOCAL header is ignored, even one that is undefined.
        Command::Local => None,
        Command::Proxy => Some(family(family_transport)?),
    };
    let block_len = usize::from(u16::from_be_bytes([high, low]));
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
    // Most headers end behind the addresses.
    if block_len == family.block_len() {
        return Ok(Progress::Done(whole(header, command, family, transport, &Checked::NONE)));
    }
    with_tlvs(header, command, family, transport, family_transport)
}

/// What stands between the addresses and the end of `header` is for the TLVs. Not
/// inlined, so that a header without any does not pay for what this needs.
#[inline(never)]
fn with_tlvs(
    header: &[u8],
    command: Command,
    family: Family,
    transport: Transport,
    family_transport: u8,
) -> Result<Progress<'_>, Outcome> {
    let checked = match family {
        Family::Unspec => tlvs_of_ignored_block(header, family_transport)?,
        _ => {
            let checked = tlv::check(header, FIXED.saturating_add(family.block_len()))?;
            checked.verify(header)?;
            checked
        }
    };
    Ok(Progress::Done(whole(header, command, family, transport, &checked)))
}

#[inline(always)]
fn whole<'a>(
    bytes: &'a [u8],
    command: Command,
    family: Family,
    transport: Transport,
    checked: &Checked<'a>,
) -> Header<'a> {
    Header {
        bytes,
        version: Version::V2,
        command,
        family,
        transport,
        addresses: addresses(family, bytes.get(FIXED..).unwrap_or(&[])),
        tlvs: checked.tlvs,
        checksum: checked.checksum_at.is_some(),
    }
}

/// What can be said of fewer bytes than each header has.
#[cold]
fn beginning(bytes: &[u8]) -> Result<Progress<'_>, Outcome> {
    if let Some(&version_command) = bytes.get(AT_VERSION) {
        let command = command(version_command)?;
        if let (Command::Proxy, Some(&family_transport)) = (command, bytes.get(AT_FAMILY)) {
            family(family_transport)?;
        }
    }
    Ok(Progress::More { need: FIXED })
}

fn command(version_command: u8) -> Result<Command, Outcome> {
    match (version_command >> 4, version_command & 15) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, _) => Err(Outcome::BadCommand),
        _ => Err(Outcome::BadVersion),
    }
}

#[inline(always)]
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
#[inline(always)]
fn addresses(family: Family, block: &[u8]) -> Addresses {
    match family {
        Family::Inet => block.first_chunk().map(inet),
        Family::Inet6 => block.first_chunk().map(inet6),
        Family::Unspec | Family::Unix => None,
    }
    .unwrap_or_default()
}

#[inline(always)]
fn inet(block: &[u8; 12]) -> Addresses {
    let [a, b, c, d, e, f, g, h, ports @ ..] = *block;
    let [source_port, destination_port] = self::ports(ports);
    Addresses {
        source: u32::from_be_bytes([a, b, c, d]).into(),
        destination: u32::from_be_bytes([e, f, g, h]).into(),
        source_port,
        destination_port,
    }
}

#[inline(always)]
fn inet6(block: &[u8; 36]) -> Addresses {
    let ip = |ip: Option<&[u8; 16]>| ip.map_or(0, |ip| u128::from_be_bytes(*ip));
    let [ips @ .., a, b, c, d]: [u8; 36] = *block;
    let [source_port, destination_port] = ports([a, b, c, d]);
    Addresses {
        source: ip(ips.first_chunk()),
        destination: ip(ips.last_chunk()),
        source_port,
        destination_port,
    }
}

fn ports([a, b, c, d]: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
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
    Ok(Checked::NONE)
}
