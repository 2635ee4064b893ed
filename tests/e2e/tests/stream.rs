//! Stream behind a header: everything that uses the client's address, and
//! bytes that go through untouched.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use realpeer_e2e::{
    Authority, Client, Ending, Nginx, STREAM_PAGE, Site, TlsClient, Upstream, V2, Vars, Which,
    on_each_nginx, stream_return, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const OTHER: &str = "192.0.2.8:4321";
const LISTENER: &str = "198.51.100.1:443";

fn vars(ending: &Ending) -> Vars {
    match ending {
        Ending::Answered(bytes) => Vars::new(bytes),
        Ending::Unanswered => panic!("closed without a byte"),
    }
}

/// What a server that returns variables says to the visitor.
fn visit(port: u16) -> Vars {
    vars(&Client::connect(port).send(v1(VISITOR, LISTENER)).ending())
}

/// Sends back what it gets.
fn echo() -> Upstream {
    Upstream::start(|mut stream| {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    })
}

/// Sends back the first line it gets, and closes.
fn echo_line() -> Upstream {
    Upstream::start(|mut stream| {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && matches!(stream.read(&mut byte), Ok(1)) {
            line.push(byte[0]);
        }
        // A client that has gone away is the test's own doing.
        let _ = stream.write_all(&line);
    })
}

/// Speaks first, and counts who came.
fn greeter() -> (Upstream, Arc<AtomicUsize>) {
    let met = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&met);
    let upstream = Upstream::start(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(b"welcome");
        let _ = stream.read(&mut [0]);
    });
    (upstream, met)
}

fn must_greet(client: &mut Client) {
    let mut greeting = [0; 7];
    client.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(&greeting, b"welcome");
}

fn text(ending: Ending) -> String {
    match ending {
        Ending::Answered(bytes) => String::from_utf8(bytes).expect("text"),
        Ending::Unanswered => String::new(),
    }
}

fn wait_for_lines(nginx: &Nginx, log: &str, lines: usize) -> String {
    wait_until("lines in a log", || {
        let text = nginx.log(log);
        (text.lines().count() == lines).then_some(text)
    })
}

on_each_nginx! {
    fn every_variable_has_its_value(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("variables.log").display().to_string();
        site.stream(format!(
            "realpeer require 127.0.0.1; realpeer direct 127.0.0.2; realpeer optional 127.0.0.3;
             realpeer strip 127.0.0.4; realpeer_timeout 30s;
             log_format variables '$realpeer_result $realpeer_policy $realpeer_version \
                 $realpeer_addr $realpeer_port $realpeer_server_addr $realpeer_server_port \
                 $realpeer_proxy_addr $realpeer_tlv_authority $realpeer_tlv_hex_0x02';
             server {{ listen 127.0.0.1:{port}; access_log {log} variables; {STREAM_PAGE} }}"
        ));
        let nginx = site.start();
        let named = V2::proxy(VISITOR, LISTENER).tlv(0x02, b"www.example").build();
        let local = V2::local().build();
        let (visitor, own) = ("192.0.2.7 4321 198.51.100.1 443", "- - - -");
        let cases: [(&str, &[u8], String); 8] = [
            ("127.0.0.1", &named, format!("proxy require 2 {visitor} 127.0.0.1 www.example 7777772e6578616d706c65")),
            ("127.0.0.1", &v1(VISITOR, LISTENER), format!("proxy require 1 {visitor} 127.0.0.1 - -")),
            ("127.0.0.1", &local, format!("local require 2 {own} 127.0.0.1 - -")),
            ("127.0.0.2", &named, format!("direct direct - {own} 127.0.0.2 - -")),
            ("127.0.0.3", &named, format!("proxy optional 2 {visitor} 127.0.0.3 www.example 7777772e6578616d706c65")),
            ("127.0.0.3", b"hello, world", format!("absent optional - {own} 127.0.0.3 - -")),
            ("127.0.0.4", &local, "stripped strip 2".into()),
            ("127.0.0.4", b"hello, world", format!("absent strip - {own} 127.0.0.4 - -")),
        ];
        for (number, (source, header, line)) in cases.iter().enumerate() {
            let mut client = Client::from(source, port);
            let peer = client.local();
            let page = vars(&client.send(header).ending());
            let log = wait_for_lines(&nginx, "variables.log", number + 1);
            let logged = log.lines().last().expect("a line");
            assert!(logged.starts_with(line), "{source}: {logged} instead of {line}");
            // What is logged is what was said.
            let said = ["result", "policy", "version", "addr", "port", "server_addr", "server_port"]
                .map(|name| Some(page.var(name)).filter(|value| !value.is_empty()))
                .map(|value| value.unwrap_or_else(|| "-".into()));
            assert!(logged.starts_with(&said.join(" ")), "{source}: {said:?}");
            assert_eq!(page.var("proxy_addr"), *source);
            assert_eq!(page.var("proxy_port"), peer.port().to_string());
            if logged.starts_with("proxy") {
                assert_eq!(page.var("remote_addr"), "192.0.2.7");
                assert_eq!(page.var("remote_port"), "4321");
            } else {
                assert_eq!(page.var("remote_addr"), *source);
                assert_eq!(page.var("remote_port"), peer.port().to_string());
            }
        }
        assert_eq!(nginx.refusals(), []);
    }

    fn a_listener_without_a_policy_is_left_alone(which) {
        let mut site = Site::new(which);
        let (with, without) = (site.port(), site.port());
        site.stream(format!(
            "server {{ listen 127.0.0.1:{with}; realpeer require all; {STREAM_PAGE} }}
             server {{ listen 127.0.0.1:{without}; {STREAM_PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(visit(with).var("remote_addr"), "192.0.2.7");
        let page = vars(&Client::connect(without).ending());
        assert_eq!(page.var("remote_addr"), "127.0.0.1");
        for name in ["result", "policy", "version", "addr", "port", "proxy_addr", "proxy_port"] {
            assert_eq!(page.var(name), "", "{name}");
        }
        assert_eq!(nginx.refusals(), []);
    }

    fn allow_and_deny_see_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       allow 192.0.2.7; deny all; {STREAM_PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(visit(port).var("result"), "proxy");
        Client::connect(port).send(v1(OTHER, LISTENER)).must_be_closed();
        let line = nginx.wait_for_error("access forbidden by rule");
        assert!(line.contains("client: 192.0.2.8,"), "{line}");
        let log = wait_for_lines(&nginx, "stream.log", 2);
        assert!(log.contains("192.0.2.8:4321 proxy require 127.0.0.1:"), "{log}");
        assert!(log.ends_with(" 403\n"), "{log}");
    }

    fn limit_conn_counts_clients_not_balancers(which) {
        let upstream = echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "limit_conn_zone $binary_remote_addr zone=clients:1m;
             server {{ listen 127.0.0.1:{port}; realpeer require all; limit_conn clients 1;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let nginx = site.start();
        let must_echo = |from| {
            let mut client = Client::connect(port);
            client.send(v1(from, LISTENER)).send("word");
            let mut word = [0; 4];
            client.read_exact(&mut word).expect("an echo");
            client
        };
        let _first = must_echo(VISITOR);
        Client::connect(port).send(v1(VISITOR, LISTENER)).must_be_closed();
        let _second = must_echo(OTHER);
        let line = nginx.wait_for_error("limiting connections");
        assert!(line.contains("client: 192.0.2.7,"), "{line}");
    }

    fn addresses_in_every_form_are_the_client_s(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("binary.log").display().to_string();
        let page = stream_return(&["remote_addr", "remote_port", "place", "named"]);
        site.stream(format!(
            "log_format binary '<$binary_remote_addr>';
             geo $place {{ default elsewhere; 192.0.2.0/24 here; 127.0.0.0/8 balancer; }}
             map $remote_addr $named {{ default nobody; 192.0.2.7 visitor; }}
             server {{ listen 127.0.0.1:{port}; access_log {log} binary;
                       realpeer require all; {page} }}"
        ));
        let nginx = site.start();
        let page = visit(port);
        assert_eq!(page.var("remote_addr"), "192.0.2.7");
        assert_eq!(page.var("remote_port"), "4321");
        assert_eq!(page.var("place"), "here");
        assert_eq!(page.var("named"), "visitor");
        let header = v1("[2001:db8::7]:1", "[2001:db8::1]:2");
        let page = vars(&Client::connect(port).send(header).ending());
        assert_eq!(page.var("remote_addr"), "2001:db8::7");
        assert_eq!(page.var("place"), "elsewhere");
        let zeroes = r"\x00".repeat(11);
        assert_eq!(
            wait_for_lines(&nginx, "binary.log", 2),
            format!("<\\xC0\\x00\\x02\\x07>\n< \\x01\\x0D\\xB8{zeroes}\\x07>\n"),
        );
    }

    fn nginx_own_variables_and_realip_work(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let mut names = vec![
            "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr",
            "proxy_protocol_server_port", "remote_addr", "realip_remote_addr",
        ];
        if which == Which::Built {
            names.push("proxy_protocol_tlv_0xea");
        }
        let page = stream_return(&names);
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       set_real_ip_from 127.0.0.0/8; {page} }}"
        ));
        let _nginx = site.start();
        let header = V2::proxy(VISITOR, LISTENER).tlv(0xEA, b"\x01vpce-1").build();
        for header in [v1(VISITOR, LISTENER), header] {
            let page = vars(&Client::connect(port).send(&header).ending());
            assert_eq!(page.var("proxy_protocol_addr"), "192.0.2.7");
            assert_eq!(page.var("proxy_protocol_port"), "4321");
            assert_eq!(page.var("proxy_protocol_server_addr"), "198.51.100.1");
            assert_eq!(page.var("proxy_protocol_server_port"), "443");
            assert_eq!(page.var("remote_addr"), "192.0.2.7");
            assert_eq!(page.var("realip_remote_addr"), "192.0.2.7");
            if which == Which::Built && header[0] == b'\r' {
                assert_eq!(page.var("proxy_protocol_tlv_0xea"), "\u{1}vpce-1");
            }
        }
        let page = vars(&Client::connect(port).send(V2::local().build()).ending());
        assert_eq!(page.var("proxy_protocol_addr"), "");
        assert_eq!(page.var("remote_addr"), "127.0.0.1");
    }

    fn the_error_log_names_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        // Nobody listens on the port of an upstream that has ended.
        let gone = echo().port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       proxy_pass 127.0.0.1:{gone}; }}"
        ));
        let nginx = site.start();
        Client::connect(port).send(v1(VISITOR, LISTENER)).must_be_closed();
        let line = nginx.wait_for_error("connect() failed");
        assert!(line.contains("client: 192.0.2.7, server: "), "{line}");
    }

    fn the_backend_is_told_the_client_by_proxy_protocol(which) {
        let upstream = echo_line();
        let mut site = Site::new(which);
        let (port, port6) = (site.port(), site.port());
        site.stream(format!(
            "realpeer require 127.0.0.1 ::1; realpeer optional 127.0.0.3; proxy_protocol on;
             server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{}; }}
             server {{ listen [::1]:{port6}; proxy_pass 127.0.0.1:{}; }}",
            upstream.port(), upstream.port()
        ));
        let _nginx = site.start();
        let told = |source: &str, port, header: &[u8]| {
            let mut client = Client::from(source, port);
            let own = client.local();
            (text(client.send(header).ending()), own.port())
        };
        let (line, _) = told("127.0.0.1", port, &v1(VISITOR, LISTENER));
        assert_eq!(line, format!("PROXY TCP4 192.0.2.7 127.0.0.1 4321 {port}\r\n"));
        let ipv6 = V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build();
        let (line, _) = told("::1", port6, &ipv6);
        assert_eq!(line, format!("PROXY TCP6 2001:db8::7 ::1 4321 {port6}\r\n"));
        let (line, own) = told("127.0.0.1", port, &V2::local().build());
        assert_eq!(line, format!("PROXY TCP4 127.0.0.1 127.0.0.1 {own} {port}\r\n"));
        let (line, own) = told("127.0.0.3", port, b"hello, world\n");
        assert_eq!(line, format!("PROXY TCP4 127.0.0.3 127.0.0.1 {own} {port}\r\n"));

        // nginx takes the family from the client's address and writes its own
        // listening address as it is (nginx#1609), so that a client and a
        // listener of different families give a line that is not valid. That
        // is nginx's, and the same with its own proxy_protocol.
        let (line, _) = told("127.0.0.1", port, &ipv6);
        assert_eq!(line, format!("PROXY TCP6 2001:db8::7 127.0.0.1 4321 {port}\r\n"));
    }

    fn ssl_preread_finds_the_server_name_behind_the_header(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "map $ssl_preread_server_name $chosen {{ default other; localhost right; }}
             server {{ listen 127.0.0.1:{port}; realpeer require all; ssl_preread on;
                       {} }}",
            stream_return(&["chosen", "ssl_preread_server_name", "remote_addr", "realpeer_result"])
        ));
        let _nginx = site.start();
        let check = |ending: &Ending, how: &str| {
            let page = vars(ending);
            assert_eq!(page.var("ssl_preread_server_name"), "localhost", "{how}");
            assert_eq!(page.var("chosen"), "right", "{how}");
            assert_eq!(page.var("remote_addr"), "192.0.2.7", "{how}");
        };
        let headers = [
            v1(VISITOR, LISTENER),
            V2::proxy(VISITOR, LISTENER).checksum().padded_to(3000).build(),
        ];
        for header in &headers {
            let fused = TlsClient::fused(Client::connect(port), &authority, header);
            check(&fused.raw_ending_after_hello(), "fused");

            let mut client = Client::connect(port);
            client.send_pieces([&header[..]]);
            let apart = TlsClient::over(client, &authority);
            check(&apart.raw_ending_after_hello(), "apart");

            let mut client = Client::connect(port);
            client.send_pieces([&header[..13]]);
            let cut = TlsClient::fused(client, &authority, &header[13..]);
            check(&cut.raw_ending_after_hello(), "header cut, the rest fused");

            let hello = TlsClient::first_record(&authority);
            for cut in [1, 5, 60, hello.len() - 1] {
                let mut client = Client::connect(port);
                client.send_pieces([&[&header[..], &hello[..cut]].concat()[..]]);
                check(&client.send(&hello[cut..]).ending(), "fused, then cut");
            }
        }
    }

    fn tls_can_end_here(which) {
        let authority = Authority::new();
        let upstream = echo();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port} ssl; {certificate} realpeer require all;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut apart = Client::connect(port);
        apart.send_pieces(header.chunks(9));
        for mut tls in [
            TlsClient::over(apart, &authority),
            TlsClient::fused(Client::connect(port), &authority, &header),
        ] {
            for word in [b"one", b"two"] {
                tls.send(word);
                let mut echoed = [0; 3];
                tls.read_exact(&mut echoed).expect("an echo");
                assert_eq!(&echoed, word);
            }
        }
        // nginx#274: a handshake that fails is logged with the client.
        let mut client = Client::connect(port);
        client.send(v1(OTHER, LISTENER)).send(b"\x16\x03\x01\x00\x04garb").finish().ending();
        let line = nginx.wait_for_error("SSL handshaking");
        assert!(line.contains("client: 192.0.2.8,"), "{line}");
        let log = wait_for_lines(&nginx, "stream.log", 3);
        assert_eq!(log.matches("192.0.2.7:4321 proxy require ").count(), 2, "{log}");
    }

    /// From nginx 1.25.5 on servers of stream can share an address.
    fn a_server_is_chosen_by_name_after_the_header(which) {
        if which == Which::Debian {
            return;
        }
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "{certificate}
             server {{ listen 127.0.0.1:{port} ssl; server_name other; realpeer require all;
                       return other; }}
             server {{ listen 127.0.0.1:{port} ssl; server_name localhost; {STREAM_PAGE} }}"
        ));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut tls = TlsClient::fused(Client::connect(port), &authority, &header);
        let page = vars(&tls.ending());
        assert_eq!(page.var("remote_addr"), "192.0.2.7");
        assert_eq!(page.var("policy"), "require");
        TlsClient::over(Client::connect(port), &authority).raw_ending_after_hello();
        assert_eq!(nginx.refusal().result, "no_header");
    }

    fn a_mebibyte_goes_both_ways_fused_with_the_header(which) {
        let upstream = echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require 127.0.0.1;
                       realpeer optional 127.0.0.3; realpeer direct 127.0.0.2;
                       realpeer strip 127.0.0.4; proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let nginx = site.start();
        let payload: Vec<u8> = (0u32..).flat_map(u32::to_be_bytes).take(1 << 20).collect();
        let v2 = V2::proxy(VISITOR, LISTENER).checksum().padded_to(2000).build();
        for (source, header) in [
            ("127.0.0.1", &v1(VISITOR, LISTENER)[..]),
            ("127.0.0.1", &v2),
            ("127.0.0.2", b""),
            ("127.0.0.3", b""),
            ("127.0.0.3", &v2),
            ("127.0.0.4", &v2),
        ] {
            let mut stream = Client::from(source, port).into_stream();
            let mut sender = stream.try_clone().expect("a second handle");
            let sent = [header, &payload].concat();
            let writer = std::thread::spawn(move || sender.write_all(&sent).expect("nginx"));
            let mut echoed = vec![0; payload.len()];
            stream.read_exact(&mut echoed).expect("an echo");
            writer.join().expect("no panic");
            assert!(echoed == payload, "{source}: not what was sent");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// A second header is the backend's, and so is all that looks like a TLV
    /// behind the first.
    fn what_follows_the_header_is_the_backend_s(which) {
        let upstream = echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let _nginx = site.start();
        let first = V2::proxy(VISITOR, LISTENER).build();
        for behind in [v1(OTHER, LISTENER), first.clone(), b"\x04\0\x01x".to_vec()] {
            let whole = [&first[..], &behind].concat();
            for cut in 0..whole.len() {
                let mut client = Client::connect(port);
                client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
                let mut echoed = vec![0; behind.len()];
                client.read_exact(&mut echoed).expect("an echo");
                assert_eq!(echoed, behind, "cut at {cut}");
            }
        }
    }

    fn with_require_nobody_speaks_before_the_header_is_whole(which) {
        let (upstream, met) = greeter();
        let mut site = Site::new(which);
        let (port, page) = (site.port(), site.port());
        site.stream(format!(
            "realpeer require all; realpeer_timeout 600s;
             server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{}; }}
             server {{ listen 127.0.0.1:{page}; {STREAM_PAGE} }}",
            upstream.port()
        ));
        let nginx = site.start();
        let header = V2::proxy(VISITOR, LISTENER).checksum().build();
        let mut client = Client::connect(port);
        for byte in &header {
            // Whatever the worker had to do for the byte before, it has done
            // once it has served somebody else.
            visit(page);
            assert!(client.is_quiet(), "something was said before the header was whole");
            assert_eq!(met.load(Ordering::SeqCst), 0, "the backend was asked too early");
            client.send([*byte]).wait_until_read();
        }
        must_greet(&mut client);
        assert_eq!(met.load(Ordering::SeqCst), 1);
        // One that is refused never meets it.
        Client::connect(port).send("hello, world").must_be_closed();
        Client::connect(port).finish().must_be_closed();
        visit(page);
        assert_eq!(met.load(Ordering::SeqCst), 1);
        assert_eq!(nginx.refusals().len(), 2);
    }

    fn with_optional_the_greeting_comes_when_the_time_has_passed(which) {
        let (upstream, met) = greeter();
        let mut site = Site::new(which);
        let (patient, hasty, page) = (site.port(), site.port(), site.port());
        site.stream(format!(
            "realpeer optional 127.0.0.3; realpeer strip 127.0.0.4; realpeer require 127.0.0.1;
             server {{ listen 127.0.0.1:{patient}; realpeer_timeout 600s;
                       proxy_pass 127.0.0.1:{}; }}
             server {{ listen 127.0.0.1:{hasty}; realpeer_timeout 300ms;
                       proxy_pass 127.0.0.1:{}; }}
             server {{ listen 127.0.0.1:{page}; {STREAM_PAGE} }}",
            upstream.port(), upstream.port()
        ));
        let nginx = site.start();
        for (source, result) in [("127.0.0.3", "proxy optional"), ("127.0.0.4", "stripped strip")] {
            // Where there is time, nobody is in a hurry.
            let mut waiting = Client::from(source, patient);
            let before = met.load(Ordering::SeqCst);
            visit(page);
            assert!(waiting.is_quiet(), "{source}: greeted before the time had passed");
            assert_eq!(met.load(Ordering::SeqCst), before, "{source}");

            // Where it has passed, the greeting comes to one that says nothing,
            let mut silent = Client::from(source, hasty);
            must_greet(&mut silent);
            drop(silent);
            nginx_says(&nginx, &format!("{source}:"), "absent");

            // and the one that came first still waits, until its header.
            assert!(waiting.is_quiet(), "{source}: greeted before the time had passed");
            waiting.send(v1(VISITOR, LISTENER));
            must_greet(&mut waiting);
            drop(waiting);
            nginx_says(&nginx, "", result);
        }
        // Half a header is none, and nobody is greeted.
        Client::from("127.0.0.3", hasty).send("PROXY TCP4 ").must_be_closed();
        assert_eq!(nginx.refusal().result, "timeout");
    }

    fn a_direct_source_is_greeted_at_once(which) {
        let (upstream, _) = greeter();
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer direct 127.0.0.2; realpeer_timeout 600s;
                       realpeer require all; proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let _nginx = site.start();
        must_greet(&mut Client::from("127.0.0.2", port));
    }

    fn a_policy_leaves_udp_alone(which) {
        let mut site = Site::new(which);
        let port = site.port();
        // The claim on the port is a UDP socket of another address.
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{port} udp;
                       realpeer require all; {STREAM_PAGE} }}"
        ));
        let nginx = site.start();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(realpeer_e2e::PATIENCE)).expect("an option");
        socket.send_to(b"hello", ("127.0.0.1", port)).expect("a listener");
        let mut answer = [0; 1024];
        let length = socket.recv(&mut answer).expect("an answer");
        let page = Vars::new(&answer[..length]);
        assert_eq!(page.var("remote_addr"), "127.0.0.1");
        assert_eq!(page.var("result"), "");
        assert_eq!(visit(port).var("remote_addr"), "192.0.2.7");
        assert!(nginx.stderr().contains("\"realpeer\" covers TCP only"), "{}", nginx.stderr());
    }
}

/// A line about `client` in stream's log that has `what` in it.
fn nginx_says(nginx: &Nginx, client: &str, what: &str) {
    wait_until(&format!("{client} {what}"), || {
        let log = nginx.log("stream.log");
        log.lines().any(|line| line.starts_with(client) && line.contains(what)).then_some(())
    });
}
