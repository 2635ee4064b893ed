//! Which of the three formats somebody asks for.
#![forbid(unsafe_code)]

use core::ffi::CStr;

/// In what the counters are shown.
///
/// # Examples
/// In the query of a request these are `?format=prometheus`, `?format=json` and
/// `?format=html`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus = 1,
    /// JSON.
    Json = 2,
    /// A page for people.
    Html = 3,
    /// A line for each number, `name: value`. No request can ask for it.
    Lines = 4,
    /// HTML without a beginning or an end, for the page of another. No request can
    /// ask for it.
    Section = 5,
}

impl Format {
    /// Those that a request can ask for.
    const ASKED: [Format; 3] = [Format::Prometheus, Format::Json, Format::Html];
    /// Those that are part of an answer of somebody else's.
    const WITHIN: [Format; 2] = [Format::Lines, Format::Section];

    pub(crate) fn from_number(number: i32) -> Option<Format> {
        let mut all = Format::ASKED.into_iter().chain(Format::WITHIN);
        all.find(|&format| format as i32 == number)
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Format::Prometheus => b"prometheus",
            Format::Json => b"json",
            Format::Html => b"html",
            Format::Lines => b"lines",
            Format::Section => b"section",
        }
    }

    /// Type and subtype, as in `Accept`.
    const fn media_type(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Format::Prometheus | Format::Lines => (b"text", b"plain"),
            Format::Json => (b"application", b"json"),
            Format::Html | Format::Section => (b"text", b"html"),
        }
    }

    pub(crate) const fn content_type(self) -> &'static CStr {
        match self {
            Format::Prometheus => c"text/plain; version=0.0.4; charset=utf-8",
            Format::Json => c"application/json",
            Format::Html | Format::Section => c"text/html; charset=utf-8",
            Format::Lines => c"text/plain; charset=utf-8",
        }
    }
}

/// The format for a request: what its query says, else what it likes best of what
/// it accepts, else Prometheus'. `None` where the query names none that there is.
pub(crate) fn choose(query: &[u8], accept: &[u8]) -> Option<Format> {
    let asked = query.split(|&byte| byte == b'&').find_map(|part| part.strip_prefix(b"format="));
    match asked {
        Some(name) => Format::ASKED.into_iter().find(|format| format.name() == name),
        None => Some(accepted(accept).unwrap_or(Format::Prometheus)),
    }
}

/// The format with the highest weight in `Accept`, the first of several.
fn accepted(accept: &[u8]) -> Option<Format> {
    let mut best = None;
    for range in accept.split(|&byte| byte == b',') {
        let mut parts = range.split(|&byte| byte == b';');
        let Some(format) = parts.next().and_then(of_range) else { continue };
        let weight = parts.find_map(weight).unwrap_or(1000);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((format, weight));
        }
    }
    best.map(|(format, _)| format)
}

fn of_range(range: &[u8]) -> Option<Format> {
    let mut halves = range.trim_ascii().splitn(2, |&byte| byte == b'/');
    let (kind, subtype) = (halves.next()?, halves.next()?);
    if subtype == b"*" {
        // Whoever takes anything gets what there is for machines.
        let any = kind == b"*" || kind.eq_ignore_ascii_case(b"text");
        return any.then_some(Format::Prometheus);
    }
    Format::ASKED.into_iter().find(|format| {
        let (ours, our_subtype) = format.media_type();
        kind.eq_ignore_ascii_case(ours) && subtype.eq_ignore_ascii_case(our_subtype)
    })
}

/// `q=0.5` in thousandths. One that cannot be read counts for nothing.
fn weight(parameter: &[u8]) -> Option<u16> {
    let (b'q' | b'Q', value) = parameter.trim_ascii().split_first()? else { return None };
    let value = value.strip_prefix(b"=")?;
    let (whole, rest) = value.split_first()?;
    let digits = rest.strip_prefix(b".").unwrap_or(rest);
    let zeroes = [b'0'; 3];
    let thousandths = digits.iter().chain(&zeroes).take(3).try_fold(0_u16, |sum, &digit| {
        let digit = u16::from(digit.checked_sub(b'0').filter(|&digit| digit < 10)?);
        Some(sum.saturating_mul(10).saturating_add(digit))
    });
    match whole {
        b'1' => Some(1000),
        b'0' => Some(thousandths.unwrap_or(0)),
        _ => Some(0),
    }
}
