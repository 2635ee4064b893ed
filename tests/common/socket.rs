//! Both ends of a connection, and a receiver for one of them.
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks, clippy::cast_possible_truncation)]

use std::io::Read;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use libc::{c_int, socklen_t};
use realpeer::Policy;
use realpeer::ffi::*;
use realpeer_testdata::bytes;

use super::c;

pub const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
pub const SOCKET: i32 = Error::Socket as i32;

pub fn v2() -> Vec<u8> {
    bytes("SIG 21 11 000c c0000201 c6336407 dc04 01bb")
}

/// Both ends of a connection; the other end is the load balancer.
#[derive(Debug)]
pub struct Pair {
    pub ours: OwnedFd,
    pub theirs: Option<OwnedFd>,
    pub what: &'static str,
}

impl Pair {
    pub fn tcp() -> Pair {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).expect("a connection");
        let (ours, _) = listener.accept().expect("a connection");
        theirs.set_nodelay(true).unwrap();
        Pair { ours: ours.into(), theirs: Some(theirs.into()), what: "TCP" }
    }

    /// One whose other end has this address, of the loopback.
    pub fn tcp_from(address: &str) -> Pair {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().unwrap().port();
        let name = |ip: Ipv4Addr, port: u16| {
            let mut name: libc::sockaddr_in = unsafe { zeroed() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = port.to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            name
        };
        let size = size_of::<libc::sockaddr_in>() as socklen_t;
        let (from, to) = (name(address.parse().unwrap(), 0), name(Ipv4Addr::LOCALHOST, port));
        let theirs = unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            assert_eq!(libc::bind(fd, (&raw const from).cast(), size), 0);
            assert_eq!(libc::connect(fd, (&raw const to).cast(), size), 0);
            OwnedFd::from_raw_fd(fd)
        };
        let (ours, _) = listener.accept().expect("a connection");
        Pair { ours: ours.into(), theirs: Some(theirs), what: "TCP" }
    }

    /// `None` where the machine has no IPv6.
    pub fn tcp6() -> Option<Pair> {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok()?;
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).expect("a connection");
        let (ours, _) = listener.accept().expect("a connection");
        theirs.set_nodelay(true).unwrap();
        Some(Pair { ours: ours.into(), theirs: Some(theirs.into()), what: "TCP, IPv6" })
    }

    pub fn unix() -> Pair {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        Pair { ours: ours.into(), theirs: Some(theirs.into()), what: "unix" }
    }

    pub fn each() -> [Pair; 4] {
        let mut pairs = [Pair::tcp(), Pair::tcp(), Pair::unix(), Pair::unix()];
        for (at, what) in [(1, "TCP, O_NONBLOCK"), (3, "unix, O_NONBLOCK")] {
            pairs[at].what = what;
            let flags = pairs[at].flags();
            let fd = pairs[at].fd();
            assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }, 0);
        }
        pairs
    }

    pub fn fd(&self) -> c_int {
        self.ours.as_raw_fd()
    }

    pub fn flags(&self) -> c_int {
        unsafe { libc::fcntl(self.fd(), libc::F_GETFL) }
    }

    pub fn is_tcp(&self) -> bool {
        self.what.starts_with("TCP")
    }

    pub fn write(&self, bytes: &[u8]) {
        write_all(self.theirs.as_ref().expect("open").as_raw_fd(), bytes);
    }

    /// Writes, and waits until it is there to be read.
    pub fn send(&self, bytes: &[u8]) {
        let before = self.there();
        self.write(bytes);
        while self.there() < before + bytes.len() {
            thread::yield_now();
        }
    }

    /// Bytes that could be read.
    pub fn there(&self) -> usize {
        let mut n: c_int = 0;
        assert_eq!(unsafe { libc::ioctl(self.fd(), libc::FIONREAD, &mut n) }, 0);
        n as usize
    }

    pub fn close(&mut self) {
        self.theirs = None;
    }

    pub fn reset(&mut self) {
        let theirs = self.theirs.take().expect("open");
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = size_of_val(&linger) as socklen_t;
        let linger = (&raw const linger).cast();
        let fd = theirs.as_raw_fd();
        let result =
            unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, linger, size) };
        assert_eq!(result, 0);
    }

    /// All that is left to be read, up to the end.
    pub fn rest(mut self) -> Vec<u8> {
        self.close();
        let fd = self.fd();
        let flags = self.flags();
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) }, 0);
        let mut stream = unsafe { UnixStream::from_raw_fd(self.ours.into_raw_fd()) };
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("what is left");
        rest
    }

    pub fn low_water(&self) -> c_int {
        let mut bytes: c_int = 0;
        let mut size = size_of_val(&bytes) as socklen_t;
        let to = (&raw mut bytes).cast();
        let option = (libc::SOL_SOCKET, libc::SO_RCVLOWAT);
        let result = unsafe { libc::getsockopt(self.fd(), option.0, option.1, to, &mut size) };
        assert_eq!(result, 0);
        bytes
    }

    pub fn is_readable(&self) -> bool {
        let mut one = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
        unsafe { libc::poll(&mut one, 1, 0) == 1 }
    }
}

pub fn write_all(fd: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        assert!(n > 0, "{}", std::io::Error::last_os_error());
        bytes = &bytes[n as usize..];
    }
}

/// A receiver and what belongs to it.
pub struct Taker {
    pub buffer: Vec<u8>,
    pub receiver: realpeer_receiver,
    pub decision: realpeer_decision,
}

impl Taker {
    pub fn new(fd: c_int, policy: i32) -> Taker {
        Taker::with_buffer(fd, policy, 4096)
    }

    pub fn with_buffer(fd: c_int, policy: i32, size: usize) -> Taker {
        let mut receiver: realpeer_receiver = unsafe { zeroed() };
        receiver.fd = fd;
        receiver.policy = policy;
        // No test waits for it; one that hangs is to be seen.
        receiver.timeout_ms = 60_000;
        Taker { buffer: vec![0xaa; size], receiver, decision: unsafe { zeroed() } }
    }

    pub fn call(
        &mut self,
        f: unsafe extern "C" fn(
            *mut realpeer_receiver,
            usize,
            *mut realpeer_decision,
            usize,
        ) -> i32,
    ) -> i32 {
        self.receiver.buffer = self.buffer.as_mut_ptr();
        self.receiver.buffer_size = self.buffer.len() as u32;
        let sizes = (size_of::<realpeer_receiver>(), size_of::<realpeer_decision>());
        unsafe { f(&mut self.receiver, sizes.0, &mut self.decision, sizes.1) }
    }

    /// The word for what came out.
    pub fn wait(&mut self) -> &'static str {
        let action = self.call(realpeer_receive);
        self.word(action)
    }

    pub fn nowait(&mut self) -> &'static str {
        let action = self.call(realpeer_receive_nowait);
        self.word(action)
    }

    pub fn word(&self, action: i32) -> &'static str {
        if action <= Error::InvalidArgument as i32 {
            return c::name(action);
        }
        assert_eq!(action, self.decision.action);
        c::name(self.decision.result)
    }

    pub fn client(&self) -> Option<SocketAddr> {
        c::address(&self.decision.client)
    }
}

pub const REQUIRE: i32 = Policy::Require as i32;
pub const OPTIONAL: i32 = Policy::Optional as i32;
pub const STRIP: i32 = Policy::Strip as i32;
pub const DIRECT: i32 = Policy::Direct as i32;
pub const REFUSE: i32 = Policy::Refuse as i32;

pub fn client() -> Option<SocketAddr> {
    Some("192.0.2.1:56324".parse().unwrap())
}
