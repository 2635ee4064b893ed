//! What is read: one header again and again, and many different ones in random
//! order, which no branch predictor learns.
//!
//! The headers are written by the encoder of the tests, which shares no line with
//! any parser. Addresses are drawn at random, as clients have them; nobody
//! connects to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use realpeer_testdata::encode;

use crate::{Pair, Verdict};

/// Headers in a row that has different ones.
pub const MIXED: usize = 16_384;
/// What follows the header in the buffer, as it does on a busy server.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";

/// Some bytes, and what there is to say of them.
#[derive(Debug, Clone)]
pub struct Case {
    pub bytes: Vec<u8>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub name: &'static str,
    pub cases: Vec<Case>,
    /// A header of the row with its checksum or its TLVs spoilt. Whoever does not
    /// notice has not done the whole job.
    pub spoilt: Option<Vec<u8>>,
}

/// All rows, the same each time.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let random = &mut random;
    let v4 = pair("192.0.2.1:56324", "198.51.100.7:443");
    let v6 = pair("[2001:db8::1:7]:56324", "[2001:db8::2]:443");
    let full = pair(
        "[2001:db8:1234:5678:9abc:def0:1234:5678]:56324",
        "[2001:db8:abcd:ef01:2345:6789:abcd:ef01]:50443",
    );
    let mut rows = vec![
        one("v1 TCP4, short", line(pair("192.0.2.1:1", "192.0.2.2:2"))),
        one("v1 TCP4, long", line(pair("203.0.113.195:56324", "198.51.100.254:50443"))),
        mixed("v1 TCP4, mixed", || line(random.pair_v4())),
        one("v1 TCP6, compressed", line(v6)),
        one("v1 TCP6, full", line(full)),
    ];
    rows.extend([
        mixed("v1 TCP6, mixed", || line(random.pair_v6())),
        one("v1 UNKNOWN", header(encode_unknown(), None)),
        one("v2 INET", binary(v4, &[])),
        one("v2 INET6", binary(v6, &[])),
        one("v2 LOCAL", header(encode::v2(0x20, 0, &[]), None)),
        mixed("v2, mixed", || random.binary()),
        aws("v2 AWS NLB, CRC32c", v4, true),
        aws("v2 AWS NLB, no CRC32c", v4, false),
        mixed_aws(random),
        ssl(v4),
        large("v2, 64 KiB in 600 TLVs", v4, false),
        large("v2, 64 KiB, CRC32c", v4, true),
        one("partial v1", more(&line(v4).bytes[..30])),
        one("partial v2", more(&binary(v4, &[]).bytes[..20])),
        one("not a header: HTTP", refused(REQUEST)),
        one("not a header: TLS", refused(&TLS)),
        mixed("everything, mixed", || random.anything()),
    ]);
    rows
}

/// The beginning of a ClientHello.
const TLS: [u8; 40] = {
    let mut bytes = [0x5a; 40];
    let head = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    bytes
};

fn pair(source: &str, destination: &str) -> Pair {
    (source.parse().expect("an address"), destination.parse().expect("an address"))
}

fn one(name: &'static str, case: Case) -> Row {
    Row { name, cases: vec![case], spoilt: None }
}

fn mixed(name: &'static str, mut case: impl FnMut() -> Case) -> Row {
    Row { name, cases: (0..MIXED).map(|_| case()).collect(), spoilt: None }
}

fn header(mut bytes: Vec<u8>, addresses: Option<Pair>) -> Case {
    let len = bytes.len();
    bytes.extend(REQUEST);
    Case { bytes, verdict: Verdict::Header { len, addresses } }
}

fn more(bytes: &[u8]) -> Case {
    Case { bytes: bytes.to_vec(), verdict: Verdict::More }
}

fn refused(bytes: &[u8]) -> Case {
    Case { bytes: bytes.to_vec(), verdict: Verdict::Refused }
}

fn line(of: Pair) -> Case {
    header(encode::v1(of.0, of.1), Some(of))
}

fn encode_unknown() -> Vec<u8> {
    b"PROXY UNKNOWN 192.0.2.1 198.51.100.7 56324 443\r\n".to_vec()
}

fn binary(of: Pair, tlvs: &[encode::Tlv]) -> Case {
    let (family, mut block) = encode::addresses(of.0, of.1, 1);
    block.extend(encode::tlvs(tlvs));
    header(encode::v2(0x21, family, &block), Some(of))
}

/// With the checksum in its first TLV, which is there and zero.
fn sealed(of: Pair, tlvs: &[encode::Tlv]) -> Case {
    let Case { mut bytes, verdict } = binary(of, tlvs);
    let Verdict::Header { len, .. } = verdict else { unreachable!("a header") };
    let at = 16 + if of.0.is_ipv4() { 12 } else { 36 } + 3;
    encode::seal(&mut bytes[..len], at);
    Case { bytes, verdict }
}

/// What a Network Load Balancer sends for an endpoint service.
fn aws_tlvs(checksum: bool, id: &[u8; 17]) -> Vec<encode::Tlv> {
    let mut tlvs = Vec::new();
    if checksum {
        tlvs.push((0x03, vec![0; 4]));
    }
    tlvs.push((0xea, [b"\x01vpce-".as_slice(), id].concat()));
    tlvs.push((0x04, vec![0; 36]));
    tlvs
}

fn aws(name: &'static str, of: Pair, checksum: bool) -> Row {
    let tlvs = aws_tlvs(checksum, b"00112233445566778");
    let case = if checksum { sealed(of, &tlvs) } else { binary(of, &tlvs) };
    let mut spoilt = case.bytes.clone();
    let at = if checksum { 16 + 12 + 3 } else { 16 + 12 + 2 };
    spoilt[at] ^= 1;
    Row { spoilt: Some(spoilt), ..one(name, case) }
}

fn mixed_aws(random: &mut Random) -> Row {
    let Row { spoilt, .. } = aws("", random.pair_v4(), true);
    let row = mixed("v2 AWS NLB, CRC32c, mixed", || random.aws());
    Row { spoilt, ..row }
}

/// What HAProxy sends with `send-proxy-v2-ssl-cn` and the certificate's details.
fn ssl(of: Pair) -> Row {
    let mut value = vec![0x03, 0, 0, 0, 0];
    value.extend(encode::tlvs(&[
        (0x21, b"TLSv1.3".to_vec()),
        (0x22, b"visitor.example.com".to_vec()),
        (0x25, b"RSA2048".to_vec()),
        (0x24, b"RSA-SHA256".to_vec()),
        (0x23, b"TLS_AES_256_GCM_SHA384".to_vec()),
        // The certificate itself, which newer versions can add.
        (0x28, vec![0x30; 900]),
    ]));
    let tlvs = [(0x01, b"h2".to_vec()), (0x02, b"www.example.com".to_vec()), (0x20, value)];
    let case = binary(of, &tlvs);
    let mut spoilt = case.bytes.clone();
    spoilt[16 + 12 + 2] += 1;
    Row { spoilt: Some(spoilt), ..one("v2, SSL with CN and certificate", case) }
}

fn large(name: &'static str, of: Pair, checksum: bool) -> Row {
    let mut tlvs: Vec<encode::Tlv> = Vec::new();
    if checksum {
        tlvs.push((0x03, vec![0; 4]));
        tlvs.push((0xe0, vec![0x5a; 65_535 - 12 - 7 - 3]));
    } else {
        tlvs.extend((0..600).map(|i| (0xe0 + i as u8 % 16, vec![0x5a; 106])));
    }
    let case = if checksum { sealed(of, &tlvs) } else { binary(of, &tlvs) };
    let mut spoilt = case.bytes.clone();
    spoilt[if checksum { 16 + 12 + 3 } else { 16 + 12 + 2 }] ^= 1;
    Row { spoilt: Some(spoilt), ..one(name, case) }
}

/// xorshift64*: the same numbers each time.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(end)) >> 32) as u32
    }

    pub fn v4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.bits() >> 32) as u32)
    }

    /// Half of them as a host chooses at random, half as an administrator would.
    pub fn v6(&mut self) -> Ipv6Addr {
        let net = 0x2001_0db8_0000_0000_0000_0000_0000_0000 | u128::from(self.bits() >> 32) << 64;
        let host = match self.below(2) {
            0 => u128::from(self.bits()),
            _ => u128::from(self.bits() >> self.below(32) >> 32),
        };
        Ipv6Addr::from_bits(net | host)
    }

    fn port(&mut self) -> u16 {
        match self.below(4) {
            0 => 443,
            1 => 8_080,
            _ => 1_024 + self.below(64_512) as u16,
        }
    }

    fn pair_v4(&mut self) -> Pair {
        let (source, destination) = (self.v4(), self.v4());
        self.ports(source.into(), destination.into())
    }

    fn pair_v6(&mut self) -> Pair {
        let (source, destination) = (self.v6(), self.v6());
        self.ports(source.into(), destination.into())
    }

    fn ports(&mut self, source: IpAddr, destination: IpAddr) -> Pair {
        let (from, to) = (self.port(), self.port());
        (SocketAddr::new(source, from), SocketAddr::new(destination, to))
    }

    fn pair(&mut self) -> Pair {
        if self.below(2) == 0 { self.pair_v4() } else { self.pair_v6() }
    }

    fn binary(&mut self) -> Case {
        match self.below(8) {
            0 => header(encode::v2(0x20, 0, &[]), None),
            _ => binary(self.pair(), &[]),
        }
    }

    fn aws(&mut self) -> Case {
        let mut id = [0; 17];
        id.fill_with(|| b"0123456789abcdef"[self.below(16) as usize]);
        sealed(self.pair(), &aws_tlvs(true, &id))
    }

    /// Both versions, both families, with TLVs and without, and health checks.
    fn anything(&mut self) -> Case {
        match self.below(3) {
            0 => line(self.pair()),
            1 => self.binary(),
            _ => {
                let of = self.pair();
                binary(of, &aws_tlvs(false, b"00112233445566778"))
            }
        }
    }
}
