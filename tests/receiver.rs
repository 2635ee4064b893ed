//! `Receiver` over streams that give what they like: read exactly, read freely,
//! peeked; and one datagram at a time.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use proptest::prelude::*;
use realpeer::Action::{self, Accept, Pass, Refuse};
use realpeer::{
    Decision, Event, NoAddress, Outcome, Outgoing, Policy, Receiver, Settings, Transport, decide,
    decide_datagram,
};
use realpeer_testdata::{Vector, bytes, vectors};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const READS: [Policy; 3] = [Policy::Require, Policy::Optional, Policy::Strip];

fn settings(vector: &Vector) -> Settings {
    Settings { limits: common::limits(vector), ..Settings::default() }
}

/// What a decision says, without what it borrows.
fn words(decision: &Decision<'_>) -> (Action, &'static str, usize, Option<std::net::SocketAddr>) {
    (decision.action, decision.outcome.name(), decision.consumed, decision.client)
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Exactly,
    Freely,
    Peeking,
}

/// Reads `stream` in pieces of at most so many bytes, to a decision; returns what
/// is left for the application.
fn drive(
    receiver: &mut Receiver<'_>,
    stream: &[u8],
    way: Way,
    mut most: impl FnMut() -> usize,
) -> Vec<u8> {
    let mut at = 0;
    // Bytes that a peek has shown.
    let mut shown = 0;
    while receiver.decision().action == Action::More {
        let to = match way {
            Way::Exactly => receiver.missing(),
            Way::Freely | Way::Peeking => receiver.room(),
        };
        assert!(!to.is_empty(), "nowhere to read to");
        // Whoever peeks waits for more than was there.
        let there = match way {
            Way::Peeking => (shown + most()).min(stream.len() - at),
            _ => most().min(stream.len() - at),
        };
        let n = to.len().min(there);
        to[..n].copy_from_slice(&stream[at..at + n]);
        match way {
            Way::Peeking if n == shown && n > 0 => receiver.closed(),
            Way::Peeking => {
                let take = receiver.peeked(n);
                assert!(take <= n);
                at += take;
                shown = n - take;
            }
            _ => {
                receiver.filled(n);
                at += n;
            }
        }
    }
    assert_eq!(receiver.missing(), b"");
    [receiver.rest(), &stream[at..]].concat()
}

fn compare(vector: &Vector, policy: Policy, way: Way, most: impl FnMut() -> usize) {
    let stream = match vector.expect.as_str() {
        "more" => vector.bytes.clone(),
        _ => [&vector.bytes, REQUEST].concat(),
    };
    let settings = settings(vector);
    let wanted = decide(Some(policy), &settings, &stream, Event::Closed);
    let mut buffer = vec![0xaa; stream.len().max(107) + 1];
    // The buffer is a limit, too; here it must not be one.
    buffer.resize(buffer.len().max(settings.limits.max_header as usize), 0xaa);
    let mut receiver = Receiver::new(policy, settings, &mut buffer);
    let left = drive(&mut receiver, &stream, way, most);
    let seen = receiver.decision();
    if wanted.action == Action::Refuse {
        assert_eq!((seen.action, seen.outcome), (Refuse, wanted.outcome), "{}", vector.name);
        return;
    }
    assert_eq!(words(&seen), words(&wanted), "{} {way:?}", vector.name);
    assert_eq!(seen.header, wanted.header);
    assert_eq!(left, stream[wanted.consumed..], "{} {way:?}", vector.name);
    if policy == Policy::Require && !matches!(way, Way::Freely) {
        assert_eq!(receiver.rest(), b"", "{}: a byte of the application was read", vector.name);
    }
}

#[test]
fn every_vector_in_every_way() {
    for vector in vectors() {
        for policy in READS {
            for way in [Way::Exactly, Way::Freely, Way::Peeking] {
                compare(&vector, policy, way, || usize::MAX / 2);
                if vector.bytes.len() < 400 {
                    compare(&vector, policy, way, || 1);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn in_pieces_of_any_length(
        vector in prop::sample::select(vectors()),
        policy in prop::sample::select(READS.to_vec()),
        way in prop::sample::select(vec![Way::Exactly, Way::Freely, Way::Peeking]),
        pieces in prop::collection::vec(1..60_usize, 1..20),
    ) {
        let mut pieces = pieces.iter().cycle();
        compare(&vector, policy, way, || *pieces.next().unwrap());
    }
}

#[test]
fn policies_that_do_not_read() {
    for (policy, wanted) in [
        (Some(Policy::Direct), (Pass, "direct", 0, None)),
        (Some(Policy::Refuse), (Refuse, "untrusted", 0, None)),
        (None, (Refuse, "untrusted", 0, None)),
    ] {
        let mut receiver = Receiver::new(policy, Settings::default(), &mut []);
        assert_eq!(words(&receiver.decision()), wanted);
        assert_eq!((receiver.missing().len(), receiver.rest()), (0, &b""[..]));
    }
}

#[test]
fn a_buffer_that_is_too_small() {
    let v2 = bytes("SIG 21 11 000c c0000201 c6336407 dc04 01bb");
    for stream in [V1, &v2] {
        for size in 0..=stream.len() {
            for way in [Way::Exactly, Way::Freely, Way::Peeking] {
                let mut buffer = vec![0; size];
                let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
                drive(&mut receiver, stream, way, || 1);
                let wanted = if size == stream.len() { "proxy" } else { "too_long" };
                assert_eq!(receiver.decision().outcome.name(), wanted, "{size} bytes");
            }
        }
    }
}

/// A buffer that is full of what may yet be another protocol's: nothing of that is
/// taken off the stream, but more cannot be looked at either.
#[test]
fn a_buffer_full_of_undecided_bytes() {
    for policy in [Policy::Optional, Policy::Strip] {
        for stream in [&b"PROX"[..], b"\r\n\r\n\0\r\nQUIT"] {
            let mut buffer = vec![0; stream.len()];
            let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
            receiver.room().copy_from_slice(stream);
            assert_eq!(receiver.peeked(stream.len()), 0);
            assert_eq!(receiver.decision().outcome.name(), "too_long");
            assert_eq!(receiver.room().len(), stream.len());
        }
    }
}

#[test]
fn the_time_and_the_end() {
    for (policy, stream, closed, timed_out) in [
        (Policy::Require, &b""[..], "silent", "timeout"),
        (Policy::Require, b"PROXY TCP4", "truncated", "timeout"),
        (Policy::Optional, b"PROXY TCP4", "truncated", "timeout"),
        (Policy::Optional, b"PRO", "absent", "absent"),
    ] {
        let mut buffer = [0; 128];
        let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
        receiver.room()[..stream.len()].copy_from_slice(stream);
        if !stream.is_empty() {
            receiver.filled(stream.len());
        }
        assert_eq!(receiver.decision().action, Action::More);
        receiver.timed_out();
        assert_eq!(receiver.decision().outcome.name(), timed_out);
        receiver.filled(0);
        assert_eq!(receiver.decision().outcome.name(), closed);
        assert_eq!(receiver.rest().len(), if closed == "absent" { stream.len() } else { 0 });
    }
}

/// std's sockets, with what they have: `read` and `peek`.
#[test]
fn over_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for peeking in [false, true] {
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        theirs.write_all(&[V1, REQUEST].concat()).unwrap();
        let mut buffer = [0; 4096];
        let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
        while receiver.decision().action == Action::More {
            if peeking {
                let n = ours.peek(receiver.room()).unwrap();
                let take = receiver.peeked(n);
                ours.read_exact(&mut vec![0; take]).unwrap();
            } else {
                let n = ours.read(receiver.missing()).unwrap();
                receiver.filled(n);
            }
        }
        assert_eq!(receiver.decision().client, Some("192.0.2.1:56324".parse().unwrap()));
        let mut request = [0; REQUEST.len()];
        ours.read_exact(&mut request).unwrap();
        assert_eq!(request, REQUEST);
    }
}

// ---- datagrams

/// Rust's answer, having made sure that C gives the same.
fn datagram(policy: Option<Policy>, settings: Settings, bytes: &[u8]) -> Decision<'_> {
    let decision = decide_datagram(policy, &settings, bytes);
    #[cfg(feature = "ffi")]
    {
        use realpeer::ffi::*;
        let c = realpeer_settings {
            max_header: settings.limits.max_header,
            no_address: settings.no_address as u8,
            versions: [realpeer::Version::V1, realpeer::Version::V2]
                .into_iter()
                .filter(|version| settings.limits.versions.contains(*version))
                .map(|version| version as u8)
                .sum(),
            ..Default::default()
        };
        // SAFETY: all zeroes are a valid value; every pointer comes from a
        // reference of the size given with it.
        let (action, out) = unsafe {
            let mut out: realpeer_decision = std::mem::zeroed();
            let action = realpeer_decide_datagram(
                policy.map_or(0, |policy| policy as i32),
                &c,
                size_of_val(&c),
                bytes.as_ptr(),
                bytes.len(),
                &mut out,
                size_of_val(&out),
            );
            (action, out)
        };
        assert_eq!(action, decision.action as i32);
        assert_eq!(out, realpeer_decision::new(decision, policy));
    }
    decision
}

/// A buffer that was another connection's: what it left there decides nothing, not
/// even where the caller counts more bytes than it had place for.
#[test]
fn bytes_of_the_last_connection_decide_nothing() {
    let stale = [V1, REQUEST].concat();
    for policy in READS {
        for stream in [&b"P"[..], b"PROXY TCP4 1", &V1[..44], REQUEST, V1] {
            for way in [Way::Exactly, Way::Freely, Way::Peeking] {
                let (mut used, mut new) = ([0; 200], [0; 200]);
                used[..stale.len()].copy_from_slice(&stale);
                let [mut used, mut new] = [&mut used, &mut new]
                    .map(|buffer| Receiver::new(policy, Settings::default(), buffer));
                let rest = drive(&mut used, stream, way, || 7);
                assert_eq!(rest, drive(&mut new, stream, way, || 7));
                assert_eq!(words(&used.decision()), words(&new.decision()), "{stream:?} {way:?}");
            }
        }
    }
    for peeks in [false, true] {
        let mut buffer = [0; 200];
        buffer[..stale.len()].copy_from_slice(&stale);
        let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
        receiver.missing()[..15].copy_from_slice(&V1[..15]);
        match peeks {
            false => receiver.filled(45),
            true => assert_eq!(receiver.peeked(45), 15),
        }
        assert_eq!(receiver.decision().outcome, Outcome::More);
    }
}

#[test]
fn a_header_and_its_payload() {
    let client = "192.0.2.1:5353".parse().unwrap();
    let mut buffer = [0; 300];
    let len = Outgoing::proxy(client, "198.51.100.7:53".parse().unwrap())
        .transport(Transport::Datagram)
        .checksum(true)
        .write(&mut buffer)
        .unwrap();
    for payload in [0, 5, 200] {
        let bytes = &buffer[..len + payload];
        for (policy, wanted) in [
            (Some(Policy::Require), (Accept, "proxy", len, Some(client))),
            (Some(Policy::Optional), (Accept, "proxy", len, Some(client))),
            (Some(Policy::Strip), (Pass, "stripped", len, None)),
            (Some(Policy::Direct), (Pass, "direct", 0, None)),
            (Some(Policy::Refuse), (Refuse, "untrusted", 0, None)),
            (None, (Refuse, "untrusted", 0, None)),
        ] {
            assert_eq!(words(&datagram(policy, Settings::default(), bytes)), wanted);
        }
    }
}

/// A header that is cut off is refused, wherever: more never comes.
#[test]
fn a_part_of_a_header() {
    let v2 = bytes("SIG 21 12 000c c0000201 c6336407 dc04 01bb");
    for header in [V1, &v2] {
        let signature = if header == V1 { 5 } else { 12 };
        for len in 0..header.len() {
            let seen = |policy| datagram(Some(policy), Settings::default(), &header[..len]);
            let required = seen(Policy::Require);
            let wanted = if len == 0 { Outcome::NoHeader } else { Outcome::Truncated };
            assert_eq!((required.action, required.outcome), (Refuse, wanted), "{len} bytes");
            for policy in [Policy::Optional, Policy::Strip] {
                let wanted = match len < signature {
                    true => (Pass, "absent", 0, None),
                    false => (Refuse, "truncated", 0, None),
                };
                assert_eq!(words(&seen(policy)), wanted, "{len} bytes");
            }
        }
    }
}

#[test]
fn no_header() {
    for payload in [&b"query"[..], b"", b"proxy TCP4 "] {
        let seen = |policy| words(&datagram(Some(policy), Settings::default(), payload));
        assert_eq!(seen(Policy::Require), (Refuse, "no_header", 0, None));
        assert_eq!(seen(Policy::Optional), (Pass, "absent", 0, None));
        assert_eq!(seen(Policy::Strip), (Pass, "absent", 0, None));
    }
}

/// All vectors: only the address of a datagram counts, all else is as in a stream
/// that has ended.
#[test]
fn vectors_as_datagrams() {
    let (mut replaced, mut kept) = (0, 0);
    for vector in vectors() {
        for (policy, no_address) in
            READS.into_iter().flat_map(|p| [(p, NoAddress::Accept), (p, NoAddress::Refuse)])
        {
            let settings = Settings { no_address, ..settings(&vector) };
            let stream = decide(Some(policy), &settings, &vector.bytes, Event::Closed);
            let seen = datagram(Some(policy), settings, &vector.bytes);
            assert_ne!(seen.action, Action::More);
            let Some(header) = seen.header.filter(|_| policy != Policy::Strip) else {
                let wanted = match stream.outcome {
                    Outcome::Silent => Outcome::NoHeader,
                    outcome => outcome,
                };
                assert_eq!((seen.action, seen.outcome), (stream.action, wanted), "{}", vector.name);
                assert_eq!(seen.consumed, stream.consumed);
                continue;
            };
            let is_udp = header.transport() == Transport::Datagram && header.source().is_some();
            replaced += usize::from(is_udp);
            kept += usize::from(seen.outcome == Outcome::NoAddress);
            match header.command() {
                realpeer::Command::Local => assert_eq!(seen.outcome, Outcome::Local),
                _ if is_udp => {
                    assert_eq!((seen.action, seen.outcome), (Accept, Outcome::Proxy));
                    assert_eq!(seen.client, header.source().map(realpeer::canonical));
                    assert_eq!(seen.server, header.destination().map(realpeer::canonical));
                }
                _ => {
                    let refused = no_address == NoAddress::Refuse;
                    let action = if refused { Refuse } else { Accept };
                    assert_eq!((seen.action, seen.outcome), (action, Outcome::NoAddress));
                    assert_eq!(seen.client, None);
                }
            }
            let refused = seen.action == Refuse;
            assert_eq!(seen.consumed, if refused { 0 } else { header.len() }, "{}", vector.name);
        }
    }
    assert!(replaced > 4 && kept > 100, "{replaced} and {kept}");
}
