//! `realpeer send`, to listeners that say what they got.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use common::{answer, call, call_with, command};
use realpeer_testdata::{bytes, encode};

/// Accepts one connection, reads to its end, answers, and gives what it read.
fn server(address: &str) -> (SocketAddr, JoinHandle<(SocketAddr, Vec<u8>)>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        stream.write_all(b"220 hello\r\n").unwrap();
        (peer, got)
    });
    (address, thread)
}

#[test]
fn says_the_connections_own_addresses() {
    for loopback in ["127.0.0.1:0", "[::1]:0"] {
        let (address, server) = server(loopback);
        let to = address.to_string();
        call_with(&["send", "-1", &to], b"EHLO a\r\n").is(0).says("220 hello");
        let (peer, got) = server.join().unwrap();
        assert_eq!(got, [encode::v1(peer, address), b"EHLO a\r\n".to_vec()].concat());
    }
    let (address, server) = server("127.0.0.1:0");
    call_with(&["send", &address.to_string()], b"hi").is(0);
    let (peer, got) = server.join().unwrap();
    let (family, block) = encode::addresses(peer, address, 1);
    assert_eq!(got, [encode::v2(0x21, family, &block), b"hi".to_vec()].concat());
}

#[test]
fn says_what_it_is_told() {
    let (address, server) = server("127.0.0.1:0");
    let args = ["send", "-s", "192.0.2.1:1", "-d", "198.51.100.7:2", "-t", "alpn=h2"];
    call(&[&args[..], &[&address.to_string()]].concat()).is(0);
    let wanted = bytes("SIG 21 11 0011 c0000201 c6336407 0001 0002 010002 'h2'");
    assert_eq!(server.join().unwrap().1, wanted);
}

#[test]
fn over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let to = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        got
    });
    call(&["send", &to]).is(0);
    let got = server.join().unwrap();
    assert_eq!(got[..16], bytes("SIG 21 31 00d8"));
    assert_eq!(got[16..124], [0; 108]);
    assert!(got[124..].starts_with(path.to_str().unwrap().as_bytes()));
}

/// The server speaks first, and closes while our own input stays open.
#[test]
fn ends_when_the_peer_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let child = command(&["send", "-l", &to])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = listener.accept().unwrap().0;
    let mut header = [0; 16];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[..], bytes("SIG 20 00 0000"));
    stream.write_all(b"bye\n").unwrap();
    drop(stream);
    // Our end of its input is in `child`, and open until this returns.
    let mut child = child;
    let stdin = child.stdin.take();
    let ended = answer(child.wait_with_output().unwrap());
    ended.is(0).says("bye");
    drop(stdin);
}

/// The server has said all and goes on listening.
#[test]
fn sends_all_of_its_input_to_a_peer_that_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"hi\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got.len()
    });
    let input = vec![b'x'; 20 << 20];
    common::call_with(&["send", "-l", &to], &input).is(0).says("hi");
    assert_eq!(server.join().unwrap(), 16 + input.len());
}

#[test]
fn says_that_the_peer_did_not_take_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.read_exact(&mut [0; 16]).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    common::call_with(&["send", "-l", &to], &vec![b'x'; 20 << 20]).is(1).complains(&to);
    server.join().unwrap();
}

#[test]
fn says_why_it_could_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    call(&["send", "--timeout", "0.05", &to]).is(1).complains("nothing moved for 0.05 seconds");
    drop(listener);
    call(&["send", &to]).is(1).complains("Connection refused");
    call(&["send", "unix:/nowhere/at/all"]).is(1).complains("No such file");
    call(&["send", "nonsense"]).is(2).complains("is not HOST:PORT");
    call(&["send", "--timeout", "0", &to]).is(2).complains("of more than 0");
}

/// Whoever reads our output may stop reading.
#[test]
fn a_broken_pipe_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let mut child = command(&["send", "-l", &to])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stream = listener.accept().unwrap().0;
    stream.write_all(b"to nobody\n").unwrap();
    let ended = answer(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}
