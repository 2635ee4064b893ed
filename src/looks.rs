//! What bytes look like that came instead of a header, and whether another header
//! follows the first: from the bytes alone.
//!
//! [`TABLE`] is the only place that knows other protocols. A row is there only if
//! its bytes are certain: a wrong word costs more than none.
#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::outcome::text_of;
use crate::parse::{Signature, signature};
use crate::{v1, v2};

/// How far into the bytes a header is searched for.
const SEARCHED: usize = 512;

type Row = (&'static CStr, fn(&[u8]) -> bool);

/// A phrase, and whether it is true of the bytes. The first row that is true counts.
const TABLE: &[Row] = &[
    (c"a TLS client hello", is_tls),
    (c"an HTTP request", is_http),
    (c"an SSH banner", is_ssh),
    (c"an SMTP client", is_smtp),
    (c"a PostgreSQL client", is_postgresql),
    (c"a Redis command", is_redis),
    (c"a version 1 PROXY header that is not in upper case", is_v1_in_other_case),
    (c"a PROXY header after other bytes", is_header_after_others),
];

/// What the first bytes of a connection look like, where these are no header: a
/// phrase for a log line, after "looks like". `None` where they are not certain, as
/// most bytes are not.
///
/// Whether the bytes are a header is not asked here, but of [`parse`](crate::parse) or
/// [`decide`](crate::decide). The more bytes are given, the more can be said: a line of
/// HTTP is one with its beginning, a header after other bytes has to be among them.
///
/// ```
/// use realpeer::{Action, Event, Policy, Settings, decide, looks_like};
///
/// let came = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
/// let decision = decide(Some(Policy::Require), &Settings::default(), came, Event::Data);
/// assert_eq!(decision.action, Action::Refuse);
/// assert_eq!(looks_like(came), Some("a TLS client hello"));
///
/// assert_eq!(looks_like(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some("an HTTP request"));
/// assert_eq!(looks_like(b"\r\nPROXY UNKNOWN\r\n"), Some("a PROXY header after other bytes"));
/// assert_eq!(looks_like(b"hello, world"), None);
/// ```
#[must_use]
pub fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    phrase(bytes).map(text_of)
}

pub(crate) fn phrase(bytes: &[u8]) -> Option<&'static CStr> {
    TABLE.iter().find(|(_, is)| is(bytes)).map(|(phrase, _)| *phrase)
}

/// Whether the bytes that follow a header are another one: the signature of version
/// 2, or a line of version 1 as far as its protocol.
///
/// Two load balancers in a row that each add a header send this. The first header is
/// that of the one next to the server, and names the other one as the client; the
/// second is taken for the beginning of the request. It is nothing to refuse: an
/// application's own bytes may look like this. It is something to log.
///
/// ```
/// use realpeer::{Action, Event, Policy, Settings, another_header, decide};
///
/// let stream = b"PROXY TCP4 10.0.1.9 10.0.2.5 41234 443\r\n\
///                PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
/// let decision = decide(Some(Policy::Require), &Settings::default(), stream, Event::Data);
/// assert_eq!(decision.action, Action::Accept);
/// assert!(another_header(&stream[decision.consumed..]));
/// assert!(!another_header(b"GET / HTTP/1.1\r\n"));
/// ```
#[must_use]
pub fn another_header(following: &[u8]) -> bool {
    match following.first() {
        Some(b'P') => is_v1(following, |is, should| is == should),
        Some(b'\r') => following.starts_with(v2::SIGNATURE),
        _ => false,
    }
}

/// What follows the word of version 1, up to the end of the protocol.
const PROTOCOLS: [&[u8]; 4] = [b" TCP4 ", b" TCP6 ", b" UNKNOWN ", b" UNKNOWN\r"];

fn is_v1(bytes: &[u8], same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let Some((head, rest)) = bytes.split_first_chunk::<{ v1::SIGNATURE.len() }>() else {
        return false;
    };
    let has = |protocol: &&[u8]| rest.get(..protocol.len()).is_some_and(|is| same(is, protocol));
    same(head, v1::SIGNATURE) && PROTOCOLS.iter().any(has)
}

fn is_v1_in_other_case(bytes: &[u8]) -> bool {
    is_v1(bytes, <[u8]>::eq_ignore_ascii_case) && !is_v1(bytes, |is, should| is == should)
}

/// Not where a header begins the bytes, whatever is wrong with that one.
fn is_header_after_others(bytes: &[u8]) -> bool {
    if matches!(signature(bytes), Signature::Whole(_)) {
        return false;
    }
    let mut rest = bytes;
    for _ in 0..SEARCHED {
        let Some((_, after)) = rest.split_first() else { return false };
        if another_header(after) {
            return true;
        }
        rest = after;
    }
    false
}

/// A record of a handshake, of a version 3.x and no longer than records may be, that
/// begins with a client hello.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, 0..=4, 0..=0x40, _, 1, ..])
}

const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"];
const VERSION: &[u8] = b"HTTP/1.";

/// The preface of HTTP/2, or the first line of a request, as far as it has come. Other
/// protocols have words and lines like these: RTSP the words and another version,
/// Redis `GET` and no path.
fn is_http(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n") {
        return true;
    }
    let mut parts = bytes.splitn(2, |&byte| byte == b'\r' || byte == b'\n');
    let (Some(line), is_whole) = (parts.next(), parts.next().is_some()) else { return false };
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return false };
    let starts = |prefix: &[u8]| target.starts_with(prefix);
    let is_path = starts(b"/") || starts(b"http://") || starts(b"https://");
    METHODS.contains(&method)
        && match words.next() {
            Some(version) if version.starts_with(VERSION) => !target.is_empty(),
            Some(version) => is_path && !is_whole && VERSION.starts_with(version),
            // A whole line without a version is one of HTTP/0.9.
            None => is_path && (!is_whole || method == b"GET"),
        }
}

fn is_ssh(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SSH-2.0-") || bytes.starts_with(b"SSH-1.")
}

fn is_smtp(bytes: &[u8]) -> bool {
    let Some((word, _)) = bytes.split_first_chunk::<5>() else { return false };
    [b"EHLO ", b"HELO ", b"LHLO "].iter().any(|known| word.eq_ignore_ascii_case(*known))
}

/// Asks for TLS or GSSAPI, or begins protocol 3.0 or 3.2 as libpq does.
fn is_postgresql(bytes: &[u8]) -> bool {
    match bytes {
        [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f | 0x30, ..] => true,
        [0, 0, _, _, 0, 3, 0, 0 | 2, parameters @ ..] => parameters.starts_with(b"user\0"),
        _ => false,
    }
}

/// An array of texts: `*1`, `$4`, `PING`, each in a line.
fn is_redis(bytes: &[u8]) -> bool {
    let after = |mark: u8, bytes: &'_ [u8]| -> Option<usize> {
        let (first, rest) = bytes.split_first()?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is = *first == mark && digits > 0 && rest.get(digits..)?.starts_with(b"\r\n");
        is.then(|| digits.saturating_add(3))
    };
    after(b'*', bytes).and_then(|at| after(b'$', bytes.get(at..)?)).is_some()
}
