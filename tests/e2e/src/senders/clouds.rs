//! Balancers nobody can start: what they send, byte for byte as it is
//! documented and was captured, with addresses for examples in it.

use super::place::Receiver;
use super::visit::Visited;
use crate::client::Client;
use crate::header::{V2, v1};

const VISITOR: &str = "192.0.2.7:51442";
const LISTENER: &str = "198.51.100.31:80";

fn proxy() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

/// Sends a header and a request, the request in a segment of its own.
fn send(receiver: &Receiver, header: &[u8]) {
    let mut client = Client::connect(receiver.port);
    client.send_pieces([header]);
    assert_eq!(client.get("/").status, 200);
}

fn named(receiver: &Receiver, header: &[u8]) -> Visited {
    send(receiver, header);
    Visited::claimed(VISITOR, LISTENER)
}

fn local(receiver: &Receiver, header: &[u8]) -> Visited {
    send(receiver, header);
    Visited::nobody()
}

/// A checksum, the endpoint, and padding up to 100 bytes.
pub(super) fn aws_private_link(receiver: &Receiver, endpoint: &str) -> Visited {
    let value = [b"\x01", endpoint.as_bytes()].concat();
    named(receiver, &proxy().checksum().tlv(0xEA, value).padded_to(100).build())
}

pub(super) fn aws(receiver: &Receiver, _: &str) -> Visited {
    named(receiver, &proxy().checksum().padded_to(100).build())
}

/// IPv4 is said, and no address comes: a checksum and padding are all. With
/// this sum, which was captured.
pub(super) fn aws_check(receiver: &Receiver, _: &str) -> Visited {
    let header = V2::raw(0x20, 0x11, &[]).checksum().padded_to(100).build();
    assert_eq!(header[16..23], [0x03, 0, 4, 0xBC, 0xE5, 0x95, 0x1F]);
    local(receiver, &header)
}

/// The classic one's line, as AWS documents it.
pub(super) fn aws_classic(receiver: &Receiver, _: &str) -> Visited {
    let (visitor, listener) = ("198.51.100.22:35646", "203.0.113.7:80");
    let line = v1(visitor, listener);
    assert_eq!(line, b"PROXY TCP4 198.51.100.22 203.0.113.7 35646 80\r\n");
    send(receiver, &line);
    Visited::claimed(visitor, listener)
}

/// The classic one's checks have no header: a rule lets them in, which stands
/// for another address here, as the test has but one machine.
pub(super) fn aws_classic_check(receiver: &Receiver, source: &str) -> Visited {
    assert_eq!(Client::from(source, receiver.port).get("/").status, 200);
    Visited { sender: source.into(), ..Visited::nobody() }
}

/// The link's number, least byte first.
pub(super) fn azure(receiver: &Receiver, _: &str) -> Visited {
    named(receiver, &proxy().tlv(0xEE, b"\x01\x04\x03\x02\x01").build())
}

/// A probe says nothing of a client.
pub(super) fn azure_probe(receiver: &Receiver, _: &str) -> Visited {
    local(receiver, &V2::local().build())
}

/// The connection's number, greatest byte first: Google's own example.
pub(super) fn google(receiver: &Receiver, _: &str) -> Visited {
    named(receiver, &proxy().tlv(0xE0, b"\x00\xAF\xC7\xEE\x0A\xC8\x00\x02").build())
}

/// nginx writes version 2 from 1.31.5 on, always with a checksum.
pub(super) fn newer_nginx(receiver: &Receiver, _: &str) -> Visited {
    named(receiver, &proxy().checksum().build())
}
