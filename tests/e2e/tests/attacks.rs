//! What broke other receivers, before every kind of listener: nginx's http,
//! https, stream and mail, of both versions, and Apache's http and https on all
//! its MPMs. The rows are those of tests/checklist/attacks.toml; what is a
//! matter of a few bytes alone is a vector, which `conform` sends.
//!
//! `REALPEER_E2E_ASAN=1` takes servers built with sanitizers instead.

use std::io::Write;
use std::sync::mpsc;

use realpeer_e2e::{
    Answer, HeaderLimits, PATIENCE, Place, Receivers, Site, Upstream, V2, Vars, Wanted,
    on_each_nginx, ssl_value, usual_limits, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
/// Who connects.
const PEER: &str = "127.0.0.5";

fn visitor() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

/// All headers that there can be.
fn longest() -> HeaderLimits {
    (65_551, vec![1, 2])
}

/// The longest headers allowed, and these TLVs on the pages.
fn receivers(tlvs: &[&str]) -> Receivers {
    let tlvs = tlvs.iter().map(|name| (*name).to_owned()).collect();
    Receivers::start(&Wanted::all(vec![usual_limits(), longest()], tlvs))
}

fn for_each_place(receivers: &Receivers, mut test: impl FnMut(Place)) {
    for place in receivers.places() {
        test(place);
        // Whatever came before, this one is served.
        served(receivers, place, &visitor().build(), "192.0.2.7");
    }
    assert_eq!(receivers.complaints(), Vec::<String>::new());
}

/// What a page says.
struct Seen(Place, Option<Vars>);

impl Seen {
    /// Nothing from mail, which has no variables.
    fn var(&self, name: &str) -> String {
        self.1.as_ref().map(|vars| vars.var(&self.0.variable(name))).unwrap_or_default()
    }
}

/// Sends a header and what this server answers to in one segment; it must be
/// served as `client`.
#[track_caller]
fn served(receivers: &Receivers, place: Place, header: &[u8], client: &str) -> Seen {
    let limits = if header.len() > 4096 { longest() } else { usual_limits() };
    let answer = receivers.connect(place, &limits, PEER).ask(header);
    let Answer::Served { client: seen, vars } = answer else { panic!("{place:?}: {answer:?}") };
    assert_eq!(seen, client, "{place:?}");
    Seen(place, vars)
}

/// Sends it, which must be refused for this reason and without a byte.
#[track_caller]
fn refused(receivers: &Receivers, place: Place, limits: &HeaderLimits, bytes: &[u8], result: &str) {
    let mut visit = receivers.connect(place, limits, PEER);
    visit.send(bytes);
    let ends = visit.ends();
    assert_eq!(visit.hear(), Answer::Closed, "{place:?}, {result}");
    assert_eq!(logged(receivers, ends), result, "{place:?}");
}

/// What the log says of a refused connection.
#[track_caller]
fn logged(receivers: &Receivers, ends: (std::net::SocketAddr, u16)) -> String {
    wait_until("a line in the log", || receivers.refusals().remove(&ends)).result
}

#[test]
fn attack_01_a_line_without_end() {
    let receivers = Receivers::usual();
    for_each_place(&receivers, |place| {
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(50_000));
        refused(&receivers, place, &usual_limits(), endless.as_bytes(), "bad_v1");
        // Byte by byte: the last that could be is the CR, the 106th.
        let mut visit = receivers.connect(place, &usual_limits(), PEER);
        let mut sent = 0;
        for byte in endless.bytes().take(106) {
            visit.client().send_pieces([&[byte][..]]);
            sent += 1;
            if sent < 106 {
                assert!(!visit.has_ended(), "{place:?}: ended after {sent} bytes");
            }
        }
        assert_eq!(visit.hear(), Answer::Closed, "{place:?}");
    });
}

#[test]
fn attack_02_silence() {
    let receivers = Receivers::usual();
    let header = visitor().build();
    for_each_place(&receivers, |place| {
        let waiting: Vec<_> = (0..24)
            .map(|number| {
                let mut visit = receivers.connect(place, &usual_limits(), PEER);
                visit.send(&header[..number]);
                visit
            })
            .collect();
        served(&receivers, place, &header, "192.0.2.7");
        for (number, visit) in waiting.into_iter().enumerate() {
            assert!(!visit.has_ended(), "{place:?}: ended after {number} bytes");
            let ends = visit.ends();
            assert_eq!(visit.finish(), Answer::Closed, "{place:?}");
            let wanted = if number == 0 { "silent" } else { "truncated" };
            assert_eq!(logged(&receivers, ends), wanted, "{place:?}");
        }
    });
}

#[test]
fn attack_04_long_blocks_without_an_address() {
    let receivers = receivers(&[]);
    for_each_place(&receivers, |place| {
        for length in [217, 1000, 65_535_usize] {
            // 0 as a TLV of type 0 with no bytes; three of them have nine.
            let block = |used: usize| vec![0; used + (length - used) / 3 * 3];
            for header in [
                V2::raw(0x20, 0x00, &vec![0; length]),
                V2::raw(0x20, 0x11, &vec![0; length]),
                V2::raw(0x20, 0xFF, &vec![0; length]),
                V2::raw(0x21, 0x00, &block(0)),
                V2::raw(0x21, 0x12, &block(12)),
                V2::raw(0x21, 0x31, &block(216)),
                V2::raw(0x21, 0x32, &block(216)),
            ] {
                served(&receivers, place, &header.build(), PEER);
            }
            for family in [0x33, 0x41, 0xF1] {
                let header = V2::raw(0x21, family, &vec![0; length]).build();
                refused(&receivers, place, &longest(), &header, "bad_family");
            }
        }
    });
}

/// Rows 5 and 6: neither an address nor a TLV of those who came before.
#[test]
fn attack_05_nothing_is_left_of_another_connection() {
    let receivers = receivers(&["authority"]);
    let full = visitor().tlv(2, b"before.example").build();
    for_each_place(&receivers, |place| {
        for _ in 0..3 {
            served(&receivers, place, &full, "192.0.2.7");
            for (family, length) in [(0x11, 0), (0x11, 11), (0x12, 11), (0x21, 12), (0x21, 35)] {
                let mut bytes = V2::raw(0x21, family, &vec![0; length]).build();
                bytes.extend(place.words().as_bytes());
                refused(&receivers, place, &usual_limits(), &bytes, "short_address");
            }
            for header in [V2::local().build(), b"PROXY UNKNOWN\r\n".to_vec()] {
                let seen = served(&receivers, place, &header, PEER);
                assert_eq!(seen.var("realpeer_addr"), "", "{place:?}");
                assert_eq!(seen.var("realpeer_tlv_authority"), "", "{place:?}");
            }
        }
    });
}

#[test]
fn attack_07_tlvs_that_reach_into_the_request() {
    let receivers = Receivers::usual();
    for_each_place(&receivers, |place| {
        // Their value would be the request.
        for tlv in [&[0xEA, 0, 8][..], &[0xEA, 0, 1], &[0xEA, 0, 255, b'x'], &[4, 0], &[4]] {
            let bytes = [visitor().bytes(tlv).build(), place.words().into()].concat();
            refused(&receivers, place, &usual_limits(), &bytes, "bad_tlv");
        }
        // A whole TLV of which the length knows half.
        let bytes = [visitor().bytes(&[4, 0, 5]).length(15).build(), b"admin".to_vec()].concat();
        refused(&receivers, place, &usual_limits(), &bytes, "bad_tlv");
    });
}

#[test]
fn attack_08_ipv6_on_a_socket_of_ipv4() {
    let receivers = Receivers::usual();
    for_each_place(&receivers, |place| {
        let (client, server) = ("[2001:db8::7]:4321", "[2001:db8::1]:443");
        for header in [v1(client, server), V2::proxy(client, server).build()] {
            let seen = served(&receivers, place, &header, "2001:db8::7");
            if place.has_variables() {
                assert_eq!(seen.var("realpeer_server_addr"), "2001:db8::1");
            }
        }
    });
}

#[test]
fn attack_09_local_and_all_that_asks_for_an_address() {
    let receivers = receivers(&["authority", "ssl_verified", "ssl_cn"]);
    // As AWS writes it: addresses, a checksum, padding.
    let aws = visitor().command(0x20).checksum().padded_to(100).build();
    let headers = [V2::local().build(), aws, b"PROXY UNKNOWN\r\n".to_vec()];
    for_each_place(&receivers, |place| {
        for header in &headers {
            let seen = served(&receivers, place, header, PEER);
            for name in ["addr", "port", "server_addr", "server_port", "tlv_ssl_cn"] {
                assert_eq!(seen.var(&format!("realpeer_{name}")), "", "{place:?}, {name}");
            }
            if place.has_variables() {
                assert_eq!(seen.var("realpeer_proxy_addr"), PEER);
            }
        }
    });
}

on_each_nginx! {
    /// nginx makes a header of its own from what LOCAL has left: the peer.
    fn attack_09_local_sent_on(which) {
        let (said, was_said) = mpsc::channel();
        let upstream = Upstream::start(move |mut stream| {
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\n") && std::io::Read::read(&mut stream, &mut byte).is_ok_and(|n| n == 1) {
                line.push(byte[0]);
            }
            let _ = stream.write_all(b"done");
            said.send(String::from_utf8_lossy(&line).into_owned()).expect("a test that listens");
        });
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; proxy_protocol on;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let _nginx = site.start();
        for header in [V2::local().build(), V2::raw(0x20, 0x11, &[9; 12]).build(), b"PROXY UNKNOWN\r\n".to_vec()] {
            let mut client = realpeer_e2e::Client::from(PEER, port);
            let local = client.local().port();
            client.send(&header);
            let line = was_said.recv_timeout(PATIENCE).expect("a line");
            assert_eq!(line, format!("PROXY TCP4 {PEER} 127.0.0.1 {local} {port}\r\n"));
        }
    }
}

#[test]
fn attack_13_ssl_within_ssl() {
    let receivers = receivers(&["ssl_verified", "ssl_cn"]);
    let mut nested = ssl_value(1, 0, &[(0x22, b"admin")]);
    while nested.len() + 8 + 12 <= 65_535 {
        nested = ssl_value(7, 0, &[(0x20, &nested)]);
    }
    let header = visitor().tlv(0x20, nested).build();
    for_each_place(&receivers, |place| {
        let seen = served(&receivers, place, &header, "192.0.2.7");
        if place.has_variables() {
            assert_eq!(
                (seen.var("realpeer_tlv_ssl_verified"), seen.var("realpeer_tlv_ssl_cn")),
                ("1".into(), String::new())
            );
        }
    });
}

#[test]
fn attack_14_odd_tlvs() {
    let names = ["alpn", "authority", "unique_id", "netns", "ssl_version", "ssl_cn", "aws_vpce_id"];
    let receivers = receivers(&names);
    let mut empty = visitor();
    for kind in [1, 2, 5, 0x30, 0xEA, 0xEE, 0xE0, 0x04] {
        empty = empty.tlv(kind, []);
    }
    let empty = empty.tlv(0x20, ssl_value(7, 0, &[(0x21, b""), (0x22, b"")])).build();
    let long = "a".repeat(60_000);
    let long = visitor().tlv(2, &long).tlv(0x20, ssl_value(7, 0, &[(0x22, &[b'b'; 5000])])).build();
    for_each_place(&receivers, |place| {
        let seen = served(&receivers, place, &empty, "192.0.2.7");
        for name in names {
            assert_eq!(seen.var(&format!("realpeer_tlv_{name}")), "", "{place:?}, {name}");
        }
        let seen = served(&receivers, place, &long, "192.0.2.7");
        if place.has_variables() {
            // Apache's programs get nothing that long unless they are to.
            let length = if matches!(place, Place::Apache(..)) { 0 } else { 60_000 };
            assert_eq!(seen.var("realpeer_tlv_authority").len(), length, "{place:?}");
            assert_eq!(seen.var("realpeer_tlv_ssl_cn").len(), 5000, "{place:?}");
        }
        for length in 0..5 {
            let header = visitor().tlv(0x20, vec![7; length]).build();
            refused(&receivers, place, &usual_limits(), &header, "bad_tlv");
        }
    });
}

#[test]
fn attack_16_lengths_around_those_of_buffers() {
    let receivers = receivers(&[]);
    let around = [107, 108, 128, 256, 512, 536, 1024, 1460, 1500, 2048, 4096, 8192, 16_384, 32_768];
    for_each_place(&receivers, |place| {
        for length in around.iter().flat_map(|length| length - 1..=length + 1) {
            let header = visitor().checksum().padded_to(length).build();
            served(&receivers, place, &header, "192.0.2.7");
        }
        let header = visitor().checksum().padded_to(4097).build();
        refused(&receivers, place, &usual_limits(), &header, "too_long");
    });
}

#[test]
fn attack_19_a_second_header() {
    let receivers = Receivers::usual();
    let seconds = [v1("203.0.113.9:1", LISTENER), V2::proxy("203.0.113.9:1", LISTENER).build()];
    for_each_place(&receivers, |place| {
        for first in [v1(VISITOR, LISTENER), visitor().build()] {
            for second in &seconds {
                let twice = [&first[..], second].concat();
                // Whatever is made of it, nobody is taken for the second one.
                match receivers.connect(place, &usual_limits(), PEER).ask(&twice) {
                    Answer::Served { client, .. } => assert_eq!(client, "192.0.2.7", "{place:?}"),
                    Answer::Other(words) => {
                        assert!(!words.contains("203.0.113.9"), "{place:?}: {words}");
                    }
                    Answer::Closed if place.has_tls() => {}
                    answer => panic!("{place:?}: {answer:?}"),
                }
            }
        }
    });
}

#[test]
fn attack_20_a_line_within_a_request() {
    let receivers = Receivers::usual();
    let line = "PROXY TCP4 203.0.113.9 198.51.100.1 1 443";
    let body = format!("\r\n{line}\r\n");
    let length = body.len();
    let posted = format!(
        "GET /page/receivers HTTP/1.0\r\nX-Text: a{line}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    for_each_place(&receivers, |place| {
        // Without a header in front the first byte decides.
        refused(&receivers, place, &usual_limits(), posted.as_bytes(), "no_header");
        if place.has_tls() {
            return;
        }
        let mut visit = receivers.connect(place, &usual_limits(), PEER);
        visit.send(&[&visitor().build()[..], posted.as_bytes()].concat());
        match visit.hear() {
            Answer::Served { client, .. } => assert_eq!(client, "192.0.2.7", "{place:?}"),
            Answer::Other(words) => assert!(!words.contains("203.0.113.9"), "{place:?}: {words}"),
            answer => panic!("{place:?}: {answer:?}"),
        }
    });
}

#[test]
fn attack_22_unknown_and_local_before_tls() {
    let receivers = Receivers::usual();
    let local = V2::local().build();
    for_each_place(&receivers, |place| {
        if place.has_tls() {
            for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN who knows\r\n", &local] {
                served(&receivers, place, header, PEER);
            }
        }
    });
}

/// Rows 23 and 24: of 16 and the length field, the sum does not fit 16 bits.
#[test]
fn attack_24_the_longest_lengths() {
    let receivers = receivers(&[]);
    for_each_place(&receivers, |place| {
        for total in (65_536 - 4..=65_536 + 4).chain([65_550, 65_551]) {
            let header = visitor().checksum().padded_to(total).build();
            served(&receivers, place, &header, "192.0.2.7");
            refused(&receivers, place, &usual_limits(), &header[..16], "too_long");
        }
    });
}

#[test]
fn attack_28_the_end_at_every_byte() {
    let receivers = Receivers::usual();
    let headers = [v1(VISITOR, LISTENER), visitor().checksum().tlv(2, b"a.example").build()];
    for_each_place(&receivers, |place| {
        for header in &headers {
            let ends: Vec<_> = (1..header.len())
                .map(|end| {
                    let mut visit = receivers.connect(place, &usual_limits(), PEER);
                    visit.send(&header[..end]);
                    let ends = visit.ends();
                    assert_eq!(visit.finish(), Answer::Closed, "{place:?}: {end} bytes");
                    ends
                })
                .collect();
            let refusals = receivers.refusals();
            for ends in &ends {
                assert_eq!(refusals[ends].result, "truncated", "{place:?}");
            }
        }
    });
}

#[test]
fn attack_28_a_reset_at_every_byte() {
    let receivers = Receivers::usual();
    let header = visitor().checksum().tlv(2, b"a.example").build();
    let whole = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
    for_each_place(&receivers, |place| {
        let mut page = receivers.page(place);
        for end in 0..whole.len() {
            let mut visit = receivers.connect(place, &usual_limits(), PEER);
            visit.send(&whole[..end]);
            if end % 3 == 0 {
                // The bytes have been looked at by then.
                page.visit_twice();
            }
            // Dropped, which is a reset.
        }
    });
}

#[test]
fn attack_38_addresses_that_nobody_has() {
    let receivers = Receivers::usual();
    for_each_place(&receivers, |place| {
        for ip in [
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "127.0.0.1",
            "127.0.0.5",
            "::",
            "::1",
            "ff02::1",
        ] {
            let (client, server) = match ip.contains(':') {
                true => (format!("[{ip}]:1"), "[2001:db8::1]:443"),
                false => (format!("{ip}:1"), LISTENER),
            };
            served(&receivers, place, &v1(&client, server), ip);
            served(&receivers, place, &V2::proxy(&client, server).build(), ip);
        }
    });
}
