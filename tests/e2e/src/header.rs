//! PROXY protocol headers, right and wrong ones, written here from the
//! specification and independently of the library under test.

use std::net::{IpAddr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const CRC32C: u8 = 0x03;

/// A v1 line from `source` to `target`, both `ADDRESS:PORT`.
pub fn v1(source: &str, target: &str) -> Vec<u8> {
    let (source, target) = (address(source), address(target));
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        target.ip(),
        source.port(),
        target.port()
    )
    .into_bytes()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("not ADDRESS:PORT: {text}"))
}

/// A v2 header in the making; every field can be made wrong.
#[derive(Debug, Clone)]
pub struct V2 {
    command: u8,
    family: u8,
    block: Vec<u8>,
    checksum_at: Option<usize>,
    length: Option<u16>,
}

impl V2 {
    /// A PROXY header from `source` to `target`, both `ADDRESS:PORT`.
    pub fn proxy(source: &str, target: &str) -> Self {
        let (source, target) = (address(source), address(target));
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let mut block = Vec::new();
        for end in [source, target] {
            match end.ip() {
                IpAddr::V4(ip) => block.extend(ip.octets()),
                IpAddr::V6(ip) => block.extend(ip.octets()),
            }
        }
        block.extend(source.port().to_be_bytes());
        block.extend(target.port().to_be_bytes());
        Self::raw(PROXY, family, &block)
    }

    /// A LOCAL header without addresses.
    pub fn local() -> Self {
        Self::raw(LOCAL, 0, &[])
    }

    /// Any command, family and block.
    pub fn raw(command: u8, family: u8, block: &[u8]) -> Self {
        Self { command, family, block: block.to_vec(), checksum_at: None, length: None }
    }

    /// The byte with version and command.
    pub fn command(mut self, byte: u8) -> Self {
        self.command = byte;
        self
    }

    /// The byte with address family and transport.
    pub fn family(mut self, byte: u8) -> Self {
        self.family = byte;
        self
    }

    /// A length field that need not be true.
    pub fn length(mut self, length: u16) -> Self {
        self.length = Some(length);
        self
    }

    pub fn tlv(mut self, kind: u8, value: impl AsRef<[u8]>) -> Self {
        self.block.extend(tlv(kind, value.as_ref()));
        self
    }

    /// Bytes that need not be a TLV.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.block.extend(bytes);
        self
    }

    /// A CRC32C TLV at this place, right for the header that is built.
    pub fn checksum(mut self) -> Self {
        self.checksum_at = Some(self.block.len() + 3);
        self.tlv(CRC32C, [0; 4])
    }

    /// A NOOP that makes the whole header `total` bytes long.
    pub fn padded_to(self, total: usize) -> Self {
        let used = SIGNATURE.len() + 4 + self.block.len() + 3;
        let rest = total.checked_sub(used).expect("room for a NOOP");
        self.tlv(0x04, vec![0; rest])
    }

    pub fn build(self) -> Vec<u8> {
        let length = u16::try_from(self.block.len()).expect("a block that fits");
        let mut header = SIGNATURE.to_vec();
        header.extend([self.command, self.family]);
        header.extend(self.length.unwrap_or(length).to_be_bytes());
        let start = header.len();
        header.extend(self.block);
        if let Some(at) = self.checksum_at {
            let sum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(&header);
            header[start + at..start + at + 4].copy_from_slice(&sum.to_be_bytes());
        }
        header
    }
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a value that fits");
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes.extend(value);
    bytes
}

/// The value of an SSL TLV.
pub fn ssl_value(client: u8, verify: u32, sub_tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut value = vec![client];
    value.extend(verify.to_be_bytes());
    value.extend(sub_tlvs.iter().flat_map(|(kind, value)| tlv(*kind, value)));
    value
}

/// What an AWS NLB sends for a PrivateLink client: 100 bytes with a checksum,
/// the endpoint's id and padding.
pub fn aws_header(source: &str, target: &str) -> Vec<u8> {
    V2::proxy(source, target)
        .checksum()
        .tlv(0xEA, b"\x01vpce-0123456789abcdef0")
        .padded_to(100)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        // The check value of the algorithm's definition.
        assert_eq!(Crc::<u32>::new(&CRC_32_ISCSI).checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn headers_have_the_lengths_of_the_specification() {
        assert_eq!(V2::proxy("192.0.2.1:1", "192.0.2.2:2").build().len(), 28);
        assert_eq!(V2::proxy("[2001:db8::1]:1", "[2001:db8::2]:2").build().len(), 52);
        assert_eq!(V2::local().build().len(), 16);
        assert_eq!(aws_header("192.0.2.1:1", "192.0.2.2:2").len(), 100);
        assert_eq!(v1("192.0.2.1:1", "192.0.2.2:2"), b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    }
}
