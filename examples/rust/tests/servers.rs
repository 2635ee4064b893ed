//! The servers behind a real HAProxy, and before those who are none.
#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write;
use std::net::SocketAddr;

use realpeer_e2e::{
    Authority, Client, Curl, Ending, HaProxy, Program, TlsClient, V2, h2_bodies, h2_requests, v1,
};

const VISITOR: &str = "127.0.0.9";
const BALANCER: &str = "127.0.0.7";
const FROM_BALANCER: [&str; 2] = ["require", BALANCER];
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Blocking,
    TokioHyper,
}

const BOTH: [Kind; 2] = [Kind::Blocking, Kind::TokioHyper];

impl Kind {
    fn start(self, arguments: &[&str]) -> Program {
        let (name, program) = match self {
            Kind::Blocking => ("blocking", env!("CARGO_BIN_EXE_blocking")),
            Kind::TokioHyper => ("tokio-hyper", env!("CARGO_BIN_EXE_tokio-hyper")),
        };
        Program::new(name).start(program, arguments)
    }
}

fn tokio_hyper_with_tls(authority: &Authority) -> Program {
    let certificate = authority.issue("localhost");
    let server = Program::new("tokio-hyper");
    let pem = server.file("certificate.pem", &certificate.pem);
    let key = server.file("key.pem", &certificate.key_pem);
    let program = env!("CARGO_BIN_EXE_tokio-hyper");
    server.start(program, ["--tls", &pem, &key, FROM_BALANCER[0], FROM_BALANCER[1]])
}

/// HAProxy with an address of its own in front of the server.
fn haproxy(options: &str, server: &Program, words: &str) -> (HaProxy, u16) {
    let mut haproxy = HaProxy::new();
    let words = format!("source {BALANCER} {words}");
    let port = haproxy.listener("", options, server.port(), &words);
    (haproxy.start(), port)
}

/// One of the three parties on a page, as `ADDRESS:PORT`, or `none`.
#[track_caller]
fn who(page: &str, id: &str) -> String {
    let start = format!("<b id=\"{id}\">");
    let rest = page.split_once(&start).unwrap_or_else(|| panic!("no {id} in {page}")).1;
    let (host, rest) = rest.split_once("</b>").expect("the end of the address");
    match rest.lines().next().and_then(|line| line.strip_prefix(" port ")) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[track_caller]
fn row(page: &str, name: &str) -> String {
    let start = format!("<tr><th>{name}</th><td>");
    let rest = page.split_once(&start).unwrap_or_else(|| panic!("no {name} in {page}")).1;
    rest.split_once("</td>").expect("the end of the row").0.to_owned()
}

/// The page names these two, and a port of the balancer that is not the visitor's.
#[track_caller]
fn must_name(page: &str, visitor: SocketAddr, server: &Program) {
    assert_eq!(who(page, "visitor"), visitor.to_string());
    let balancer: SocketAddr = who(page, "balancer").parse().expect("an address");
    assert_eq!(balancer.ip().to_string(), BALANCER);
    assert_ne!(balancer.port(), 0);
    assert_eq!(who(page, "server"), format!("127.0.0.1:{}", server.port()));
}

#[test]
fn version_1_from_haproxy() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let (_haproxy, port) = haproxy("", &server, "send-proxy");
        let mut client = Client::from(VISITOR, port);
        let page = client.get("/").text();
        must_name(&page, client.local(), &server);
        assert_eq!(row(&page, "version"), "1");
        assert_eq!(row(&page, "result"), "proxy");
    }
}

#[test]
fn version_2_from_haproxy_with_tlvs() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let (_haproxy, port) = haproxy(
            "unique-id-format <%[src]&>",
            &server,
            "send-proxy-v2 proxy-v2-options crc32c,unique-id",
        );
        let mut client = Client::from(VISITOR, port);
        let page = client.get("/").text();
        must_name(&page, client.local(), &server);
        assert_eq!(row(&page, "version"), "2");
        // What a TLV says is not HTML.
        assert_eq!(row(&page, "unique_id"), "&lt;127.0.0.9&amp;&gt;");
        assert_eq!(row(&page, "CRC32c"), "verified");
    }
}

#[test]
fn tls_passed_through_by_haproxy() {
    let authority = Authority::new();
    let server = tokio_hyper_with_tls(&authority);
    let (_haproxy, port) = haproxy("", &server, "send-proxy-v2");
    let client = Client::from(VISITOR, port);
    let visitor = client.local();
    let mut client = TlsClient::over(client, &authority);
    for _ in 0..2 {
        let page = client.get("/").text();
        must_name(&page, visitor, &server);
        assert_eq!(row(&page, "protocol"), "HTTP/1.1");
        assert_eq!(row(&page, "TLS"), "TLSv1_3");
    }
}

#[test]
fn http_2_through_haproxy_with_tls() {
    let authority = Authority::new();
    let server = tokio_hyper_with_tls(&authority);
    let (_haproxy, port) = haproxy("", &server, "send-proxy");
    let ca = server.file("authority.pem", &authority.pem());
    let answer = Curl::new(&format!("https://localhost:{port}/"))
        .from(VISITOR)
        .args(&["--http2", "--cacert", &ca, "--resolve", &format!("localhost:{port}:127.0.0.1")])
        .run();
    assert!(who(&answer.text(), "visitor").starts_with("127.0.0.9:"));
    assert!(who(&answer.text(), "balancer").starts_with("127.0.0.7:"));
    assert_eq!(row(&answer.text(), "protocol"), "HTTP/2.0");
}

#[test]
fn header_and_handshake_in_one_segment() {
    let authority = Authority::new();
    let server = tokio_hyper_with_tls(&authority);
    let header = v1("192.0.2.7:4321", "198.51.100.1:443");
    let client = Client::from(BALANCER, server.port());
    let page = TlsClient::fused(client, &authority, &header).get("/").text();
    assert_eq!(who(&page, "visitor"), "192.0.2.7:4321");
}

#[test]
fn http_2_without_tls_in_one_segment_with_the_header() {
    let server = Kind::TokioHyper.start(&FROM_BALANCER);
    let (_haproxy, port) = haproxy("", &server, "send-proxy-v2");
    let mut client = Client::from(VISITOR, port);
    client.send(h2_requests(&[1, 3]));
    for page in h2_bodies(&mut client, 2) {
        assert_eq!(who(&page, "visitor"), client.local().to_string());
        assert_eq!(row(&page, "protocol"), "HTTP/2.0");
    }
}

#[test]
fn a_header_in_many_pieces() {
    let header = V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").checksum().build();
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let mut client = Client::from(BALANCER, server.port());
        let page = client.send_pieces(header.chunks(5)).get("/").text();
        assert_eq!(who(&page, "visitor"), "2001:db8::7:4321");
        // And all of it with the request.
        let mut client = Client::from(BALANCER, server.port());
        client.send([&header[..], REQUEST.as_bytes()].concat());
        assert_eq!(who(&client.response().text(), "visitor"), "2001:db8::7:4321");
    }
}

#[test]
fn local_keeps_the_address_of_the_balancer() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let mut client = Client::from(BALANCER, server.port());
        let page = client.send(V2::local().build()).get("/").text();
        assert_eq!(who(&page, "visitor"), client.local().to_string());
        assert_eq!(who(&page, "balancer"), "none");
        assert_eq!(row(&page, "result"), "local");
    }
}

#[test]
fn who_must_send_a_header_and_does_not_is_refused() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let mut client = Client::from(BALANCER, server.port());
        client.send(REQUEST).must_be_closed();
        let line = server.says("refused no_header");
        assert!(line.contains(&client.local().to_string()), "{line}");
    }
}

#[test]
fn whoever_has_no_rule_is_refused_whatever_he_says() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        let mut client = Client::from(VISITOR, server.port());
        client.send(v1("192.0.2.7:4321", "198.51.100.1:443")).send(REQUEST).must_be_closed();
        let line = server.says("refused untrusted");
        assert!(line.contains(&client.local().to_string()), "{line}");
    }
}

#[test]
fn a_connection_closed_without_a_byte_is_not_worth_a_line() {
    for kind in BOTH {
        let server = kind.start(&FROM_BALANCER);
        Client::from(BALANCER, server.port()).finish().must_be_closed();
        // Whatever it had to say of the one before would stand before this.
        Client::from(BALANCER, server.port()).send("PROXY ").finish().must_be_closed();
        server.says("refused truncated");
        assert_eq!(server.said().lines().count(), 1, "{}", server.said());
    }
}

#[test]
fn rules_by_source_decide() {
    let rules = ["require", BALANCER, "optional", "127.0.0.10", "strip", "127.0.0.11"];
    let rules = [&rules[..], &["direct", "127.0.0.0/8"]].concat();
    let header = v1("192.0.2.7:4321", "198.51.100.1:443");
    for kind in BOTH {
        let server = kind.start(&rules);
        let page = |source: &str, header: &[u8]| {
            let mut client = Client::from(source, server.port());
            let page = client.send(header).get("/").text();
            (row(&page, "result"), who(&page, "visitor") == client.local().to_string())
        };
        assert_eq!(page(BALANCER, &header), ("proxy".to_owned(), false));
        assert_eq!(page("127.0.0.10", &header), ("proxy".to_owned(), false));
        assert_eq!(page("127.0.0.10", b""), ("absent".to_owned(), true));
        assert_eq!(page("127.0.0.11", &header), ("stripped".to_owned(), true));
        assert_eq!(page("127.0.0.11", b""), ("absent".to_owned(), true));
        assert_eq!(page("127.0.0.1", b""), ("direct".to_owned(), true));
    }
}

/// The beginning of HTTP/2 has two letters in common with that of a header.
#[test]
fn what_was_no_header_is_not_lost() {
    let server = Kind::TokioHyper.start(&["optional", "all"]);
    let request = h2_requests(&[1]);
    let mut client = Client::from(VISITOR, server.port());
    client.send_pieces([&request[..1], &request[1..2], &request[2..]]);
    let page = &h2_bodies(&mut client, 1)[0];
    assert_eq!(who(page, "visitor"), client.local().to_string());
    assert_eq!(row(page, "result"), "absent");

    let server = Kind::Blocking.start(&["optional", "all"]);
    let mut client = Client::from(VISITOR, server.port());
    client.send_pieces([&b"P"[..], b"R", b"OPFIND / HTTP/1.1\r\n\r\n"]);
    let page = client.response().text();
    assert_eq!(row(&page, "request"), "PROPFIND / HTTP/1.1");
    assert_eq!(row(&page, "result"), "absent");
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for_forever() {
    let header = v1("192.0.2.7:4321", "198.51.100.1:443");
    let servers = BOTH.map(|kind| kind.start(&FROM_BALANCER));
    let clients = servers.each_ref().map(|server| {
        let mut client = Client::from(BALANCER, server.port());
        client.send(&header[..10]);
        client
    });
    for (server, mut client) in servers.iter().zip(clients) {
        client.must_be_closed();
        let line = server.says("refused timeout");
        assert!(line.contains(&client.local().to_string()), "{line}");
    }
}

#[test]
fn many_that_wait_do_not_keep_the_others_waiting() {
    let server = Kind::TokioHyper.start(&FROM_BALANCER);
    let (_haproxy, port) = haproxy("", &server, "send-proxy");
    let mut waiting: Vec<_> = (0..200).map(|_| Client::from(BALANCER, server.port())).collect();
    let mut client = Client::from(VISITOR, port);
    must_name(&client.get("/").text(), client.local(), &server);
    // Each of them is still there and gets a page of its own.
    for (number, client) in (10_000..).zip(&mut waiting) {
        let visitor = format!("192.0.2.7:{number}");
        client.send(v1(&visitor, "198.51.100.1:443")).write_all(REQUEST.as_bytes()).expect("sent");
        assert_eq!(who(&client.response().text(), "visitor"), visitor);
    }
}

/// README.md prints it as it is.
#[test]
fn the_shortest_server() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```rust,no_run\n").expect("a program in README.md");
    assert_eq!(rest.split_once("```").expect("its end").0, include_str!("../src/bin/server.rs"));

    let server = Program::new("server").start(env!("CARGO_BIN_EXE_server"), [BALANCER]);
    for words in ["send-proxy", "send-proxy-v2"] {
        let (_haproxy, port) = haproxy("", &server, words);
        let mut client = Client::from(VISITOR, port);
        let line = format!("You are {}.\n", client.local());
        assert_eq!(client.ending(), Ending::Answered(line.into_bytes()));
    }
    Client::from(VISITOR, server.port()).must_be_closed();
    server.says("this source is not allowed to connect here");
}

#[test]
fn arguments_that_make_no_sense() {
    for program in [env!("CARGO_BIN_EXE_blocking"), env!("CARGO_BIN_EXE_tokio-hyper")] {
        for (arguments, why) in [
            (&["127.0.0.1:0"][..], "each policy wants a source"),
            (&["127.0.0.1:0", "require"], "each policy wants a source"),
            (&["127.0.0.1:0", "believe", "all"], "believe is no policy"),
            (&["127.0.0.1:0", "require", "::1/129"], "::1/129: the prefix length"),
            (&["127.0.0.1:0", "require", "all", "direct", "all"], "named twice"),
            (&[], "usage"),
        ] {
            let output =
                std::process::Command::new(program).args(arguments).output().expect("a program");
            assert!(!output.status.success());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(why) && said.contains("usage: "), "{said}");
        }
    }
}
