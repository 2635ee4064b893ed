//! What a connection is going to do: all of it follows from the seed and the
//! number of the connection.

use std::net::Ipv4Addr;

use realpeer_e2e::{TlsClient, V2, ssl_value, v1, valid_headers};

use crate::random::Random;
use crate::server::SOURCES;
use crate::target::{Columns, Target};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A header, and what the server wants to hear.
    Valid,
    /// The same with TLVs, up to the longest header.
    Tlvs,
    /// The same in one segment.
    Fused,
    /// The same, a few bytes at a time.
    Drip,
    /// One of tests/vectors, as it stands there.
    Vector,
    /// A header with some bytes changed.
    Broken,
    /// A header or what follows it, cut anywhere, and the end.
    Cut,
    /// The same, but the client waits until it is thrown out.
    Stalled,
    /// Not a byte, and the end.
    Abandoned,
    /// No header.
    Bare,
    /// Bytes that are nothing.
    Noise,
}

impl Kind {
    const WEIGHTS: [(usize, Self); 11] = [
        (16, Self::Valid),
        (12, Self::Tlvs),
        (12, Self::Fused),
        (6, Self::Drip),
        (14, Self::Vector),
        (10, Self::Broken),
        (14, Self::Cut),
        (2, Self::Stalled),
        (6, Self::Abandoned),
        (5, Self::Bare),
        (3, Self::Noise),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Tlvs => "with TLVs",
            Self::Fused => "fused",
            Self::Drip => "drip",
            Self::Vector => "vector",
            Self::Broken => "broken",
            Self::Cut => "cut",
            Self::Stalled => "stalled",
            Self::Abandoned => "abandoned",
            Self::Bare => "no header",
            Self::Noise => "noise",
        }
    }
}

/// What a client does when it has sent all it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Speaks TLS; the last piece comes with its first record.
    Tls,
    /// Reads until the server closes.
    Read,
    /// Says that nothing more comes, and then reads.
    Finish,
    Close,
    Reset,
}

#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub source: Ipv4Addr,
    pub kind: Kind,
    pub pieces: Vec<Vec<u8>>,
    /// Between two pieces, in milliseconds.
    pub pause: u64,
    pub after: After,
}

/// What plans are made of.
#[derive(Debug)]
pub struct Material {
    vectors: Vec<Vec<u8>>,
    valid: Vec<Vec<u8>>,
    /// The first record of a TLS handshake.
    hello: Vec<u8>,
}

impl Material {
    pub fn new() -> Self {
        let authority = realpeer_e2e::Authority::new();
        let vectors = realpeer_testdata::vectors();
        Self {
            vectors: vectors.into_iter().map(|vector| vector.bytes).collect(),
            valid: valid_headers().into_iter().map(|header| header.bytes).collect(),
            hello: TlsClient::first_record(&authority),
        }
    }

    /// Plan `number` of a column.
    pub fn plan(&self, seed: u64, columns: Columns, column: usize, number: u64) -> Plan {
        let random = &mut Random::new(seed, number * 3 + column as u64);
        let target = *random.one_of(columns[column].targets);
        let kind = random.weighted(&Kind::WEIGHTS);
        let last = u8::try_from(random.within(1..=254)).expect("a byte");
        let source = Ipv4Addr::new(127, 0, random.weighted(&SOURCES), last);
        let mut plan =
            Plan { target, source, kind, pieces: Vec::new(), pause: 0, after: After::Read };
        self.fill(&mut plan, random);
        plan
    }

    fn fill(&self, plan: &mut Plan, random: &mut Random) {
        let wide = plan.target.is_wide();
        // Words within TLS are said by a client that can speak it.
        let speaks_tls = plan.target.is_tls() && random.percent(80);
        let words = if plan.target.is_tls() { &self.hello[..] } else { plan.target.words() };
        let polite = if speaks_tls { After::Tls } else { ending(random) };
        let header = match plan.kind {
            Kind::Tlvs => with_tlvs(random, wide),
            Kind::Vector => random.one_of(&self.vectors).clone(),
            _ if wide && random.percent(50) => with_tlvs(random, wide),
            _ => self.header(random),
        };
        match plan.kind {
            Kind::Valid | Kind::Tlvs | Kind::Vector => {
                plan.pieces = vec![header];
                // Else it is the client that speaks TLS who has words.
                plan.pieces.push(if speaks_tls { Vec::new() } else { words.to_vec() });
                plan.after = polite;
            }
            Kind::Fused => {
                plan.pieces = vec![if speaks_tls { header } else { [&header[..], words].concat() }];
                plan.after = polite;
            }
            Kind::Drip => {
                let all = if speaks_tls { header } else { [&header[..], words].concat() };
                plan.pieces = parts(random, &all);
                plan.pause = random.next() % 3;
                plan.after = polite;
            }
            Kind::Broken => {
                let mut header = header;
                for _ in 0..random.within(1..=3) {
                    let at = random.within(0..=header.len() - 1);
                    header[at] = random.bytes(1)[0];
                }
                plan.pieces = vec![[&header[..], words].concat()];
                plan.after = ending(random);
            }
            Kind::Cut | Kind::Stalled => {
                let mut all = [&header[..], words].concat();
                all.truncate(random.within(1..=all.len() - 1));
                let at = random.within(0..=all.len());
                let rest = all.split_off(at);
                plan.pieces = vec![all, rest];
                plan.after = match plan.kind {
                    Kind::Stalled => After::Read,
                    _ => *random.one_of(&[After::Finish, After::Close, After::Reset]),
                };
            }
            Kind::Abandoned => {
                plan.after = *random.one_of(&[After::Finish, After::Close, After::Reset]);
            }
            Kind::Bare => {
                plan.pieces = vec![if speaks_tls { Vec::new() } else { words.to_vec() }];
                plan.after = polite;
            }
            Kind::Noise => {
                let length = random.within(1..=2000);
                plan.pieces = vec![random.bytes(length)];
                plan.after = ending(random);
            }
        }
        if plan.target == Target::StreamTlsPass && plan.after == After::Reset {
            // A client of TLS has no reset.
            plan.after = After::Close;
        }
    }

    fn header(&self, random: &mut Random) -> Vec<u8> {
        if random.percent(40) {
            return random.one_of(&self.valid).clone();
        }
        let (client, server) = addresses(random);
        match random.percent(50) {
            true => v1(&client, &server),
            false => V2::proxy(&client, &server).build(),
        }
    }
}

/// How a client ends that has said its words.
fn ending(random: &mut Random) -> After {
    random.weighted(&[
        (40, After::Read),
        (35, After::Finish),
        (15, After::Close),
        (10, After::Reset),
    ])
}

/// A client and a server for a header, of documentation addresses.
pub fn addresses(random: &mut Random) -> (String, String) {
    let (host, port) = (random.within(1..=254), random.within(1..=65535));
    if random.percent(50) {
        (format!("192.0.2.{host}:{port}"), "198.51.100.1:443".into())
    } else {
        (format!("[2001:db8::{host:x}]:{port}"), "[2001:db8::1]:443".into())
    }
}

fn with_tlvs(random: &mut Random, wide: bool) -> Vec<u8> {
    let (client, server) = addresses(random);
    let mut header = V2::proxy(&client, &server);
    if random.percent(15) {
        header = V2::local();
    }
    for _ in 0..random.within(0..=5) {
        let length = random.within(0..=120);
        let text = vec![b'a'; length];
        header = match random.within(0..=5) {
            0 => header.tlv(0x01, b"h2"),
            1 => header.tlv(0x02, &text),
            2 => header.tlv(0x05, random.bytes(length)),
            3 => header.tlv(0x20, ssl_value(7, 0, &[(0x21, b"TLSv1.3"), (0x22, &text)])),
            4 => header.tlv(0xEA, b"\x01vpce-0123456789abcdef0"),
            _ => header.tlv(0xE0, random.bytes(length)),
        };
    }
    if random.percent(50) {
        header = header.checksum();
    }
    if random.percent(if wide { 70 } else { 20 }) {
        let longest = if wide { 65_551 } else { 4096 };
        header = header.padded_to(random.within(1400..=longest));
    }
    header.build()
}

/// Some bytes alone, and the rest in up to eight pieces.
fn parts(random: &mut Random, all: &[u8]) -> Vec<Vec<u8>> {
    let alone = random.within(1..=all.len().min(20));
    let mut pieces: Vec<Vec<u8>> = all[..alone].chunks(1).map(<[u8]>::to_vec).collect();
    let rest = &all[alone..];
    let length = rest.len().div_ceil(random.within(1..=8)).max(1);
    pieces.extend(rest.chunks(length).map(<[u8]>::to_vec));
    pieces
}
