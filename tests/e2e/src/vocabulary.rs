//! Headers and the one word for what becomes of each, before any kind of
//! server. DESIGN: the vocabulary of results.

use crate::header::{V2, ssl_value, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// A header that is refused at once. It is whole, so that it is not the want
/// of more bytes that gets it refused.
#[derive(Debug, Clone)]
pub struct Refused {
    pub result: &'static str,
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// A header that is accepted, and what is known by it. Addresses are written
/// `ADDRESS PORT`, and are a blank where there is none.
#[derive(Debug, Clone)]
pub struct Valid {
    pub bytes: Vec<u8>,
    /// The result and the version.
    pub result: String,
    /// What the server takes for the client; None: who connected.
    pub remote: Option<String>,
    /// The client and the server as in the header.
    pub client: String,
    pub server: String,
}

fn visitor() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

fn refused(result: &'static str, name: &'static str, bytes: impl AsRef<[u8]>) -> Refused {
    Refused { result, name, bytes: bytes.as_ref().to_vec() }
}

/// What a listener without settings of its own refuses.
pub fn bad_headers() -> Vec<Refused> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 16, 225, 1, 187];
    let mut bad_sum = visitor().checksum().build();
    let last = bad_sum.len() - 1;
    bad_sum[last] ^= 1;
    let mut swapped_sum = visitor().checksum().build();
    swapped_sum[last - 3..].reverse();
    vec![
        refused("no_header", "a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused("no_header", "a TLS record", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        refused("no_header", "lower case", "proxy TCP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        refused("no_header", "a v2 signature off by one", b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c"),
        refused("bad_v1", "PROXYX", "PROXYX TCP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        refused("bad_v1", "octal", "PROXY TCP4 010.0.0.1 198.51.100.1 4321 443\r\n"),
        refused("bad_v1", "a port too high", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n"),
        refused("bad_v1", "a port and more", "PROXY TCP4 192.0.2.7 198.51.100.1 80abc 443\r\n"),
        refused("bad_v1", "IPv6 in TCP4", "PROXY TCP4 2001:db8::1 2001:db8::2 4321 443\r\n"),
        refused("bad_v1", "LF alone", "PROXY TCP4 192.0.2.7 198.51.100.1 4321 443\n"),
        refused("bad_v1", "UDP4", "PROXY UDP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        refused("bad_v1", "108 bytes", format!("PROXY UNKNOWN {}\r\n", "x".repeat(92))),
        refused("bad_version", "version 1 in v2", visitor().command(0x11).build()),
        refused("bad_version", "version 3", visitor().command(0x31).build()),
        refused("bad_command", "command 2", visitor().command(0x22).build()),
        refused("bad_command", "command 15", visitor().command(0x2F).build()),
        refused("bad_family", "transport 3", visitor().family(0x13).build()),
        refused("bad_family", "family 4", visitor().family(0x41).build()),
        refused("short_address", "no address", V2::raw(0x21, 0x11, &[]).build()),
        refused("short_address", "11 bytes", V2::raw(0x21, 0x11, &addresses[..11]).build()),
        refused("short_address", "IPv4 as IPv6", V2::raw(0x21, 0x21, &addresses).build()),
        refused("short_address", "a short path", V2::raw(0x21, 0x31, &[b'x'; 215]).build()),
        refused("bad_tlv", "stray bytes", visitor().bytes(&[4, 0]).build()),
        refused("bad_tlv", "an overrun", visitor().bytes(&[4, 0, 2, 0]).build()),
        refused("bad_tlv", "a long unique id", visitor().tlv(0x05, [b'x'; 129]).build()),
        refused("bad_tlv", "a short SSL TLV", visitor().tlv(0x20, [1, 0, 0, 0]).build()),
        refused(
            "bad_tlv",
            "an overrun in SSL",
            visitor().tlv(0x20, [&ssl_value(1, 0, &[])[..], &[0x21, 0, 9, b'T']].concat()).build(),
        ),
        refused("bad_tlv", "a checksum of 3 bytes", visitor().tlv(0x03, [0; 3]).build()),
        refused("bad_tlv", "two checksums", visitor().checksum().tlv(0x03, [0; 4]).build()),
        refused("bad_checksum", "one bit", bad_sum),
        refused("bad_checksum", "byte order", swapped_sum),
        refused("bad_checksum", "of a LOCAL", V2::local().tlv(0x03, *b"4321").build()),
        refused("too_long", "4,097 bytes", visitor().padded_to(4097).build()),
    ]
}

/// Valid headers that name no TCP address.
pub fn nameless_headers() -> Vec<Vec<u8>> {
    vec![
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 4321 443\r\n".to_vec(),
        V2::raw(0x21, 0x00, &[]).build(),
        V2::raw(0x21, 0x01, &[]).checksum().build(),
        // A datagram's address is not that of a TCP peer.
        visitor().family(0x12).build(),
        visitor().family(0x10).build(),
        V2::raw(0x21, 0x31, &[b'/'; 216]).build(),
    ]
}

/// What a listener with `realpeer require` accepts.
pub fn valid_headers() -> Vec<Valid> {
    // So that logs and access lists know one form.
    let mapped = "[::ffff:192.0.2.7]:4321";
    let mapped_listener = "[::ffff:198.51.100.1]:443";
    let ipv6 = ["2001:db8::7 4321", "2001:db8::7 4321", "2001:db8::1 443"];
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 16, 225, 1, 187];
    let mut all = vec![
        named(v1(VISITOR, LISTENER), "proxy 1"),
        named(visitor().build(), "proxy 2"),
        named(visitor().checksum().build(), "proxy 2"),
        named(V2::proxy(mapped, mapped_listener).build(), "proxy 2"),
        named(v1(mapped, mapped_listener), "proxy 1"),
        // The text is always made from the binary address.
        valid(b"PROXY TCP6 2001:0DB8:0:0:0:0:0:7 2001:db8::0001 4321 443\r\n", "proxy 1", ipv6),
        valid(V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build(), "proxy 2", ipv6),
        // Port 0 is a port.
        valid(
            v1("192.0.2.7:0", "198.51.100.1:0"),
            "proxy 1",
            ["192.0.2.7 0", "192.0.2.7 0", "198.51.100.1 0"],
        ),
        own(V2::local().build(), "local 2"),
        own(V2::local().checksum().padded_to(100).build(), "local 2"),
        own(V2::raw(0x20, 0x11, &addresses).build(), "local 2"),
        // The family of a LOCAL is ignored, even one that there is not.
        own(V2::raw(0x20, 0xFF, &addresses).build(), "local 2"),
    ];
    for (number, nameless) in nameless_headers().into_iter().enumerate() {
        all.push(own(nameless, if number < 2 { "no_address 1" } else { "no_address 2" }));
    }
    all
}

fn valid(bytes: impl AsRef<[u8]>, result: &str, [remote, client, server]: [&str; 3]) -> Valid {
    Valid {
        bytes: bytes.as_ref().to_vec(),
        result: result.into(),
        remote: Some(remote.into()),
        client: client.into(),
        server: server.into(),
    }
}

fn named(bytes: Vec<u8>, result: &str) -> Valid {
    valid(bytes, result, ["192.0.2.7 4321", "192.0.2.7 4321", "198.51.100.1 443"])
}

fn own(bytes: Vec<u8>, result: &str) -> Valid {
    Valid { remote: None, ..valid(bytes, result, [" ", " ", " "]) }
}
