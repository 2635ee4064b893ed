//! dnsdist in front of a server of DNS.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use super::place::Receiver;
use super::visit::{Visited, ask_and_be_left};
use crate::dnsdist::DnsDist;
use crate::port::Port;

/// Asks for the address of someserver.example. Ten letters' length is a line
/// feed: Apache, which takes this for a request, has its line and answers.
const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x0asomeserver\x07example\0\0\x01\0\x01";

const UP: &str = "getServer(0):setUp()\n";

/// Over TCP. `lines` are of its configuration.
pub(super) fn tcp(receiver: &Receiver, lines: &str) -> Visited {
    let dnsdist =
        DnsDist::configured(receiver.port, ", tcpOnly=true, retries=1", &format!("{UP}{lines}"));
    let visited = ask_over_tcp(dnsdist.port());
    receiver.wait_for(1);
    visited
}

/// None of the servers knows DNS: dnsdist leaves the visitor when it has tried
/// often enough, and connects to nobody any more.
fn ask_over_tcp(port: u16) -> Visited {
    let length = u16::try_from(QUESTION.len()).expect("short").to_be_bytes();
    ask_and_be_left(port, &[&length, QUESTION].concat())
}

/// Over HTTP/2 and TLS, in which this version puts its header.
pub(super) fn https(receiver: &Receiver, _: &str) -> Visited {
    let options = ", retries=1, tls='openssl', subjectName='localhost', validateCertificates=false, \
                   dohPath='/dns-query'";
    let dnsdist = DnsDist::configured(receiver.port, options, UP);
    let visited = ask_over_tcp(dnsdist.port());
    receiver.wait_for_refusal();
    visited
}

/// Over UDP.
pub(super) fn udp(receiver: &Receiver, lines: &str) -> Visited {
    let dnsdist = DnsDist::configured(receiver.port, "", &format!("{UP}{lines}"));
    let listener = SocketAddr::from(([127, 0, 0, 1], dnsdist.port()));
    ask_over_udp(receiver, "127.0.0.9:0", listener)
}

pub(super) fn udp_ipv6(receiver: &Receiver, _: &str) -> Visited {
    let port = Port::claim();
    let listener = SocketAddr::from((Ipv6Addr::LOCALHOST, port.number()));
    let lines = format!("{UP}addLocal('{listener}')");
    let _dnsdist = DnsDist::configured(receiver.port, "", &lines);
    ask_over_udp(receiver, "[::1]:0", listener)
}

fn ask_over_udp(receiver: &Receiver, from: &str, listener: SocketAddr) -> Visited {
    let visitor = UdpSocket::bind(from).expect("a free port");
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
