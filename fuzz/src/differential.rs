//! The library against two parsers that other people wrote. Where they differ, a
//! clause of the specification must say who is right: `differences.toml` lists what
//! is known, and anything else is a finding.

use std::net::SocketAddr;
use std::sync::OnceLock;

use ppp::PartialResult;
use proxy_header::{ParseConfig, ProxyHeader};
use realpeer::{Limits, MAX_HEADER, Outcome, Progress, Transport, parse};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::oracle::{self, Tlv};

/// The input is a stream from its first byte.
pub const PARAMETERS: usize = 0;

/// An answer that all three can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    More,
    Refused,
    Accepted(Header),
}

/// What all three can say of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub len: usize,
    /// Where they are used: not those of LOCAL, UNKNOWN or UNSPEC.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    pub datagram: bool,
    /// The TLVs, with zeroes for padding, which means nothing; `None` where the parser
    /// does not give all of them.
    pub tlvs: Option<Vec<Tlv>>,
}

/// An entry of `differences.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Who differs from us.
    pub parser: Vec<String>,
    /// Our word: `more`, `accepted`, or a refusal by its name.
    pub ours: Vec<String>,
    /// Theirs: `more`, `refused` or `accepted`.
    pub theirs: String,
    /// What the bytes are like, as a regular expression.
    pub bytes: String,
    /// What else is true of them; see [`holds`].
    #[serde(default)]
    pub and: Option<String>,
    pub clause: String,
    pub why: String,
    /// Bytes for which it is so, as in `tests/vectors`.
    pub example: String,
}

#[derive(Deserialize)]
struct File {
    difference: Vec<Difference>,
}

/// All that is known, each with its expression.
pub fn differences() -> &'static [(Difference, Regex)] {
    static KNOWN: OnceLock<Vec<(Difference, Regex)>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let file: File = toml::from_str(include_str!("../differences.toml")).expect("a list");
        let regex = |text: &str| {
            let mut builder = RegexBuilder::new(text);
            builder.unicode(false).dot_matches_new_line(true).ignore_whitespace(true).build()
        };
        let known = file.difference.into_iter();
        known
            .map(|known| (regex(&known.bytes).expect("an expression"), known))
            .map(|(regex, known)| (known, regex))
            .collect()
    })
}

pub fn check(data: &[u8]) {
    for (parser, ours, theirs) in unlike(data) {
        assert!(
            explained(data, parser, &ours, &theirs).is_some(),
            "{parser} says {theirs:?}, not {ours:?}, and no clause says why"
        );
    }
}

/// Who differs, our word, and both answers.
pub fn unlike(data: &[u8]) -> Vec<(&'static str, (String, Answer), Answer)> {
    let (word, ours) = ours(data);
    [("ppp", ppp(data)), ("proxy-header", proxy_header(data))]
        .into_iter()
        .filter(|(_, theirs)| *theirs != ours)
        .map(|(parser, theirs)| (parser, (word.clone(), ours.clone()), theirs))
        .collect()
}

/// The entry that explains a difference.
pub fn explained(
    data: &[u8],
    parser: &str,
    (word, ours): &(String, Answer),
    theirs: &Answer,
) -> Option<&'static Difference> {
    let word_of_theirs = match theirs {
        Answer::More => "more",
        Answer::Refused => "refused",
        Answer::Accepted(_) => "accepted",
    };
    let refuses = *ours == Answer::Refused;
    let fits = |(known, bytes): &&(Difference, Regex)| {
        known.parser.iter().any(|name| name == parser)
            && known.ours.iter().any(|known| known == word || known == "refused" && refuses)
            && known.theirs == word_of_theirs
            && bytes.is_match(data)
            && known.and.as_ref().is_none_or(|what| holds(what, data, ours, theirs))
    };
    differences().iter().find(fits).map(|(known, _)| known)
}

/// Conditions that no expression can state, from the second reading and not from the
/// library.
fn holds(what: &str, data: &[u8], ours: &Answer, theirs: &Answer) -> bool {
    let reading = oracle::read(data, MAX_HEADER, 3);
    let refused = |word| reading == oracle::Reading::Refused(word);
    match what {
        "the checksum is wrong" => refused("bad_checksum"),
        "the TLVs break their format" => refused("bad_tlv"),
        "nothing that follows makes it a header" => match reading {
            oracle::Reading::Refused(_) => true,
            oracle::Reading::Part(_) if data.starts_with(b"PROXY") => {
                oracle::completion(data).is_none_or(|end| data.len() + end.len() > 107)
            }
            _ => false,
        },
        "no CR LF within 107 bytes" => {
            let window = data.get(..107).unwrap_or(&[]);
            !window.is_empty() && window.windows(2).all(|pair| pair != b"\r\n")
        }
        "only the TLVs differ" => match (ours, theirs) {
            (Answer::Accepted(ours), Answer::Accepted(theirs)) => {
                *theirs == Header { tlvs: theirs.tlvs.clone(), ..ours.clone() }
            }
            _ => false,
        },
        "a text is not UTF-8" => {
            let text = |kind| kind == 2 || kind == 0x30 || (0x21..=0x25).contains(&kind);
            let spoilt = |(kind, value): &Tlv| text(*kind) && std::str::from_utf8(value).is_err();
            let (Answer::Accepted(ours), Answer::Accepted(theirs)) = (ours, theirs) else {
                return false;
            };
            *theirs == Header { tlvs: None, ..ours.clone() }
                && ours.tlvs.iter().flatten().any(spoilt)
        }
        _ => panic!("nobody knows whether {what:?}"),
    }
}

fn tlvs(tlvs: impl IntoIterator<Item = Tlv>) -> Vec<Tlv> {
    let plain = |(kind, value): Tlv| (kind, if kind == 4 { vec![0; value.len()] } else { value });
    tlvs.into_iter().map(plain).collect()
}

/// A TLV that was taken apart, put together again.
fn again(tlv: &proxy_header::Tlv<'_>) -> Tlv {
    let mut bytes = Vec::new();
    tlv.encode(&mut bytes);
    (bytes[0], bytes[3..].to_vec())
}

fn ours(data: &[u8]) -> (String, Answer) {
    let limits = Limits { max_header: MAX_HEADER, ..Limits::default() };
    match parse(data, &limits) {
        Ok(Progress::More { .. }) => ("more".to_owned(), Answer::More),
        Err(outcome) => (outcome.name().to_owned(), Answer::Refused),
        Ok(Progress::Done(header)) => {
            let used = header.source().zip(header.destination());
            let answer = Answer::Accepted(Header {
                len: header.len(),
                addresses: used.filter(|_| header.outcome() != Outcome::Local),
                datagram: used.is_some() && header.transport() == Transport::Datagram,
                tlvs: Some(tlvs(header.tlvs().map(|tlv| (tlv.kind, tlv.value.to_vec())))),
            });
            ("accepted".to_owned(), answer)
        }
    }
}

fn ppp(data: &[u8]) -> Answer {
    use ppp::{HeaderResult, v1, v2};
    let result = HeaderResult::parse(data);
    if result.is_incomplete() {
        return Answer::More;
    }
    let pair = |a: std::net::IpAddr, b: std::net::IpAddr, p, q| {
        Some((SocketAddr::new(a, p), SocketAddr::new(b, q)))
    };
    match result {
        HeaderResult::V1(Ok(header)) => Answer::Accepted(Header {
            len: header.header.len(),
            addresses: match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(of) => pair(
                    of.source_address.into(),
                    of.destination_address.into(),
                    of.source_port,
                    of.destination_port,
                ),
                v1::Addresses::Tcp6(of) => pair(
                    of.source_address.into(),
                    of.destination_address.into(),
                    of.source_port,
                    of.destination_port,
                ),
            },
            datagram: false,
            tlvs: Some(Vec::new()),
        }),
        HeaderResult::V2(Ok(header)) => {
            // What its documentation leaves to the caller: LOCAL and UNSPEC.
            let used = header.command == v2::Command::Proxy
                && header.protocol != v2::Protocol::Unspecified;
            let addresses = match &header.addresses {
                v2::Addresses::IPv4(of) => pair(
                    of.source_address.into(),
                    of.destination_address.into(),
                    of.source_port,
                    of.destination_port,
                ),
                v2::Addresses::IPv6(of) => pair(
                    of.source_address.into(),
                    of.destination_address.into(),
                    of.source_port,
                    of.destination_port,
                ),
                _ => None,
            };
            let addresses = addresses.filter(|_| used);
            Answer::Accepted(Header {
                len: header.as_bytes().len(),
                addresses,
                datagram: addresses.is_some() && header.protocol == v2::Protocol::Datagram,
                tlvs: header
                    .tlvs()
                    .map(|tlv| tlv.ok().map(|tlv| (tlv.kind, tlv.value.to_vec())))
                    .collect::<Option<Vec<_>>>()
                    .map(tlvs),
            })
        }
        _ => Answer::Refused,
    }
}

fn proxy_header(data: &[u8]) -> Answer {
    match ProxyHeader::parse(data, ParseConfig::default()) {
        Err(proxy_header::Error::BufferTooShort) => Answer::More,
        Err(_) => Answer::Refused,
        Ok((header, len)) => {
            let address = header.proxied_address();
            Answer::Accepted(Header {
                len,
                addresses: address.map(|of| (of.source, of.destination)),
                datagram: address.is_some_and(|of| of.protocol == proxy_header::Protocol::Datagram),
                tlvs: header
                    .tlvs()
                    .map(|tlv| tlv.ok().map(|tlv| again(&tlv)))
                    .collect::<Option<Vec<_>>>()
                    .map(tlvs),
            })
        }
    }
}
