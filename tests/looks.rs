//! What bytes look like that came instead of a header, and whether a header follows
//! another one.

#![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

use realpeer::{another_header, looks_like};

const TLS: &str = "a TLS client hello";
const HTTP: &str = "an HTTP request";
const SSH: &str = "an SSH banner";
const SMTP: &str = "an SMTP client";
const POSTGRESQL: &str = "a PostgreSQL client";
const REDIS: &str = "a Redis command";
const CASE: &str = "a version 1 PROXY header that is not in upper case";
const AFTER: &str = "a PROXY header after other bytes";

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes, and what is to be said of them.
const TABLE: &[(&[u8], Option<&str>)] = &[
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Some(TLS)),
    (b"\x16\x03\x04\x00\x05\x01", Some(TLS)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(HTTP)),
    (b"GET /", Some(HTTP)),
    (b"GET / HTT", Some(HTTP)),
    (b"GET /\r\n", Some(HTTP)),
    (b"CONNECT a:443 HTTP/1.1\r\n", Some(HTTP)),
    (b"OPTIONS * HTTP/1.0\r\n", Some(HTTP)),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(HTTP)),
    (b"SSH-2.0-OpenSSH_9.6\r\n", Some(SSH)),
    (b"ehlo mail.example.com\r\n", Some(SMTP)),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", Some(POSTGRESQL)),
    (b"\0\0\0\x20\0\x03\0\0user\0a\0", Some(POSTGRESQL)),
    (b"*1\r\n$4\r\nPING\r\n", Some(REDIS)),
    (b"proxy tcp4 192.0.2.1 198.51.100.7 1 2\r\n", Some(CASE)),
    (b"\r\nPROXY UNKNOWN\r\n", Some(AFTER)),
    (b"\xef\xbb\xbfPROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Some(AFTER)),
    (b"hello\r\n\r\n\0\r\nQUIT\n\x21", Some(AFTER)),
    // Of none of these it is certain.
    (b"", None),
    (b"hello, world", None),
    (b"\x16", None),
    (b"\x16\x03\x01\x02\x00", None),
    (b"\x16\x03\x01\x02\x00\x02", None),
    (b"\x16\x03\x05\x02\x00\x01", None),
    (b"\x16\x03\x01\x41\x00\x01", None),
    (b"\x15\x03\x01\x00\x02\x02\x28", None),
    (b"GET", None),
    (b"GET key\r\n", None),
    (b"GETS / HTTP/1.1\r\n", None),
    (b"OPTIONS rtsp://192.0.2.1 RTSP/1.0\r\n", None),
    (b"POST /\r\n", None),
    (b"SSH-", None),
    (b"EHLOmail", None),
    (b"HELP\r\n", None),
    (b"USER a\r\n", None),
    (b"\0\0\0\x08\x04\xd2\x16\x2e", None),
    (b"\0\0\0\x20\0\x03\0\0database\0a\0", None),
    (b"*\r\n$4\r\nPING\r\n", None),
    (b"*1\r\n+PING\r\n", None),
    (b"PROXY TCP4 192.0.2.256 198.51.100.7 1 2\r\n", None),
    (b"PROXYTCP4 192.0.2.1 198.51.100.7 1 2\r\n", None),
    (b"X-PROXY: TCP4\r\n", None),
    (b"see PROXY protocol\r\n", None),
    (b"\r\n\r\n\0\r\nQUIT\x0b", None),
];

#[test]
fn bytes_look_like_what_they_certainly_are() {
    for (bytes, expected) in TABLE {
        assert_eq!(looks_like(bytes), *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_header_does_not_look_like_something_else() {
    for len in 0..=LINE.len() {
        assert_eq!(looks_like(&LINE[..len]), None, "{len} bytes");
    }
    for len in 0..=SIGNATURE.len() {
        assert_eq!(looks_like(&SIGNATURE[..len]), None, "{len} bytes");
    }
    // Nor does a broken one with another after it: the first is what is wrong.
    assert_eq!(looks_like(&[SIGNATURE, b"\x51\x11\0\0", LINE].concat()), None);
}

#[test]
fn the_search_for_a_header_has_an_end() {
    let after = |n: usize| [&vec![b'x'; n][..], LINE].concat();
    assert_eq!(looks_like(&after(512)), Some(AFTER));
    assert_eq!(looks_like(&after(513)), None);
    assert_eq!(looks_like(&vec![b'\r'; 65_551]), None);
}

#[test]
fn another_header_is_known_by_its_beginning() {
    for header in [LINE, SIGNATURE, b"PROXY TCP6 ", b"PROXY UNKNOWN ", b"PROXY UNKNOWN\r\n"] {
        assert!(another_header(header), "{}", header.escape_ascii());
    }
    let none: [&[u8]; 8] = [
        b"",
        b"PROXY",
        b"PROXY ",
        b"PROXY TCP4",
        b"proxy TCP4 ",
        b"PROXY TCP5 ",
        &SIGNATURE[..11],
        b"GET / HTTP/1.1\r\n",
    ];
    for bytes in none {
        assert!(!another_header(bytes), "{}", bytes.escape_ascii());
    }
}
