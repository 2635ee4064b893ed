//! Headers in pieces, headers fused with what follows, and long ones, before
//! Apache.

use realpeer_e2e::{
    Apache, ApacheFront, ApacheSite, Client, Mpm, Upstream, V2, aws_header, on_each_mpm, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// A server that wants a header from everybody.
fn server(mpm: Mpm, front: &ApacheFront, directives: &str) -> (Apache, u16) {
    let mut site = ApacheSite::new(mpm);
    let port = front.host(
        &mut site,
        &format!("RealPeer require all\nRealPeerTimeout 600s\nTimeout 600\n{directives}"),
    );
    (site.start(), port)
}

/// The longest line there can be: 107 bytes.
fn longest_line() -> Vec<u8> {
    let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(line.len(), 107);
    line.into_bytes()
}

fn long_tcp6_line() -> Vec<u8> {
    let full = "2001:0db8:1111:2222:3333:4444:5555:6666";
    format!("PROXY TCP6 {full} {full} 65535 65535\r\n").into_bytes()
}

/// Of every cut of a header, those that are worth a TLS handshake each.
fn cuts(front: &ApacheFront, length: usize) -> impl Iterator<Item = usize> {
    let tls = front.authority().is_some();
    (1..length).filter(move |cut| !tls || cut % 3 == 1 || (10..20).contains(cut))
}

on_each_mpm! {
    fn a_v1_line_may_come_byte_by_byte(mpm) {
        for front in ApacheFront::both() {
            let (apache, port) = server(mpm, &front, "");
            let mut client = Client::connect(port);
            client.send_pieces(longest_line().chunks(1));
            let seen = front.ask(client);
            assert_eq!(seen.var("result").as_deref(), Some("no_address"));
            assert_eq!(seen.var("remote_port"), Some(seen.peer.port().to_string()));

            let mut client = Client::connect(port);
            client.send_pieces(long_tcp6_line().chunks(1));
            assert_eq!(front.ask(client).client, "2001:db8:1111:2222:3333:4444:5555:6666");
            assert_eq!(apache.refusals(), []);
        }
    }

    fn a_header_may_be_cut_anywhere(mpm) {
        for front in ApacheFront::both() {
            let (apache, port) = server(mpm, &front, "");
            for header in [aws_header(VISITOR, LISTENER), v1(VISITOR, LISTENER)] {
                for cut in cuts(&front, header.len()) {
                    let mut client = Client::connect(port);
                    client.send_pieces([&header[..cut]]).send(&header[cut..]);
                    assert_eq!(front.ask(client).client, "192.0.2.7", "cut at {cut}");
                }
            }
            assert_eq!(apache.refusals(), []);
        }
    }

    /// What stands behind the header is read by nobody but the server.
    fn a_header_may_be_cut_anywhere_and_go_on_with_the_request(mpm) {
        for front in ApacheFront::both() {
            let (apache, port) = server(mpm, &front, "");
            let header = aws_header(VISITOR, LISTENER);
            for cut in cuts(&front, header.len()) {
                let mut client = Client::connect(port);
                client.send_pieces([&header[..cut]]);
                let seen = front.visit_fused(client, &header[cut..]);
                assert_eq!(seen.client, "192.0.2.7", "cut at {cut}");
            }
            assert_eq!(apache.refusals(), []);
        }
    }

    fn a_header_fused_with_the_request(mpm) {
        for front in ApacheFront::both() {
            let (_apache, port) = server(mpm, &front, "");
            for header in [v1(VISITOR, LISTENER), aws_header(VISITOR, LISTENER)] {
                let seen = front.visit_fused(Client::connect(port), &header);
                assert_eq!(seen.client, "192.0.2.7");
            }
        }
    }

    fn requests_behind_the_header_may_be_cut_anywhere(mpm) {
        let (_apache, port) = server(mpm, &ApacheFront::plain(), "");
        let header = v1(VISITOR, LISTENER);
        let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3);
        let whole = [&header[..], requests.as_bytes()].concat();
        for cut in (1..whole.len()).step_by(5) {
            let mut client = Client::connect(port);
            client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
            for _ in 0..3 {
                assert_eq!(client.response().var("remote_addr"), "192.0.2.7", "cut at {cut}");
            }
        }
    }

    fn a_header_of_60000_bytes(mpm) {
        for front in ApacheFront::both() {
            let (apache, port) = server(mpm, &front, "RealPeerMaxHeader 65551");
            let header = V2::proxy(VISITOR, LISTENER).checksum().padded_to(60_000).build();
            // In one piece with what follows, on its own, and in pieces of
            // sizes that are in nobody's favour.
            assert_eq!(front.visit_fused(Client::connect(port), &header).client, "192.0.2.7");
            assert_eq!(front.visit(port, &header).client, "192.0.2.7");
            for size in [1, 536, 4097] {
                let mut client = Client::connect(port);
                // The first bytes one by one, and the rest in one piece.
                let (pieces, rest) = if size == 1 { header.split_at(200) } else { (&header[..], &b""[..]) };
                client.send_pieces(pieces.chunks(size)).send(rest);
                assert_eq!(front.ask(client).client, "192.0.2.7", "in pieces of {size}");
            }
            assert_eq!(apache.refusals(), []);
        }
    }

    fn the_longest_header_there_can_be(mpm) {
        let front = ApacheFront::plain();
        let (_apache, port) = server(mpm, &front, "RealPeerMaxHeader 65551");
        let header = V2::proxy(VISITOR, LISTENER).checksum().padded_to(65_551).build();
        assert_eq!(front.visit_fused(Client::connect(port), &header).client, "192.0.2.7");
        let mut client = Client::connect(port);
        client.send_pieces([&header[..65_550]]).send(&header[65_550..]);
        assert_eq!(front.ask(client).client, "192.0.2.7");
    }

    /// Not a byte more than the header may be taken, and none less.
    fn a_body_behind_the_header_is_whole(mpm) {
        let upstream = Upstream::echo();
        let mut site = ApacheSite::new(mpm);
        site.load("proxy");
        site.load("proxy_http");
        let port = site.host(&format!(
            "RealPeer require all\nProxyPass /up http://127.0.0.1:{}/",
            upstream.port()
        ));
        let _apache = site.start();
        let body: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        for header in [v1(VISITOR, LISTENER), aws_header(VISITOR, LISTENER)] {
            let head = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            let whole = [&header[..], head.as_bytes(), &body].concat();
            for cut in [0, 1, header.len() - 1, header.len(), header.len() + 1, 5000] {
                let mut client = Client::connect(port);
                client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
                let answer = client.response();
                assert_eq!(answer.header("x-body-length"), Some("200000"), "cut at {cut}");
                assert_eq!(answer.header("x-body-sum"), Some(&*sum.to_string()), "cut at {cut}");
                let got = answer.text();
                assert!(got.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{got}");
            }
        }
    }
}
