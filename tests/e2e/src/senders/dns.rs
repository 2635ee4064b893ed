//! dnsdist in front of a server of DNS.

use std::net::{SocketAddr, UdpSocket};

use super::place::Receiver;
use super::visit::{Visited, send_only};
use crate::dnsdist::DnsDist;

/// Asks for the address of a.example.
const QUESTION: &[u8] =
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";

const UP: &str = "getServer(0):setUp()\n";

/// Over TCP. `lines` are of its configuration.
pub(super) fn tcp(receiver: &Receiver, lines: &str) -> Visited {
    let dnsdist =
        DnsDist::configured(receiver.port, ", tcpOnly=true", &format!("{UP}{lines}"));
    let length = u16::try_from(QUESTION.len()).expect("short").to_be_bytes();
    let visited = send_only(dnsdist.port(), &[&length, QUESTION].concat());
    receiver.wait_for(1);
    visited
}

/// Over UDP.
pub(super) fn udp(receiver: &Receiver, lines: &str) -> Visited {
    let dnsdist = DnsDist::configured(receiver.port, "", &format!("{UP}{lines}"));
    let listener = SocketAddr::from(([127, 0, 0, 1], dnsdist.port()));
    let visitor = UdpSocket::bind("127.0.0.9:0").expect("a free port");
    visitor.send_to(QUESTION, listener).expect("a datagram");
    let payload = receiver.datagram();
    // The question's number is dnsdist's own.
    assert_eq!(payload[2..], QUESTION[2..]);
    Visited::between(visitor.local_addr().expect("a bound socket"), listener)
}

/// It looks after its server by itself, and asks for an address.
pub(super) fn udp_check(receiver: &Receiver, _: &str) -> Visited {
    let _dnsdist = DnsDist::configured(receiver.port, "", "");
    let payload = receiver.datagram();
    assert!(payload.windows(3).any(|three| three == b"\x01a\x0c"), "{payload:?}");
    Visited::nobody()
}
