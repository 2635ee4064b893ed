//! Headers in pieces, headers fused with what follows, and long ones.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};

use realpeer_e2e::{
    Authority, Client, Nginx, PAGE, Request, Site, TlsClient, Upstream, V2, Which, aws_header,
    on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// A server that wants a header from everybody.
fn server(which: Which, directives: &str) -> (Nginx, u16) {
    let mut site = Site::new(which);
    let port = site.port();
    site.http(format!(
        "server {{ listen 127.0.0.1:{port}; realpeer require all; realpeer_timeout 600s;
                   {directives} {PAGE} }}"
    ));
    (site.start(), port)
}

fn tls_server(which: Which, directives: &str) -> (Nginx, u16, Authority) {
    let authority = Authority::new();
    let mut site = Site::new(which);
    let port = site.port();
    let certificate = site.certificate(&authority);
    site.http(format!(
        "server {{ listen 127.0.0.1:{port} ssl; {certificate} realpeer require all;
                   realpeer_timeout 600s; {directives} {PAGE} }}"
    ));
    (site.start(), port, authority)
}

/// Debian's nginx knows no other.
fn methods(which: Which) -> &'static [&'static str] {
    match which {
        Which::Debian => &["epoll"],
        Which::Built => &["epoll", "poll", "select"],
    }
}

/// Eight requests behind a header, in two pieces: the second comes while the
/// first request waits for its upstream, and the worker has heard of it.
fn pipelined(which: Which, method: &str, tls: bool) {
    let (asked, was_asked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let upstream = Upstream::start(move |mut stream| {
        let head = Request::read(&mut stream).head;
        let number = head.split(' ').nth(1).expect("a path").to_owned();
        if number == "/1" {
            asked.send(()).expect("a test that listens");
            released.lock().expect("no panic").recv().expect("a release");
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", number.len());
        stream.write_all(answer.as_bytes()).expect("nginx");
        stream.write_all(number.as_bytes()).expect("nginx");
    });
    let authority = Authority::new();
    let requests: Vec<_> =
        (1..=8).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let header = v1(VISITOR, LISTENER);
    let whole = [&header[..], requests.concat().as_bytes()].concat();
    let at = |number: usize| header.len() + requests[..number].concat().len();
    for size in [64, 96, 128, 200, 256, 512, 1024] {
        let mut site = Site::new(which);
        let (front, http, other) = (site.port(), site.port(), site.port());
        site.events(&format!("use {method};"));
        if tls {
            let certificate = site.certificate(&authority);
            site.stream(format!(
                "server {{ listen 127.0.0.1:{front} ssl; {certificate} pass 127.0.0.1:{http}; }}"
            ));
        } else {
            site.http(format!("server {{ listen 127.0.0.1:{front}; {PAGE} }}"));
        }
        site.http(format!(
            "client_header_buffer_size {size};
             server {{ listen 127.0.0.1:{http}; realpeer require all; realpeer_timeout 600s;
                       client_header_timeout 600s;
                       location / {{ proxy_pass http://127.0.0.1:{}; }} }}
             server {{ listen 127.0.0.1:{other}; {PAGE} }}",
            upstream.port()
        ));
        let _nginx = site.start();
        // At a request, within one, and all but the last byte.
        for cut in [at(1), at(1) + 5, at(2) + 9, at(7), whole.len() - 1] {
            let answered = |number: usize, response: realpeer_e2e::Response| {
                let what = format!("{method}, tls {tls}, {size}, cut at {cut}");
                assert_eq!(response.text(), format!("/{number}"), "{what}");
            };
            // The worker turns to nothing else before it has seen the rest.
            let wait_and_release = || {
                for _ in 0..2 {
                    assert_eq!(Client::connect(other).get("/").status, 200);
                }
                release.send(()).expect("an upstream");
            };
            if tls {
                let mut client = TlsClient::over(Client::connect(front), &authority);
                client.send(&whole[..cut]);
                was_asked.recv_timeout(realpeer_e2e::PATIENCE).expect("a request");
                client.send(&whole[cut..]);
                wait_and_release();
                (1..=8).for_each(|number| answered(number, client.response()));
            } else {
                let mut client = Client::connect(http);
                client.send(&whole[..cut]);
                was_asked.recv_timeout(realpeer_e2e::PATIENCE).expect("a request");
                client.send(&whole[cut..]);
                wait_and_release();
                (1..=8).for_each(|number| answered(number, client.response()));
            }
        }
    }
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

/// 60,000 bytes in all, checksum included.
fn huge_header() -> Vec<u8> {
    V2::proxy(VISITOR, LISTENER).checksum().padded_to(60_000).build()
}

on_each_nginx! {
    fn a_v1_line_may_come_byte_by_byte(which) {
        let (_nginx, port) = server(which, "");
        let mut client = Client::connect(port);
        let own = client.local().port().to_string();
        client.send_pieces(longest_line().chunks(1));
        let answer = client.get("/");
        assert_eq!(answer.var("result"), "no_address");
        assert_eq!(answer.var("remote_port"), own);

        let mut client = Client::connect(port);
        client.send_pieces(long_tcp6_line().chunks(1));
        assert_eq!(client.get("/").var("remote_addr"), "2001:db8:1111:2222:3333:4444:5555:6666");
    }

    fn a_v1_line_may_come_byte_by_byte_in_front_of_tls(which) {
        let (_nginx, port, authority) = tls_server(which, "");
        for (line, result) in [(longest_line(), "no_address"), (long_tcp6_line(), "proxy")] {
            let mut client = Client::connect(port);
            client.send_pieces(line.chunks(1));
            let answer = TlsClient::over(client, &authority).get("/");
            assert_eq!(answer.var("result"), result);
            assert_eq!(answer.var("scheme"), "https");
        }
    }

    fn a_v2_header_may_be_cut_anywhere(which) {
        let (_nginx, port) = server(which, "");
        let header = aws_header(VISITOR, LISTENER);
        for cut in 1..header.len() {
            let mut client = Client::connect(port);
            client.send_pieces([&header[..cut]]).send(&header[cut..]);
            assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7", "cut at {cut}");
        }
    }

    fn a_v2_header_may_be_cut_anywhere_in_front_of_tls(which) {
        let (_nginx, port, authority) = tls_server(which, "");
        let header = aws_header(VISITOR, LISTENER);
        // A handshake for each: every third cut, and all around the length.
        for cut in (1..header.len()).filter(|cut| cut % 3 == 1 || (10..20).contains(cut)) {
            let mut client = Client::connect(port);
            client.send_pieces([&header[..cut]]);
            let answer = TlsClient::fused(client, &authority, &header[cut..]).get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7", "cut at {cut}");
        }
    }

    fn a_request_may_be_fused_with_the_header(which) {
        let (_nginx, port) = server(which, "");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for header in [v1(VISITOR, LISTENER), aws_header(VISITOR, LISTENER)] {
            let whole = [&header[..], request].concat();
            let mut client = Client::connect(port);
            assert_eq!(client.send(&whole).response().var("remote_addr"), "192.0.2.7");
            assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
            // The rest of the header with half of the request, and the reverse.
            for cut in [1, header.len() - 1, header.len() + 1, header.len() + 9] {
                let mut client = Client::connect(port);
                client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
                assert_eq!(client.response().var("remote_addr"), "192.0.2.7", "cut at {cut}");
            }
        }
    }

    fn a_tls_handshake_may_be_fused_with_the_header(which) {
        let (_nginx, port, authority) = tls_server(which, "");
        for header in [v1(VISITOR, LISTENER), aws_header(VISITOR, LISTENER)] {
            let mut tls = TlsClient::fused(Client::connect(port), &authority, &header);
            assert_eq!(tls.get("/").var("remote_addr"), "192.0.2.7");
            assert_eq!(tls.get("/").var("remote_addr"), "192.0.2.7");
        }
    }

    fn a_huge_header_is_accepted_where_it_is_allowed(which) {
        let (_nginx, port) = server(which, "realpeer_max_header 65551;");
        let header = huge_header();
        let mut client = Client::connect(port);
        assert_eq!(client.send(&header).get("/").var("remote_addr"), "192.0.2.7");
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
        let mut client = Client::connect(port);
        client.send_pieces(header.chunks(1448));
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
        // Where 16 bits overflow, up to the longest there can be, with a request.
        for total in [65_535, 65_536, 65_537, 65_551] {
            for (header, result) in [(V2::proxy(VISITOR, LISTENER), "proxy"), (V2::local(), "local")] {
                let header = header.padded_to(total).build();
                let whole = [&header[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
                let answer = Client::connect(port).send(whole).response();
                assert_eq!(answer.var("result"), result, "{total} bytes");
            }
        }
    }

    fn a_huge_header_is_accepted_in_front_of_tls(which) {
        let (_nginx, port, authority) = tls_server(which, "realpeer_max_header 65551;");
        let mut tls = TlsClient::fused(Client::connect(port), &authority, &huge_header());
        assert_eq!(tls.get("/").var("remote_addr"), "192.0.2.7");
        let mut client = Client::connect(port);
        client.send_pieces(huge_header().chunks(1448));
        let mut tls = TlsClient::over(client, &authority);
        assert_eq!(tls.get("/").var("remote_addr"), "192.0.2.7");
    }

    /// Dovecot, httpd and others: just around what they had room for.
    fn headers_around_the_sizes_of_buffers_are_accepted(which) {
        let (_nginx, port) = server(which, "");
        let (_tls_nginx, tls_port, authority) = tls_server(which, "");
        let sizes = [107, 108, 232, 233, 512, 1023, 1024, 1025, 2047, 2048, 2049, 4095];
        for total in sizes {
            let header = V2::proxy(VISITOR, LISTENER).checksum().padded_to(total).build();
            let whole = [&header[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            let answer = Client::connect(port).send(whole).response();
            assert_eq!(answer.var("remote_addr"), "192.0.2.7", "{total} bytes");
            let answer = TlsClient::fused(Client::connect(tls_port), &authority, &header).get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7", "{total} bytes");
        }
        for total in [16 + 216 + 3, 16 + 217 + 3, 1000] {
            let header = V2::raw(0x21, 0x31, &[b'/'; 216]).padded_to(total).build();
            let answer = Client::connect(port).send(header).get("/");
            assert_eq!(answer.var("result"), "no_address", "{total} bytes");
        }
    }

    fn the_default_limit_is_4096_bytes(which) {
        let (nginx, port) = server(which, "");
        let just_fits = V2::proxy(VISITOR, LISTENER).padded_to(4096).build();
        assert_eq!(Client::connect(port).send(&just_fits).get("/").var("result"), "proxy");
        // The first 16 bytes give the length, and no more is waited for.
        let too_long = V2::proxy(VISITOR, LISTENER).padded_to(4097).build();
        Client::connect(port).send(&too_long[..16]).must_be_closed();
        assert_eq!(nginx.refusal().result, "too_long");
    }

    fn the_default_limit_is_the_same_in_front_of_tls(which) {
        let (nginx, port, authority) = tls_server(which, "");
        let just_fits = V2::proxy(VISITOR, LISTENER).padded_to(4096).build();
        let mut tls = TlsClient::fused(Client::connect(port), &authority, &just_fits);
        assert_eq!(tls.get("/").var("result"), "proxy");
        let too_long = V2::proxy(VISITOR, LISTENER).padded_to(4097).build();
        Client::connect(port).send(&too_long[..16]).must_be_closed();
        assert_eq!(nginx.refusal().result, "too_long");
    }

    fn the_limit_can_be_lowered_to_what_is_needed(which) {
        let (nginx, port) = server(which, "realpeer_max_header 28;");
        let bare = V2::proxy(VISITOR, LISTENER).build();
        assert_eq!(Client::connect(port).send(&bare).get("/").var("result"), "proxy");
        // It is about v2: a v1 line has a limit of its own.
        assert_eq!(
            Client::connect(port).send(v1(VISITOR, LISTENER)).get("/").var("result"),
            "proxy"
        );
        let with_sum = V2::proxy(VISITOR, LISTENER).checksum().build();
        Client::connect(port).send(with_sum).must_be_closed();
        assert_eq!(nginx.refusal().result, "too_long");
    }

    fn pipelined_requests_behind_the_header_are_all_answered(which) {
        let (_nginx, port) = server(which, "");
        let mut bytes = aws_header(VISITOR, LISTENER);
        for _ in 0..5 {
            bytes.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        let mut client = Client::connect(port);
        client.send(bytes);
        for _ in 0..5 {
            assert_eq!(client.response().var("remote_addr"), "192.0.2.7");
        }
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
    }

    /// More than nginx's first buffer of 1 KiB, and more than one segment.
    fn a_large_request_fused_with_the_header_arrives_intact(which) {
        let upstream = Upstream::echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{ proxy_pass http://127.0.0.1:{};
                                     proxy_set_header X-Client $remote_addr; }} }}",
            upstream.port()
        ));
        let _nginx = site.start();
        let body: Vec<u8> = (0..100 * 1024_u32).map(|i| (i % 251) as u8).collect();
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        let mut head = String::from("POST / HTTP/1.1\r\nHost: a\r\n");
        for i in 0..20 {
            write!(head, "X-Filler-{i}: {}\r\n", format!("{i:02}").repeat(50)).expect("a string");
        }
        write!(head, "Content-Length: {}\r\n\r\n", body.len()).expect("a string");
        for header in [v1(VISITOR, LISTENER), aws_header(VISITOR, LISTENER)] {
            let whole = [&header[..], head.as_bytes(), &body].concat();
            // All at once, and cut in the request's head and in its body.
            let body_at = whole.len() - body.len();
            for cut in [0, header.len() + 900, 1024, body_at - 2, body_at, body_at + 50_000] {
                let mut client = Client::connect(port);
                client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
                let answer = client.response();
                assert_eq!(answer.status, 200);
                assert_eq!(answer.header("x-body-length"), Some("102400"));
                assert_eq!(answer.header("x-body-sum"), Some(sum.to_string().as_str()));
                let seen = answer.text();
                for i in 0..20 {
                    let line = format!("X-Filler-{i}: {}\r\n", format!("{i:02}").repeat(50));
                    assert!(seen.contains(&line), "{line} is missing in {seen}");
                }
                assert!(seen.contains("X-Client: 192.0.2.7\r\n"), "{seen}");
            }
        }
    }

    /// What nginx knows of a socket must be right when the rest is handed
    /// over: an event missed there is a request that hangs.
    fn no_event_is_lost_between_header_and_request(which) {
        let (_nginx, port) = server(which, "");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let whole = [&aws_header(VISITOR, LISTENER)[..], request].concat();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let whole = &whole;
                scope.spawn(move || {
                    for round in 0..200 {
                        let cut = 100 + (round * 7 + worker) % request.len();
                        let mut client = Client::connect(port);
                        client.send(&whole[..cut]).send(&whole[cut..]);
                        assert_eq!(client.response().status, 200);
                        client.send(&request[..cut - 100]).send(&request[cut - 100..]);
                        assert_eq!(client.response().status, 200);
                    }
                });
            }
        });
    }

    /// While the first request waits for its upstream, the rest of a second one
    /// comes, of which the beginning came with the header. The event is told
    /// once, and long before somebody wants to know.
    fn a_pipelined_request_in_two_pieces_is_read_whole(which) {
        let (asked, was_asked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let upstream = Upstream::start(move |mut stream| {
            asked.send(Request::read(&mut stream).head).expect("a test that listens");
            released.lock().expect("no panic").recv().expect("a release");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("nginx");
        });
        let mut site = Site::new(which);
        let port = site.port();
        // A buffer so small that what came is taken over bit by bit.
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       client_header_buffer_size 128; large_client_header_buffers 4 8k;
                       location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
            upstream.port()
        ));
        let _nginx = site.start();
        let first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let second =
            format!("GET /2 HTTP/1.1\r\nHost: a\r\nX-Filler: {}\r\n\r\n", "x".repeat(700));
        let (early, late) = second.split_at(500);

        let mut client = Client::connect(port);
        client.send([&v1(VISITOR, LISTENER)[..], first.as_bytes(), early.as_bytes()].concat());
        assert!(was_asked.recv().expect("a request").starts_with("GET /1 "));
        client.send(late).wait_until_read();
        release.send(()).expect("an upstream");
        assert_eq!(client.response().status, 204);
        let seen = was_asked.recv_timeout(realpeer_e2e::PATIENCE).expect("the second request");
        assert!(seen.starts_with("GET /2 ") && seen.contains(&"x".repeat(700)), "{seen}");
        release.send(()).expect("an upstream");
        assert_eq!(client.response().status, 204);
    }

    /// The same with eight requests, however small nginx's buffer for them is,
    /// over TCP and where stream has ended TLS, and for every event method.
    fn pipelined_requests_in_pieces_are_all_answered(which) {
        for method in methods(which) {
            for tls in [false, true] {
                if tls && which == Which::Debian {
                    // No `pass` before 1.25.5.
                    continue;
                }
                pipelined(which, method, tls);
            }
        }
    }

    fn every_request_of_a_connection_sees_the_client(which) {
        let (nginx, port) = server(which, "");
        let mut client = Client::connect(port);
        let balancer = client.local().port().to_string();
        client.send(v1(VISITOR, LISTENER));
        for _ in 0..3 {
            let answer = client.get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            assert_eq!(answer.var("remote_port"), "4321");
            assert_eq!(answer.var("proxy_port"), balancer);
        }
        drop(client);
        realpeer_e2e::wait_until("three lines", || {
            (nginx.access_log().lines().count() == 3).then_some(())
        });
        let line = format!("192.0.2.7:4321 proxy require 127.0.0.1:{balancer} 200 ");
        assert!(nginx.access_log().lines().all(|each| each.starts_with(&line)));
    }

    /// Half-closed by a client that has said all it has to say.
    fn an_end_behind_the_request_does_not_stop_the_answer(which) {
        let (nginx, port) = server(which, "");
        let header = v1(VISITOR, LISTENER);
        let request = b"GET / HTTP/1.0\r\n\r\n";
        for cut in [0, 10, header.len()] {
            let mut client = Client::connect(port);
            client.send_pieces([&header[..cut]]);
            client.send([&header[cut..], request].concat()).finish();
            let answer = client.ending().response();
            assert_eq!(answer.var("remote_addr"), "192.0.2.7", "cut at {cut}");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// Puma, ntirpc and others took a second one.
    fn a_second_header_is_no_header(which) {
        let (nginx, port) = server(which, "");
        let (first, second) = (v1(VISITOR, LISTENER), v1("203.0.113.9:1", LISTENER));
        for second in [second, V2::proxy("203.0.113.9:1", LISTENER).build()] {
            let mut client = Client::connect(port);
            client.send([&first[..], &second].concat()).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().status, 400);

            let mut client = Client::connect(port);
            assert_eq!(client.send(&first).get("/").var("remote_addr"), "192.0.2.7");
            client.send(&second).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().status, 400);
        }
        let log = nginx.access_log();
        assert!(log.lines().all(|line| line.starts_with("192.0.2.7:4321 ")), "{log}");
        assert_eq!(nginx.refusals(), []);
    }

    /// HAProxy, ATS: the TLVs must not be read on into the request.
    fn what_follows_the_header_is_never_taken_for_a_tlv(which) {
        let (nginx, port) = server(which, "");
        // Eight bytes less in the length: the TLV is behind the header.
        let header = V2::proxy(VISITOR, LISTENER).tlv(0xEA, [b'x'; 5]).length(12).build();
        let mut client = Client::connect(port);
        client.send(&header).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().status, 400);
        drop(client);
        nginx.wait_for_access("192.0.2.7:4321 proxy require");
    }
}
