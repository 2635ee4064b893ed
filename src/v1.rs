//! Version 1, the line of text (section 2.1).
//!
//! The line is read from left to right, each field checked as far as it is there,
//! so that a line that cannot become valid is refused at the byte that spoils it.
//! Nothing of it is used before its CR and LF have come.
#![forbid(unsafe_code)]

use crate::address::{Family, Transport};
use crate::header::{Addresses, Command, Header, Progress, V1_MAX, Version};
use crate::outcome::Outcome;
use crate::scan::{Cursor, Step, Stop};
use crate::tlv::Tlvs;

pub(crate) const SIGNATURE: &[u8; 5] = b"PROXY";
/// Bytes of the shortest line, `PROXY UNKNOWN` with CR and LF.
pub(crate) const LEAST: usize = 15;

/// Parses a line whose signature has been seen.
pub(crate) fn parse(bytes: &[u8]) -> Result<Progress<'_>, Outcome> {
    let window = bytes.get(..V1_MAX).unwrap_or(bytes);
    let mut cursor = Cursor::new(window.get(SIGNATURE.len()..).unwrap_or(&[]));
    let (family, addresses) = match line(&mut cursor) {
        Ok(line) => line,
        Err(Stop::More) if can_still_end(window) => {
            let need = window.len().saturating_add(1).max(LEAST);
            return Ok(Progress::More { need });
        }
        Err(_) => return Err(Outcome::BadV1),
    };
    let len = window.len().saturating_sub(cursor.left());
    Ok(Progress::Done(Header {
        bytes: window.get(..len).unwrap_or(window),
        version: Version::V1,
        command: Command::Proxy,
        family,
        transport: match family {
            Family::Unspec => Transport::Unspec,
            _ => Transport::Stream,
        },
        addresses,
        tlvs: Tlvs::EMPTY,
        checksum: false,
    }))
}

/// Whether CR and LF can still come within the longest line.
fn can_still_end(window: &[u8]) -> bool {
    match V1_MAX.saturating_sub(window.len()) {
        0 => false,
        1 => window.last() == Some(&b'\r'),
        _ => true,
    }
}

fn line(cursor: &mut Cursor<'_>) -> Step<(Family, Addresses)> {
    cursor.literal(b" ")?;
    if cursor.peek()? == b'U' {
        cursor.literal(b"UNKNOWN")?;
        ignored_rest(cursor)?;
        return Ok((Family::Unspec, Addresses::default()));
    }
    cursor.literal(b"TCP")?;
    let (family, source, destination) = match cursor.next()? {
        b'4' => {
            cursor.literal(b" ")?;
            let source = cursor.ipv4(b' ')?;
            let destination = cursor.ipv4(b' ')?;
            (Family::Inet, source.to_bits().into(), destination.to_bits().into())
        }
        b'6' => {
            cursor.literal(b" ")?;
            let source = cursor.ipv6(b' ')?;
            let destination = cursor.ipv6(b' ')?;
            (Family::Inet6, source.to_bits(), destination.to_bits())
        }
        _ => return Err(Stop::Bad),
    };
    let source_port = cursor.port(b' ')?;
    let destination_port = cursor.port(b'\r')?;
    cursor.literal(b"\n")?;
    Ok((family, Addresses { source, destination, source_port, destination_port }))
}

/// What follows `UNKNOWN`: nothing, or a space and anything at all, up to the
/// first CR LF. A CR or LF alone is part of what is ignored.
fn ignored_rest(cursor: &mut Cursor<'_>) -> Step<()> {
    match cursor.next()? {
        b'\r' => return cursor.literal(b"\n"),
        b' ' => {}
        _ => return Err(Stop::Bad),
    }
    cursor.past_line_end()
}
