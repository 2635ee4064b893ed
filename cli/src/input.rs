//! Bytes in the forms in which people have them: raw, or as some kind of text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use clap::ValueEnum;

use crate::error::Error;

/// How bytes are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As they came over the network
    Raw,
    /// Hex digits, with or without blanks, commas, colons or 0x
    Hex,
    /// What xxd or hexdump -C print
    Dump,
    /// Text with escapes such as \x0D, \r or \015
    Escaped,
    /// Base64, of the usual alphabet or that for URLs
    Base64,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw bytes",
            Format::Hex => "hex",
            Format::Dump => "hex dump",
            Format::Escaped => "text with escapes",
            Format::Base64 => "base64",
        }
    }
}

/// More than that is not looked at: the longest header has 65,551 bytes.
const MOST: u64 = 16 << 20;

/// All bytes of a file, or of the standard input for `-` and for none.
pub(crate) fn read(path: Option<&Path>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match path {
        Some(path) if path != Path::new("-") => {
            let file = File::open(path).map_err(|error| Error::file(path, &error))?;
            file.take(MOST + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| Error::file(path, &error))?;
        }
        _ => {
            io::stdin()
                .lock()
                .take(MOST + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| Error::new(format!("standard input: {error}")))?;
        }
    }
    if bytes.len() as u64 > MOST {
        return Err(Error::with_hint(
            "more than 16 MiB of input",
            "Give the beginning of the connection only, for example with head -c 65551.",
        ));
    }
    Ok(bytes)
}

/// The bytes that `text` stands for, and how it was read.
pub(crate) fn decode(text: Vec<u8>, format: Option<Format>) -> Result<(Vec<u8>, Format), Error> {
    match format {
        Some(Format::Raw) => Ok((text, Format::Raw)),
        Some(format) => {
            let words = std::str::from_utf8(&text)
                .map_err(|_| Error::new(format!("the input is not {}", format.name())))?;
            let bytes = match format {
                Format::Hex => hex(words)?,
                Format::Dump => dump(words)?,
                Format::Escaped => escaped(words)?,
                _ => base64(words).ok_or_else(|| Error::new("the input is not base64"))?,
            };
            Ok((bytes, format))
        }
        None => detect(text),
    }
}

fn detect(text: Vec<u8>) -> Result<(Vec<u8>, Format), Error> {
    let words = match std::str::from_utf8(&text) {
        Ok(words) if !words.trim().is_empty() && !begins_like_a_header(&text) => words,
        _ => return Ok((text, Format::Raw)),
    };
    if words.chars().any(|char| char.is_control() && !char.is_ascii_whitespace()) {
        return Ok((text, Format::Raw));
    }
    if has_escapes(words) {
        return Ok((escaped(words)?, Format::Escaped));
    }
    if looks_like_a_dump(words) {
        return Ok((dump(words)?, Format::Dump));
    }
    match hex(words) {
        Ok(bytes) => return Ok((bytes, Format::Hex)),
        // So many digits and nothing else cannot be meant otherwise.
        Err(error) if words.len() >= 16 && only_hex_digits(words) => return Err(error),
        Err(_) => {}
    }
    match base64(words) {
        Some(bytes) if begins_like_a_header(&bytes) => Ok((bytes, Format::Base64)),
        _ => Ok((text, Format::Raw)),
    }
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn begins_like_a_header(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or(bytes);
    let is_escaped = std::str::from_utf8(line).is_ok_and(has_escapes);
    let head = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
    bytes.starts_with(b"PROXY") && !is_escaped
        || bytes.starts_with(b"\r\n\r") && SIGNATURE.starts_with(head)
}

fn only_hex_digits(text: &str) -> bool {
    text.trim().bytes().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace())
}

// ---- hex

pub(crate) fn hex(text: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let separator = |char: char| char.is_whitespace() || matches!(char, ',' | ':' | ';');
    let marked = text.replace("0x", ",0x").replace("0X", ",0x").replace("\\x", ",0x");
    let words = marked.trim_matches(['{', '}', '[', ']']).split(separator);
    for word in words.filter(|word| !word.is_empty()) {
        let digits = word.strip_prefix("0x");
        match digits {
            // As some languages print an array.
            Some(digit) if digit.len() == 1 => push_digits(&mut out, &format!("0{digit}"))?,
            _ => push_digits(&mut out, digits.unwrap_or(word))?,
        }
    }
    Ok(out)
}

fn push_digits(out: &mut Vec<u8>, digits: &str) -> Result<(), Error> {
    if let Some(char) = digits.chars().find(|char| !char.is_ascii_hexdigit()) {
        let at = out.len();
        return Err(Error::new(format!("{char:?} is no hex digit, behind {at} bytes of hex")));
    }
    if digits.len() % 2 != 0 {
        let short = digits.get(..16).map_or(digits.to_owned(), |head| format!("{head}..."));
        return Err(Error::with_hint(
            format!("an odd number of hex digits in \"{short}\""),
            "A byte has two of them: was one lost in copying?",
        ));
    }
    let values = digits.chars().filter_map(|char| u8::try_from(char.to_digit(16)?).ok());
    let values: Vec<u8> = values.collect();
    out.extend(
        values.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)),
    );
    Ok(())
}

// ---- hex dumps

/// A line of a dump: where it says it begins, and what follows.
struct Line<'a> {
    offset: usize,
    rest: &'a str,
    colon: bool,
    /// An asterisk stood before it: the line above is repeated up to here.
    repeats: bool,
}

fn looks_like_a_dump(text: &str) -> bool {
    match lines(text).as_deref() {
        Some([first, rest @ ..]) => first.offset == 0 && (first.colon || !rest.is_empty()),
        _ => false,
    }
}

/// The lines, if each begins with its offset.
fn lines(text: &str) -> Option<Vec<Line<'_>>> {
    let mut lines = Vec::new();
    let mut repeats = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "*" {
            repeats = true;
            continue;
        }
        let (head, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let colon = head.ends_with(':');
        let digits = head.trim_end_matches(':').trim_start_matches("0x");
        if digits.len() < 4 {
            return None;
        }
        let offset = usize::from_str_radix(digits, 16).ok()?;
        lines.push(Line { offset, rest, colon, repeats: std::mem::take(&mut repeats) });
    }
    Some(lines)
}

fn dump(text: &str) -> Result<Vec<u8>, Error> {
    let lines = lines(text).ok_or_else(|| {
        Error::with_hint(
            "this is no hex dump: a line does not begin with its offset",
            "What xxd and hexdump -C print can be read.",
        )
    })?;
    let mut out: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    for line in &lines {
        if line.offset as u64 > MOST {
            return Err(Error::new(format!(
                "the dump goes on at {:#x}, which is too far",
                line.offset
            )));
        }
        while line.repeats && !last.is_empty() && out.len() < line.offset {
            out.extend(&last);
        }
        if line.offset != out.len() {
            return Err(Error::with_hint(
                format!("the dump goes on at {:#x} after {} bytes", line.offset, out.len()),
                "Offsets must be hexadecimal and begin with 0; are lines missing?",
            ));
        }
        last = line_bytes(line)?;
        out.extend(&last);
    }
    Ok(out)
}

fn line_bytes(line: &Line<'_>) -> Result<Vec<u8>, Error> {
    let rest = line.rest.trim_start();
    if line.colon {
        // xxd and tcpdump: groups with one blank between them, then two.
        return hex(rest.split_once("  ").map_or(rest, |(digits, _)| digits));
    }
    let digits = rest.find(['|', '>']).and_then(|at| rest.get(..at)).unwrap_or(rest);
    if digits.split_whitespace().any(|group| group.len() != 2) {
        return Err(Error::with_hint(
            format!("the line at {:#x} has no single bytes", line.offset),
            "hexdump without -C swaps bytes: use hexdump -C or xxd.",
        ));
    }
    hex(digits)
}

// ---- escapes

fn has_escapes(text: &str) -> bool {
    text.match_indices('\\').any(|(at, _)| {
        let behind = text.get(at + 1..).unwrap_or("");
        behind.starts_with(['x', 'r', 'n', '0'])
    })
}

/// Text with the escapes of C, of shells and of nginx's log.
pub(crate) fn escaped(text: &str) -> Result<Vec<u8>, Error> {
    let text = text.trim_end_matches('\n').trim_end_matches('\r');
    let text = match text.trim_start_matches('$').trim_start_matches('b') {
        inner if inner.len() > 1 && (is_within(inner, '"') || is_within(inner, '\'')) => {
            inner.get(1..inner.len() - 1).unwrap_or(inner)
        }
        _ => text,
    };
    let mut out = Vec::new();
    let mut only_escapes = true;
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, behind) = rest.split_at(at);
        only_escapes &= before.trim().is_empty();
        out.extend(before.bytes());
        let (byte, len) = escape(behind).ok_or_else(|| {
            let shown: String = behind.chars().take(4).collect();
            Error::new(format!("unknown escape {shown:?} behind {} bytes", out.len()))
        })?;
        out.push(byte);
        rest = behind.get(len..).unwrap_or("");
    }
    only_escapes &= rest.trim().is_empty();
    if only_escapes {
        // Blanks between escapes are there for the eye.
        let dense: String = text.split_whitespace().collect();
        if dense.len() != text.len() {
            return escaped(&dense);
        }
    }
    out.extend(rest.bytes());
    Ok(out)
}

fn is_within(text: &str, quote: char) -> bool {
    text.starts_with(quote) && text.ends_with(quote)
}

/// The byte of the escape at the beginning of `text`, and its length there.
fn escape(text: &str) -> Option<(u8, usize)> {
    let simple = |byte| Some((byte, 2));
    match text.as_bytes().get(1)? {
        b'x' | b'X' => Some((u8::from_str_radix(text.get(2..4)?, 16).ok()?, 4)),
        b'r' => simple(b'\r'),
        b'n' => simple(b'\n'),
        b't' => simple(b'\t'),
        &byte @ (b'\\' | b'"' | b'\'') => simple(byte),
        b'0'..=b'7' => {
            let digits = text.get(1..)?.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7'));
            let len = digits.count();
            Some((u8::from_str_radix(text.get(1..=len)?, 8).ok()?, len + 1))
        }
        _ => None,
    }
}

// ---- base64

fn base64(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.split_whitespace().collect();
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(&dense).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Format, decode};

    const HEADER: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb";

    #[track_caller]
    fn reads(text: &str, format: Format, bytes: &[u8]) {
        let (read, detected) = decode(text.as_bytes().to_vec(), None).unwrap();
        assert_eq!((read.as_slice(), detected), (bytes, format), "{text}");
        let (read, _) = decode(text.as_bytes().to_vec(), Some(format)).unwrap();
        assert_eq!(read, bytes, "{text}");
    }

    #[test]
    fn hex_however_it_is_written() {
        for text in [
            "0d0a0d0a000d0a515549540a2111000cc0000201c6336407dc0401bb",
            "0D0A0D0A 000D0A51\n5549540A 2111000C\nC0000201 C6336407 DC0401BB\n",
            "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 11 00 0c c0 00 02 01 c6 33 64 07 dc 04 01 bb",
            "0x0d0a0d0a000d0a515549540a2111000cc0000201c6336407dc0401bb",
            "0d:0a:0d:0a:00:0d:0a:51:55:49:54:0a:21:11:00:0c:c0:00:02:01:c6:33:64:07:dc:04:01:bb",
            "{ 0xd, 0xa, 0xd, 0xa, 0x0, 0xd, 0xa, 0x51, 0x55, 0x49, 0x54, 0xa, 0x21, 0x11, 0x0, 0xc, \
             0xc0, 0x0, 0x2, 0x1, 0xc6, 0x33, 0x64, 0x7, 0xdc, 0x4, 0x1, 0xbb }",
        ] {
            reads(text, Format::Hex, HEADER);
        }
    }

    #[test]
    fn dumps() {
        reads(
            "00000000: 0d0a 0d0a 000d 0a51 5549 540a 2111 000c  .......QUIT.!...\n\
             00000010: c000 0201 c633 6407 dc04 01bb            .....3d.....\n",
            Format::Dump,
            HEADER,
        );
        reads(
            "00000000  0d 0a 0d 0a 00 0d 0a 51  55 49 54 0a 21 11 00 0c  |.......QUIT.!...|\n\
             00000010  c0 00 02 01 c6 33 64 07  dc 04 01 bb              |.....3d.....|\n\
             0000001c\n",
            Format::Dump,
            HEADER,
        );
        reads(
            "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
             *\n\
             00000030  7c                                                |||\n\
             00000031\n",
            Format::Dump,
            &[&[0; 48][..], b"|"].concat(),
        );
        let swapped = b"0000000 0a0d 0a0d 0d00 510a\n0000008\n".to_vec();
        let error = decode(swapped, None).unwrap_err().to_string();
        assert!(error.contains("hexdump -C"), "{error}");
        let gap = b"00000000: 0d0a 0d0a\n00000008: 0d0a 0d0a\n".to_vec();
        let error = decode(gap, None).unwrap_err().to_string();
        assert!(error.contains("goes on at 0x8 after 4 bytes"), "{error}");
    }

    #[test]
    fn escapes() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
        reads(r"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\x0D\x0A", Format::Escaped, line);
        reads(r"'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n'", Format::Escaped, line);
        let mut text = HEADER.iter().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>();
        reads(&text.concat(), Format::Escaped, HEADER);
        text.insert(8, "\n".to_owned());
        reads(&text.join(" "), Format::Escaped, HEADER);
        reads(
            r"\15\12\015\012\0\r\nQUIT\n\x20\0\0\0",
            Format::Escaped,
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        );
        assert!(decode(br"\xzz".to_vec(), Some(Format::Escaped)).is_err());
        assert!(decode("\\xé".into(), Some(Format::Escaped)).is_err());
    }

    #[test]
    fn base64_of_both_alphabets() {
        reads("DQoNCgANClFVSVQKIREADMAAAgHGM2QH3AQBuw==", Format::Base64, HEADER);
        reads("DQoNCgANClFVSVQKIREADMAAAgHGM2QH3AQBuw", Format::Base64, HEADER);
        reads(
            "DQoNCgANClFVSVQKIAAAA____w==",
            Format::Base64,
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x03\xff\xff\xff",
        );
    }

    #[test]
    fn all_else_is_what_it_is() {
        for bytes in [
            HEADER,
            b"",
            b"\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /\\x41 HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
            "Straße\n".as_bytes(),
        ] {
            assert_eq!(decode(bytes.to_vec(), None).unwrap(), (bytes.to_vec(), Format::Raw));
        }
        let odd = decode(b"0d0a0d0a000d0a515549540a2".to_vec(), None).unwrap_err().to_string();
        assert!(odd.contains("odd number"), "{odd}");
    }
}
