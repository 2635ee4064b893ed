//! Ports of this machine that nobody else in any test run is using.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{TcpListener, UdpSocket};

/// Below Linux's range for outgoing connections (32768 and up), so that no
/// connection of anybody takes the port between the claim and the server.
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// A TCP port that is free and stays ours while this value lives.
///
/// The claim is a bound UDP socket: one process can have it, whatever user it
/// runs as, it goes away with the process, and it does not stand in the way
/// of a TCP server on the same number, which a held TCP socket would.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    pub fn claim() -> Self {
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
        for step in 0..u64::from(COUNT) {
            let offset = (start + step) % u64::from(COUNT);
            let number = FIRST + u16::try_from(offset).expect("less than COUNT");
            let Ok(claim) = UdpSocket::bind(("127.255.255.254", number)) else {
                continue;
            };
            if TcpListener::bind(("0.0.0.0", number)).is_ok() {
                return Self { number, _claim: claim };
            }
        }
        panic!("no free port from {FIRST} on");
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}
