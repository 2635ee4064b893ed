//! Headers as a sender writes them, from section 2 of the specification and
//! nothing else: the parser is checked against this, so the two share no code.

use std::net::{IpAddr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

/// One TLV to be written.
pub type Tlv = (u8, Vec<u8>);

/// A version 1 line.
pub fn v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}

/// The address block and byte 14 for a pair of one family.
pub fn addresses(source: SocketAddr, destination: SocketAddr, transport: u8) -> (u8, Vec<u8>) {
    let mut block = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => block.extend(ip.octets()),
            IpAddr::V6(ip) => block.extend(ip.octets()),
        }
    }
    for address in [source, destination] {
        block.extend(address.port().to_be_bytes());
    }
    (if source.is_ipv4() { 0x10 } else { 0x20 } | transport, block)
}

/// A version 2 header from its parts.
///
/// # Panics
/// If the block is longer than its length field can say.
pub fn v2(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a".to_vec();
    header.extend([version_command, family]);
    header
        .extend(u16::try_from(block.len()).expect("a block of at most 65535 bytes").to_be_bytes());
    header.extend(block);
    header
}

/// TLVs one behind the other.
///
/// # Panics
/// If a value is longer than its length field can say.
pub fn tlvs<'a>(list: impl IntoIterator<Item = &'a Tlv>) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, value) in list {
        out.push(*kind);
        out.extend(u16::try_from(value.len()).expect("at most 65535 bytes").to_be_bytes());
        out.extend(value);
    }
    out
}

/// Writes the checksum into the four zero bytes at `at`.
///
/// # Panics
/// If they are not there, or not zero.
pub fn seal(header: &mut [u8], at: usize) {
    let checksum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(header);
    let field = &mut header[at..at + 4];
    assert_eq!(field, [0; 4], "the checksum is computed over zeroes");
    field.copy_from_slice(&checksum.to_be_bytes());
}
