//! What is wrong with bytes that are no valid header, and where.
//!
//! The parser has the verdict, and says nothing but a word. This finds, for each
//! word, the bytes it is about.

use crc::{CRC_32_ISCSI, Crc};
use realpeer::{Limits, Outcome, Ssl, Tlvs, looks_like, types};

use super::clause::{self, Clause};
use super::fault_v1;
use super::layout::{name_of, ssl_name_of};
use crate::text::count;

pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// After so many bytes a receiver knows.
    pub(crate) decided: usize,
    /// The bytes at fault: the offset of the first one, and how many.
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) clause: Clause,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    /// So many bytes in front of it are as they should be.
    pub(crate) sound: usize,
}

/// A fault before it is known where it was decided.
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) clause: Clause,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) sound: usize,
}

impl Found {
    pub(crate) fn new(at: usize, len: usize, clause: Clause, reason: impl Into<String>) -> Self {
        Found { at, len, clause, reason: reason.into(), hint: None, sound: at }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Found { hint: Some(hint.into()), ..self }
    }

    fn sound(self, sound: usize) -> Self {
        Found { sound, ..self }
    }
}

impl Fault {
    /// What `outcome` means for `bytes`, of which the first `decided` led to it.
    pub(crate) fn find(
        bytes: &[u8],
        outcome: Outcome,
        decided: usize,
        need: usize,
        limits: &Limits,
    ) -> Fault {
        let last = decided.saturating_sub(1);
        let found = match outcome {
            Outcome::Silent => Found::new(0, 0, clause::HEADER_FIRST, "there is not a single byte"),
            Outcome::Truncated => truncated(bytes, need),
            Outcome::NoHeader => no_header(bytes, last),
            Outcome::BadV1 => fault_v1::find(bytes, last),
            Outcome::BadVersion => {
                let version = at(bytes, 12) >> 4;
                Found::new(12, 1, clause::VERSION, format!("the version is {version}"))
            }
            Outcome::BadCommand => {
                let command = at(bytes, 12) & 15;
                Found::new(12, 1, clause::COMMAND, format!("the command is {command}"))
            }
            Outcome::BadFamily => bad_family(at(bytes, 13)),
            Outcome::ShortAddress => short_address(bytes),
            Outcome::TooLong => {
                let reason = format!(
                    "the header has {}, more than the {} that are allowed here",
                    count(length(bytes) + FIXED, "byte"),
                    limits.max_header
                );
                Found::new(14, 2, clause::LIMIT, reason).sound(FIXED)
            }
            Outcome::BadTlv => bad_tlv(bytes),
            Outcome::BadChecksum => bad_checksum(bytes),
            Outcome::VersionDisallowed => {
                Found::new(0, decided, clause::VERSIONS, outcome.text()).sound(decided)
            }
            // Those of a policy: no bytes alone lead to them.
            _ => Found::new(last, 1, clause::HEADER_FIRST, outcome.text()),
        };
        let Found { at, len, clause, reason, hint, sound } = found;
        Fault { decided, at, len, clause, reason, hint, sound }
    }
}

fn at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// What the length field says.
fn length(bytes: &[u8]) -> usize {
    usize::from(at(bytes, 14)) << 8 | usize::from(at(bytes, 15))
}

fn truncated(bytes: &[u8], need: usize) -> Found {
    let missing = need.saturating_sub(bytes.len());
    let whole_length = bytes.len() >= FIXED && bytes.starts_with(SIGNATURE);
    let reason = match whole_length {
        true => format!("{} of {} are missing", count(missing, "byte"), need),
        false => {
            format!("the bytes end inside the header, of which at least {} are missing", missing)
        }
    };
    let found = Found::new(bytes.len(), 0, clause::PARTIAL, reason);
    if bytes.starts_with(b"PROXY ") && !bytes.contains(&b'\r') {
        return found
            .hint("Were CR and LF lost in copying? Write them as \\r\\n, or pipe the bytes in.");
    }
    found
}

/// Bytes that begin like neither version, and what they are instead.
fn no_header(bytes: &[u8], last: usize) -> Found {
    let found = |reason: &str| Found::new(last, 1, clause::NEITHER, reason);
    let starts = |word: &str| {
        bytes.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    if starts("PROXY") {
        return found("the word PROXY is not in upper case");
    }
    if let Some(kind) = looks_like(bytes) {
        let hint = match kind {
            "a TLS client hello" => {
                "The sender does not write the header, or writes it inside TLS."
            }
            "a PROXY header after other bytes" => {
                "The header has to be the first that is sent: something is sent before it."
            }
            _ => "The sender does not write the header: switch it on there.",
        };
        return found(&format!("this looks like {kind}")).hint(hint);
    }
    if let [0x56, 0xec, ..] = bytes {
        return found("this is the Simple Proxy Protocol for UDP, another protocol");
    }
    found("the bytes begin with neither \"PROXY\" nor the signature of version 2")
}

fn bad_family(byte: u8) -> Found {
    match (byte >> 4, byte & 15) {
        (family @ 4.., _) => {
            Found::new(13, 1, clause::FAMILY, format!("the address family is {family}"))
        }
        (_, transport) => {
            Found::new(13, 1, clause::TRANSPORT, format!("the transport protocol is {transport}"))
        }
    }
}

fn address_block(bytes: &[u8]) -> usize {
    match (at(bytes, 13) >> 4, at(bytes, 13) & 15) {
        (_, 0) => 0,
        (1, _) => 12,
        (2, _) => 36,
        (3, _) => 216,
        _ => 0,
    }
}

fn short_address(bytes: &[u8]) -> Found {
    let reason = format!(
        "the length is {}, and the addresses alone have {}",
        length(bytes),
        count(address_block(bytes), "byte")
    );
    Found::new(14, 2, clause::ADDRESSES, reason).sound(FIXED)
}

// ---- TLVs

/// The TLVs of the header, each with its offset.
fn tlvs(bytes: &[u8], start: usize, end: usize) -> impl Iterator<Item = (usize, u8, &[u8])> {
    let mut at = start;
    Tlvs::new(bytes.get(start..end).unwrap_or(&[])).map(move |tlv| {
        let offset = at;
        at += tlv.value.len() + 3;
        (offset, tlv.kind, tlv.value)
    })
}

fn bad_tlv(bytes: &[u8]) -> Found {
    let start = FIXED + address_block(bytes);
    let end = (FIXED + length(bytes)).min(bytes.len());
    let mut next = start;
    let mut checksums = 0;
    for (offset, kind, value) in tlvs(bytes, start, end) {
        next = offset + value.len() + 3;
        let whole = value.len() + 3;
        match kind {
            types::CRC32C if value.len() != 4 => {
                let reason = format!("the CRC32c has {}", count(value.len(), "byte"));
                return Found::new(offset, whole, clause::CHECKSUM_LENGTH, reason);
            }
            types::CRC32C if checksums > 0 => {
                return Found::new(
                    offset,
                    whole,
                    clause::CHECKSUM_ONCE,
                    "there is a second CRC32c",
                );
            }
            types::CRC32C => checksums += 1,
            types::UNIQUE_ID if value.len() > 128 => {
                let reason = format!("the unique id has {}", count(value.len(), "byte"));
                return Found::new(offset, whole, clause::UNIQUE_ID, reason);
            }
            types::SSL => {
                if let Some(found) = bad_ssl(value, offset) {
                    return found;
                }
            }
            _ => {}
        }
    }
    overrun(bytes.get(next..end).unwrap_or(&[]), next, "header", clause::TLV, name_of)
}

fn bad_ssl(value: &[u8], offset: usize) -> Option<Found> {
    let Some(ssl) = Ssl::new(value) else {
        let reason = format!("the value of the SSL TLV has {}", count(value.len(), "byte"));
        return Some(Found::new(offset, value.len() + 3, clause::SSL, reason));
    };
    let mut rest = ssl.tlvs();
    rest.by_ref().for_each(drop);
    let left = rest.as_bytes();
    if left.is_empty() {
        return None;
    }
    let at = offset + 3 + value.len() - left.len();
    Some(overrun(left, at, "SSL TLV", clause::SSL_TLV, ssl_name_of).sound(offset))
}

/// What is left where no whole TLV fits any more.
fn overrun(
    left: &[u8],
    at: usize,
    of: &str,
    clause: Clause,
    name: fn(u8) -> &'static str,
) -> Found {
    let (len, reason) = match left {
        [kind, high, low, value @ ..] => {
            let says = usize::from(*high) << 8 | usize::from(*low);
            let reason = format!(
                "the TLV of type 0x{kind:02x} ({}) says that its value has {}, but the {of} ends \
                 after {}",
                name(*kind).replace('_', " "),
                count(says, "byte"),
                value.len()
            );
            (3, reason)
        }
        _ => {
            (left.len(), format!("{} at the end of the {of} are no TLV", count(left.len(), "byte")))
        }
    };
    Found::new(at, len, clause, reason)
}

fn bad_checksum(bytes: &[u8]) -> Found {
    let end = (FIXED + length(bytes)).min(bytes.len());
    // In front of ignored addresses, or behind them.
    let starts = match at(bytes, 12) == 0x20 || address_block(bytes) == 0 {
        true => [FIXED, FIXED + ignored_block(bytes)],
        false => [FIXED + address_block(bytes); 2],
    };
    let stated =
        starts.into_iter().filter(|&start| is_tiled(bytes, start, end)).find_map(|start| {
            tlvs(bytes, start, end)
                .find(|&(_, kind, value)| kind == types::CRC32C && value.len() == 4)
        });
    let Some((offset, _, value)) = stated else {
        return Found::new(end, 0, clause::CHECKSUM, "the CRC32c does not match").sound(end);
    };
    let computed = checksum(bytes.get(..end).unwrap_or(bytes), offset + 3);
    let reason = format!("it says {}, and should be {computed:08x}", crate::text::hex(value));
    Found::new(offset + 3, 4, clause::CHECKSUM, reason)
        .hint("The header was changed on its way, or the sender computes it wrongly.")
        .sound(end)
}

/// The addresses that the family byte speaks of, though they do not count.
fn ignored_block(bytes: &[u8]) -> usize {
    match at(bytes, 13) {
        0x10..=0x12 => 12,
        0x20..=0x22 => 36,
        0x30..=0x32 => 216,
        _ => 0,
    }
}

fn is_tiled(bytes: &[u8], start: usize, end: usize) -> bool {
    let used: usize = tlvs(bytes, start, end).map(|(_, _, value)| value.len() + 3).sum();
    start + used == end
}

/// The CRC32c of a header whose checksum stands at `at`.
pub(crate) fn checksum(header: &[u8], at: usize) -> u32 {
    let crc = Crc::<u32>::new(&CRC_32_ISCSI);
    let mut digest = crc.digest();
    digest.update(header.get(..at).unwrap_or(header));
    digest.update(&[0; 4]);
    digest.update(header.get(at + 4..).unwrap_or(&[]));
    digest.finalize()
}
