//! The header taken off real sockets, TCP on the loopback and Unix ones, blocking
//! and not, in one piece and in many; and what is left for the application.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::call::{INVALID, Room, rule};
use libc::{c_int, sockaddr_in, sockaddr_storage, socklen_t};
use realpeer::ffi::*;
use realpeer::{Event, MAX_HEADER, Outcome, Policy, Rule, Settings, decide};
use realpeer_testdata::{Vector, bytes, vectors};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const SOCKET: i32 = Error::Socket as i32;

fn v2() -> Vec<u8> {
    bytes("SIG 21 11 000c c0000201 c6336407 dc04 01bb")
}

/// Both ends of a connection; the other end is the load balancer.
#[derive(Debug)]
struct Pair {
    ours: OwnedFd,
    theirs: Option<OwnedFd>,
    what: &'static str,
}

impl Pair {
    fn tcp() -> Pair {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).expect("a connection");
        let (ours, _) = listener.accept().expect("a connection");
        theirs.set_nodelay(true).unwrap();
        Pair { ours: ours.into(), theirs: Some(theirs.into()), what: "TCP" }
    }

    fn unix() -> Pair {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        Pair { ours: ours.into(), theirs: Some(theirs.into()), what: "unix" }
    }

    fn each() -> [Pair; 4] {
        let mut pairs = [Pair::tcp(), Pair::tcp(), Pair::unix(), Pair::unix()];
        for (at, what) in [(1, "TCP, O_NONBLOCK"), (3, "unix, O_NONBLOCK")] {
            pairs[at].what = what;
            let flags = pairs[at].flags();
            let fd = pairs[at].fd();
            assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }, 0);
        }
        pairs
    }

    fn fd(&self) -> c_int {
        self.ours.as_raw_fd()
    }

    fn flags(&self) -> c_int {
        unsafe { libc::fcntl(self.fd(), libc::F_GETFL) }
    }

    fn is_tcp(&self) -> bool {
        self.what.starts_with("TCP")
    }

    fn write(&self, bytes: &[u8]) {
        write_all(self.theirs.as_ref().expect("open").as_raw_fd(), bytes);
    }

    /// Writes, and waits until it is there to be read.
    fn send(&self, bytes: &[u8]) {
        let before = self.there();
        self.write(bytes);
        while self.there() < before + bytes.len() {
            thread::yield_now();
        }
    }

    /// Bytes that could be read.
    fn there(&self) -> usize {
        let mut n: c_int = 0;
        assert_eq!(unsafe { libc::ioctl(self.fd(), libc::FIONREAD, &mut n) }, 0);
        n as usize
    }

    fn close(&mut self) {
        self.theirs = None;
    }

    fn reset(&mut self) {
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
    fn rest(mut self) -> Vec<u8> {
        self.close();
        let fd = self.fd();
        let flags = self.flags();
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) }, 0);
        let mut stream = unsafe { UnixStream::from_raw_fd(self.ours.into_raw_fd()) };
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("what is left");
        rest
    }

    fn low_water(&self) -> c_int {
        let mut bytes: c_int = 0;
        let mut size = size_of_val(&bytes) as socklen_t;
        let to = (&raw mut bytes).cast();
        let option = (libc::SOL_SOCKET, libc::SO_RCVLOWAT);
        let result = unsafe { libc::getsockopt(self.fd(), option.0, option.1, to, &mut size) };
        assert_eq!(result, 0);
        bytes
    }

    fn is_readable(&self) -> bool {
        let mut one = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
        unsafe { libc::poll(&mut one, 1, 0) == 1 }
    }
}

fn write_all(fd: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        assert!(n > 0, "{}", std::io::Error::last_os_error());
        bytes = &bytes[n as usize..];
    }
}

/// A receiver and what belongs to it.
struct Taker {
    buffer: Vec<u8>,
    receiver: realpeer_receiver,
    decision: realpeer_decision,
}

impl Taker {
    fn new(fd: c_int, policy: i32) -> Taker {
        Taker::with_buffer(fd, policy, 4096)
    }

    fn with_buffer(fd: c_int, policy: i32, size: usize) -> Taker {
        let mut receiver: realpeer_receiver = unsafe { zeroed() };
        receiver.fd = fd;
        receiver.policy = policy;
        // No test waits for it; one that hangs is to be seen.
        receiver.timeout_ms = 60_000;
        Taker { buffer: vec![0xaa; size], receiver, decision: unsafe { zeroed() } }
    }

    fn call(
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
    fn wait(&mut self) -> &'static str {
        let action = self.call(realpeer_receive);
        self.word(action)
    }

    fn nowait(&mut self) -> &'static str {
        let action = self.call(realpeer_receive_nowait);
        self.word(action)
    }

    fn word(&self, action: i32) -> &'static str {
        if action <= Error::InvalidArgument as i32 {
            return common::c::name(action);
        }
        assert_eq!(action, self.decision.action);
        common::c::name(self.decision.result)
    }

    fn client(&self) -> Option<SocketAddr> {
        common::c::address(&self.decision.client)
    }
}

const REQUIRE: i32 = Policy::Require as i32;
const OPTIONAL: i32 = Policy::Optional as i32;
const STRIP: i32 = Policy::Strip as i32;
const DIRECT: i32 = Policy::Direct as i32;
const REFUSE: i32 = Policy::Refuse as i32;

fn client() -> Option<SocketAddr> {
    Some("192.0.2.1:56324".parse().unwrap())
}

// ---- what is taken, and what is left

#[test]
fn exactly_the_header_is_taken() {
    for header in [V1.to_vec(), v2()] {
        for pair in Pair::each() {
            let flags = pair.flags();
            pair.send(&[&header, REQUEST].concat());
            let mut taker = Taker::new(pair.fd(), REQUIRE);
            assert_eq!(taker.wait(), "proxy", "{}", pair.what);
            assert_eq!(taker.client(), client());
            assert_eq!(taker.decision.consumed as usize, header.len());
            assert_eq!(taker.receiver.have as usize, header.len());
            assert_eq!(taker.buffer[..header.len()], header);
            assert_eq!(pair.flags(), flags);
            // The answer stays what it was.
            assert_eq!(taker.nowait(), "proxy");
            assert_eq!(pair.rest(), REQUEST);
        }
    }
}

/// Every vector with something behind it, under every policy that reads: the
/// answer is that of `decide`, and no byte of the application is lost.
#[test]
fn vectors_over_sockets() {
    let mut accepted = 0;
    for vector in vectors() {
        // A larger one does not fit into a Unix socket at once.
        if vector.bytes.len() > 20_000 {
            continue;
        }
        for (policy, pair) in [
            (Policy::Require, Pair::unix()),
            (Policy::Optional, Pair::unix()),
            (Policy::Strip, Pair::tcp()),
        ] {
            accepted += usize::from(over_a_socket(&vector, policy, pair));
        }
    }
    assert!(accepted > 300, "only {accepted} were accepted");
}

fn over_a_socket(vector: &Vector, policy: Policy, mut pair: Pair) -> bool {
    let stream = match vector.expect.as_str() {
        "more" => vector.bytes.clone(),
        _ => [&vector.bytes, REQUEST].concat(),
    };
    let c = common::c::settings(vector);
    let settings = Settings { limits: common::limits(vector), ..Settings::default() };
    let wanted = decide(Some(policy), &settings, &stream, Event::Closed);
    pair.send(&stream);
    pair.close();
    let mut taker = Taker::with_buffer(pair.fd(), policy as i32, MAX_HEADER as usize);
    taker.receiver.settings = &c;
    taker.receiver.settings_size = size_of_val(&c) as u32;
    let word = taker.wait();
    assert_eq!(word, wanted.outcome.name(), "{} under {}", vector.name, policy.name());
    let accepted = taker.decision.action > 0;
    if accepted {
        assert_eq!(taker.client(), wanted.client, "{}", vector.name);
        assert_eq!(taker.receiver.have as usize, wanted.consumed, "{}", vector.name);
        assert_eq!(pair.rest(), stream[wanted.consumed..], "{}", vector.name);
    }
    accepted
}

/// One byte at a time, asked after each; a wait in between needs nothing of the
/// buffer where nothing was taken.
#[test]
fn one_byte_at_a_time_without_waiting() {
    for policy in [REQUIRE, OPTIONAL, STRIP] {
        for header in [V1.to_vec(), v2()] {
            for pair in Pair::each() {
                let mut taker = Taker::new(pair.fd(), policy);
                assert_eq!(taker.nowait(), "more");
                for byte in &header[..header.len() - 1] {
                    pair.send(&[*byte]);
                    assert_eq!(taker.nowait(), "more");
                    let have = taker.receiver.have as usize;
                    assert!(taker.decision.need as usize > have);
                    // Or the next byte would wake nobody.
                    assert!(pair.low_water() as usize == pair.there() + 1 || !pair.is_tcp());
                    taker.buffer[have..].fill(0x55);
                }
                pair.send(&[&header[header.len() - 1..], REQUEST].concat());
                let wanted = if policy == STRIP { "stripped" } else { "proxy" };
                assert_eq!(taker.nowait(), wanted, "{}", pair.what);
                assert_eq!(taker.buffer[..header.len()], header);
                assert_eq!(pair.low_water(), 1);
                assert_eq!(pair.rest(), REQUEST);
            }
        }
    }
}

#[test]
fn waiting_for_pieces() {
    for policy in [REQUIRE, OPTIONAL] {
        for header in [V1.to_vec(), v2()] {
            for pair in Pair::each() {
                let stream = [&header, REQUEST].concat();
                let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
                let mut taker = Taker::new(pair.fd(), policy);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        for byte in &stream {
                            write_all(theirs, &[*byte]);
                            thread::yield_now();
                        }
                    });
                    assert_eq!(taker.wait(), "proxy", "{}", pair.what);
                });
                assert_eq!(taker.client(), client());
                assert_eq!(pair.rest(), REQUEST);
            }
        }
    }
}

#[test]
fn the_longest_header_there_is() {
    let mut header = bytes("SIG 21 11 ffff c0000201 c6336407 dc04 01bb 04 fff0");
    header.resize(MAX_HEADER as usize, 0);
    for pair in Pair::each() {
        let settings = realpeer_settings { max_header: MAX_HEADER, ..Default::default() };
        let stream = [&header, REQUEST].concat();
        let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
        let mut taker = Taker::with_buffer(pair.fd(), REQUIRE, MAX_HEADER as usize);
        taker.receiver.settings = &settings;
        taker.receiver.settings_size = size_of_val(&settings) as u32;
        thread::scope(|scope| {
            scope.spawn(|| write_all(theirs, &stream));
            assert_eq!(taker.wait(), "proxy", "{}", pair.what);
        });
        assert_eq!(taker.buffer, header);
        assert_eq!(pair.rest(), REQUEST);
    }
}

#[test]
fn a_header_that_does_not_fit_the_buffer() {
    let header = bytes("SIG 21 11 0060 c0000201 c6336407 dc04 01bb 04 0051");
    for (size, wanted) in [(112, "proxy"), (111, "too_long"), (107, "too_long")] {
        let pair = Pair::tcp();
        let mut whole = header.clone();
        whole.resize(112, 0);
        pair.send(&whole);
        assert_eq!(Taker::with_buffer(pair.fd(), REQUIRE, size).wait(), wanted);
        // Nobody waits for what there is no room for.
        let pair = Pair::tcp();
        pair.send(&whole[..16]);
        let wanted = if wanted == "proxy" { "more" } else { wanted };
        assert_eq!(Taker::with_buffer(pair.fd(), REQUIRE, size).nowait(), wanted);
    }
}

#[test]
fn what_is_no_header_stays() {
    for policy in [OPTIONAL, STRIP] {
        for stream in [REQUEST, b"P", b"PROXI TCP4", b"\r\n\r\n\0\r\nQUITX", b"\r\n\r\n\0\r\nQUIT"]
        {
            for mut pair in Pair::each() {
                pair.send(stream);
                pair.close();
                let mut taker = Taker::new(pair.fd(), policy);
                assert_eq!(taker.wait(), "absent", "{}", pair.what);
                assert_eq!(taker.receiver.have, 0);
                assert_eq!(taker.decision.consumed, 0);
                assert_eq!(pair.rest(), stream);
            }
        }
    }
}

/// Bytes that may be the beginning of a header or not stay on the socket; the one
/// that decides is waited for.
#[test]
fn undecided_bytes() {
    for (begin, end, wanted) in [
        (&b"PRO"[..], &b"GRAM"[..], "absent"),
        (b"\r\n\r\n", b"\r\n", "absent"),
        (b"PROX", &V1[4..], "proxy"),
    ] {
        for mut pair in Pair::each() {
            pair.send(begin);
            let mut taker = Taker::new(pair.fd(), OPTIONAL);
            assert_eq!(taker.nowait(), "more");
            assert_eq!((taker.receiver.have, pair.there()), (0, begin.len()));
            if pair.is_tcp() {
                // Or an event loop would be told of the same bytes for ever.
                assert!(!pair.is_readable());
                assert_eq!(pair.low_water(), begin.len() as c_int + 1);
            }
            let mut waiting = Taker::new(pair.fd(), OPTIONAL);
            let theirs = pair.theirs.take().expect("open");
            thread::scope(|scope| {
                scope.spawn(|| write_all(theirs.as_raw_fd(), end));
                assert_eq!(waiting.wait(), wanted, "{}", pair.what);
            });
            drop(theirs);
            assert_eq!(taker.nowait(), if wanted == "proxy" { "absent" } else { wanted });
            assert_eq!(pair.low_water(), 1);
            let left = if wanted == "proxy" { Vec::new() } else { [begin, end].concat() };
            assert_eq!(pair.rest(), left);
        }
    }
}

#[test]
fn undecided_bytes_and_the_end() {
    for stream in [&b"PROX"[..], b"\r\n\r\n\0\r\n"] {
        for mut pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), STRIP);
            assert_eq!(taker.nowait(), "more");
            pair.close();
            // The FIN may be on its way yet.
            while !pair.is_readable() {
                thread::yield_now();
            }
            assert_eq!(taker.nowait(), "absent", "{}", pair.what);
            assert_eq!(pair.low_water(), 1);
            assert_eq!(pair.rest(), stream);
        }
    }
}

/// What an event loop sees that asks for edges: every byte is one.
#[test]
fn each_byte_is_an_edge() {
    for pair in Pair::each() {
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0);
        let events = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: 0 };
        let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, pair.fd(), &mut event) };
        assert_eq!(added, 0);
        let mut taker = Taker::new(pair.fd(), OPTIONAL);
        for (byte, at) in V1.iter().zip(1..) {
            pair.write(&[*byte]);
            let n = unsafe { libc::epoll_wait(epoll, &mut event, 1, 60_000) };
            assert_eq!(n, 1, "{}", pair.what);
            let wanted = if at == V1.len() { "proxy" } else { "more" };
            assert_eq!(taker.nowait(), wanted, "byte {at}, {}", pair.what);
        }
        unsafe { libc::close(epoll) };
    }
}

// ---- the end, and errors

#[test]
fn the_peer_closes() {
    for (stream, wanted) in [
        (&b""[..], "silent"),
        (b"P", "truncated"),
        (&V1[..44], "truncated"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0", "truncated"),
        (REQUEST, "no_header"),
    ] {
        for mut pair in Pair::each() {
            pair.send(stream);
            pair.close();
            assert_eq!(Taker::new(pair.fd(), REQUIRE).wait(), wanted, "{}", pair.what);
        }
        // Half closed is no more to come, either.
        for pair in Pair::each() {
            pair.send(stream);
            let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
            assert_eq!(unsafe { libc::shutdown(theirs, libc::SHUT_WR) }, 0);
            while !pair.is_readable() {
                thread::yield_now();
            }
            let mut taker = Taker::new(pair.fd(), REQUIRE);
            assert_eq!(taker.nowait(), wanted, "{}", pair.what);
        }
    }
}

#[test]
fn the_peer_resets() {
    for (stream, wanted) in [(&b""[..], "silent"), (&V1[..20], "truncated")] {
        let mut pair = Pair::tcp();
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        pair.send(stream);
        if !stream.is_empty() {
            assert_eq!(taker.nowait(), "more");
            assert_eq!(taker.receiver.have as usize, stream.len());
        }
        pair.reset();
        assert_eq!(taker.wait(), wanted);
    }
    // With rules the address is asked for, which a connection that is reset has
    // no more.
    let mut pair = Pair::tcp();
    pair.reset();
    while !pair.is_readable() {
        thread::yield_now();
    }
    let rules = [rule("all", Policy::Direct)];
    let mut taker = Taker::new(pair.fd(), 0);
    taker.receiver.rules = rules.as_ptr();
    taker.receiver.rule_count = 1;
    assert_eq!(taker.wait(), "silent");
}

#[test]
fn the_time_is_over() {
    for (stream, policy, wanted) in [
        (&b""[..], REQUIRE, "timeout"),
        (b"PROXY", REQUIRE, "timeout"),
        (b"PROXY TCP4 ", OPTIONAL, "timeout"),
        (b"", OPTIONAL, "absent"),
        (b"PRO", OPTIONAL, "absent"),
        (b"\r\n\r\n", STRIP, "absent"),
    ] {
        for pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), policy);
            taker.receiver.timeout_ms = 20;
            assert_eq!(taker.wait(), wanted, "{}", pair.what);
            assert_eq!(pair.low_water(), 1);
            if wanted == "absent" {
                assert_eq!(pair.rest(), stream);
            }
        }
        for pair in Pair::each() {
            pair.send(stream);
            let mut taker = Taker::new(pair.fd(), policy);
            taker.receiver.timeout_ms = 20;
            let mut asked = 0;
            while taker.nowait() == "more" {
                asked += 1;
                thread::yield_now();
            }
            assert!(asked > 0);
            assert_eq!(common::c::name(taker.decision.result), wanted, "{}", pair.what);
        }
    }
}

/// What is there when the time is over counts.
#[test]
fn a_header_at_the_last_moment() {
    for pair in Pair::each() {
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        assert_eq!(taker.nowait(), "more");
        let mut now: libc::timespec = unsafe { zeroed() };
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) }, 0);
        let now = now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000;
        assert!((1..=now + 60_000).contains(&taker.receiver.deadline));
        taker.receiver.deadline = 1;
        pair.send(V1);
        assert_eq!(taker.nowait(), "proxy");
        let other = Pair::tcp();
        taker = Taker::new(other.fd(), REQUIRE);
        taker.receiver.deadline = 1;
        assert_eq!(taker.nowait(), "timeout");
    }
}

#[test]
fn without_an_end_and_by_default() {
    for timeout in [0, -1, i32::MAX, i32::MIN] {
        let pair = Pair::tcp();
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.timeout_ms = timeout;
        assert_eq!(taker.nowait(), "more");
        assert_eq!(taker.receiver.deadline != 0, timeout >= 0);
        let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
        thread::scope(|scope| {
            scope.spawn(|| write_all(theirs, V1));
            assert_eq!(taker.wait(), "proxy");
        });
    }
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Signals whose handler does not restart system calls.
#[test]
fn signals_do_not_end_the_wait() {
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = count as *const () as usize;
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, null_mut()) }, 0);
    for begin in [&b""[..], b"PRO", b"PROXY TCP4"] {
        for pair in Pair::each() {
            let theirs = pair.theirs.as_ref().expect("open").as_raw_fd();
            pair.send(begin);
            let mut taker = Taker::new(pair.fd(), OPTIONAL);
            let waiting = unsafe { libc::pthread_self() };
            let (before, done) = (SIGNALS.load(Ordering::SeqCst), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while SIGNALS.load(Ordering::SeqCst) < before + 50 {
                        assert_eq!(unsafe { libc::pthread_kill(waiting, libc::SIGUSR1) }, 0);
                        thread::yield_now();
                    }
                    assert!(!done.load(Ordering::SeqCst), "a signal ended the wait");
                    write_all(theirs, &[&V1[begin.len()..], REQUEST].concat());
                });
                assert_eq!(taker.wait(), "proxy", "{}", pair.what);
                done.store(true, Ordering::SeqCst);
            });
            assert_eq!(pair.rest(), REQUEST);
        }
    }
}

#[test]
fn no_socket() {
    let errno = || std::io::Error::last_os_error().raw_os_error();
    let mut taker = Taker::new(-1, REQUIRE);
    assert_eq!(taker.call(realpeer_receive), SOCKET);
    assert_eq!(errno(), Some(libc::EBADF));
    assert_eq!(taker.decision.result, 0, "written without success");

    let (pipe, _end) = std::io::pipe().expect("a pipe");
    let mut taker = Taker::new(pipe.as_raw_fd(), REQUIRE);
    assert_eq!(taker.call(realpeer_receive_nowait), SOCKET);
    assert_eq!(errno(), Some(libc::ENOTSOCK));

    let rules = [rule("all", Policy::Require)];
    let mut taker = Taker::new(-1, 0);
    taker.receiver.rules = rules.as_ptr();
    taker.receiver.rule_count = 1;
    assert_eq!(taker.call(realpeer_receive), SOCKET);
    assert_eq!(errno(), Some(libc::EBADF));
}

// ---- policies

/// Where no byte has to be read the socket is not touched: there need not be one.
#[test]
fn policies_that_do_not_read() {
    for (policy, wanted) in [(DIRECT, "direct"), (REFUSE, "untrusted"), (0, "untrusted")] {
        assert_eq!(Taker::new(-1, policy).wait(), wanted);
        assert_eq!(Taker::new(-1, policy).nowait(), wanted);
    }
}

#[test]
fn the_policy_by_rules() {
    let mut rules = [
        rule("127.0.0.0/8", Policy::Require),
        rule("unix:", Policy::Strip),
        rule("::1", Policy::Optional),
        rule("192.0.2.0/24", Policy::Direct),
    ];
    realpeer::Rules::prepare(&mut rules).expect("no source twice");
    let take = |fd: c_int, rules: &[Rule]| {
        let mut taker = Taker::new(fd, 0);
        taker.receiver.rules = rules.as_ptr();
        taker.receiver.rule_count = rules.len() as u32;
        (taker.wait(), taker.receiver.policy)
    };
    for pair in Pair::each() {
        pair.send(V1);
        let wanted = if pair.is_tcp() { ("proxy", REQUIRE) } else { ("stripped", STRIP) };
        assert_eq!(take(pair.fd(), &rules), wanted, "{}", pair.what);
    }
    for pair in Pair::each() {
        pair.send(V1);
        let mut others = [rule("192.0.2.0/24", Policy::Direct), rule("::/0", Policy::Direct)];
        realpeer::Rules::prepare(&mut others).expect("no source twice");
        assert_eq!(take(pair.fd(), &others), ("untrusted", 0), "{}", pair.what);
        assert_eq!(pair.rest(), V1);
    }
    // A machine need not have IPv6.
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.write_all(V1).unwrap();
    let (ours, _) = listener.accept().unwrap();
    assert_eq!(take(ours.as_raw_fd(), &rules), ("proxy", OPTIONAL));
}

#[test]
fn a_header_without_an_address() {
    for (no_address, wanted) in [(0, 2), (1, -1)] {
        let pair = Pair::unix();
        pair.send(b"PROXY UNKNOWN\r\n");
        let settings = realpeer_settings { no_address, ..Default::default() };
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.settings = &settings;
        taker.receiver.settings_size = size_of_val(&settings) as u32;
        assert_eq!(taker.wait(), "no_address");
        assert_eq!(taker.decision.action, wanted);
    }
}

// ---- who is there

fn name(fd: c_int, decision: *const realpeer_decision, ours: bool) -> Result<SocketAddr, i32> {
    let mut out: sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of_val(&out) as socklen_t;
    let to = (&raw mut out).cast();
    let size = size_of::<realpeer_decision>();
    let f = if ours { realpeer_getsockname } else { realpeer_getpeername };
    let result = unsafe { f(fd, decision, size, to, &mut len) };
    if result != 0 {
        return Err(result);
    }
    let mut address = realpeer_address::default();
    let size = size_of_val(&address);
    let from = (&raw const out).cast();
    let result = unsafe { realpeer_address_from_sockaddr(from, len, &mut address, size) };
    assert_eq!(result, 0);
    common::c::address(&address).ok_or(0)
}

#[test]
fn names_as_the_decision_has_them() {
    let pair = Pair::tcp();
    let theirs =
        unsafe { TcpStream::from_raw_fd(libc::dup(pair.theirs.as_ref().unwrap().as_raw_fd())) };
    let own = (theirs.local_addr().unwrap(), theirs.peer_addr().unwrap());
    assert_eq!(name(pair.fd(), null(), false), Ok(own.0));
    assert_eq!(name(pair.fd(), null(), true), Ok(own.1));

    pair.send(V1);
    let mut taker = Taker::new(pair.fd(), REQUIRE);
    assert_eq!(taker.wait(), "proxy");
    assert_eq!(name(pair.fd(), &taker.decision, false).ok(), client());
    let server = "198.51.100.7:443".parse().unwrap();
    assert_eq!(name(pair.fd(), &taker.decision, true), Ok(server));

    pair.send(b"PROXY UNKNOWN\r\n");
    let mut taker = Taker::new(pair.fd(), REQUIRE);
    assert_eq!(taker.wait(), "no_address");
    assert_eq!(name(pair.fd(), &taker.decision, false), Ok(own.0));
    assert_eq!(name(pair.fd(), &taker.decision, true), Ok(own.1));
    assert_eq!(name(-1, &taker.decision, true), Err(SOCKET));
    theirs.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn names_with_wrong_arguments() {
    let mut decision: realpeer_decision = unsafe { zeroed() };
    decision.client.family = 1;
    let mut out: sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of_val(&out) as socklen_t;
    let n = size_of_val(&decision);
    let to = (&raw mut out).cast();
    unsafe {
        assert_eq!(realpeer_getpeername(0, &decision, n - 1, to, &mut len), INVALID);
        assert_eq!(realpeer_getpeername(0, &decision, n, null_mut(), &mut len), INVALID);
        assert_eq!(realpeer_getpeername(0, &decision, n, to, null_mut()), INVALID);
        len = 15;
        assert_eq!(realpeer_getpeername(0, &decision, n, to, &mut len), INVALID);
        len = 16;
        assert_eq!(realpeer_getpeername(0, &decision, n, to, &mut len), 0);
        assert_eq!(len as usize, size_of::<sockaddr_in>());
    }
}

// ---- arguments

#[test]
fn wrong_arguments() {
    let pair = Pair::unix();
    pair.send(V1);
    let fresh = || Taker::new(pair.fd(), REQUIRE);
    let mut taker = fresh();
    let n = size_of::<realpeer_decision>();
    taker.receiver.buffer = taker.buffer.as_mut_ptr();
    taker.receiver.buffer_size = taker.buffer.len() as u32;
    unsafe {
        let size = size_of::<realpeer_receiver>();
        let (receiver, decision) = (&raw mut taker.receiver, &raw mut taker.decision);
        assert_eq!(realpeer_receive(null_mut(), size, decision, n), INVALID);
        assert_eq!(realpeer_receive(null_mut(), 0, decision, n), INVALID);
        assert_eq!(realpeer_receive(receiver, size - 1, decision, n), INVALID);
        assert_eq!(realpeer_receive(receiver, size, null_mut(), n), INVALID);
        assert_eq!(realpeer_receive(receiver, size, decision, n - 1), INVALID);
    }
    let change = |change: fn(&mut realpeer_receiver)| {
        let mut taker = fresh();
        taker.receiver.buffer = taker.buffer.as_mut_ptr();
        taker.receiver.buffer_size = taker.buffer.len() as u32;
        change(&mut taker.receiver);
        let sizes = (size_of::<realpeer_receiver>(), n);
        unsafe { realpeer_receive(&mut taker.receiver, sizes.0, &mut taker.decision, sizes.1) }
    };
    assert_eq!(change(|receiver| receiver.buffer = null_mut()), INVALID);
    assert_eq!(change(|receiver| receiver.buffer_size = 106), INVALID);
    assert_eq!(change(|receiver| receiver.have = 4097), INVALID);
    assert_eq!(change(|receiver| receiver.policy = 6), INVALID);
    assert_eq!(change(|receiver| receiver.policy = -1), INVALID);
    assert_eq!(change(|receiver| receiver.rule_count = 1), INVALID);
    assert_eq!(
        change(|receiver| {
            static SETTINGS: realpeer_settings =
                realpeer_settings { max_header: 15, versions: 0, no_address: 0, reserved: [0; 2] };
            receiver.settings = &raw const SETTINGS;
            receiver.settings_size = 8;
        }),
        INVALID
    );
    assert_eq!(change(|_| {}), 2);
}

/// A newer program's receiver: what this library does not know has to be zero.
#[test]
fn a_longer_receiver() {
    let size = size_of::<realpeer_receiver>();
    for (beyond, wanted) in [(0, Outcome::Proxy as i32), (1, INVALID)] {
        let pair = Pair::unix();
        pair.send(V1);
        let mut taker = Taker::new(pair.fd(), REQUIRE);
        taker.receiver.buffer = taker.buffer.as_mut_ptr();
        taker.receiver.buffer_size = taker.buffer.len() as u32;
        let mut room = Room::new();
        room.0[size..size + 8].fill(0);
        room.0[size + 7] = beyond;
        let receiver = room.of::<realpeer_receiver>();
        unsafe {
            *receiver = taker.receiver;
            let n = size_of::<realpeer_decision>();
            let result = realpeer_receive(receiver, size + 8, &mut taker.decision, n);
            assert_eq!(result.min(1), wanted);
        }
        assert!(room.is_untouched_from(size + 8));
    }
}

/// The other end sees nothing of all this.
#[test]
fn nothing_is_sent() {
    let pair = Pair::tcp();
    pair.send(&[V1, REQUEST].concat());
    assert_eq!(Taker::new(pair.fd(), REQUIRE).wait(), "proxy");
    let theirs = pair.theirs.as_ref().unwrap().as_raw_fd();
    let mut theirs = unsafe { TcpStream::from_raw_fd(libc::dup(theirs)) };
    theirs.set_nonblocking(true).unwrap();
    let kind = theirs.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::WouldBlock));
}
