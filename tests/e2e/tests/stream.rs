//! Stream behind a header: everything that uses the client's address, and
//! bytes that go through untouched.

use std::io::{Read, Write};

use realpeer_e2e::{
    Client, Ending, Nginx, STREAM_PAGE, Site, Upstream, V2, Vars, Which, on_each_nginx,
    stream_return, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const OTHER: &str = "192.0.2.8:4321";
const LISTENER: &str = "198.51.100.1:443";

/// What a server that returns variables says to the visitor.
fn visit(port: u16) -> Vars {
    Client::connect(port).send(v1(VISITOR, LISTENER)).ending().vars()
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
             realpeer strip 127.0.0.4; realpeer_timeout 600s;
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
            let page = client.send(header).ending().vars();
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
        let page = Client::connect(without).ending().vars();
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
        let upstream = Upstream::mirror();
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
        let page = Client::connect(port).send(header).ending().vars();
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
            let page = Client::connect(port).send(&header).ending().vars();
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
        let page = Client::connect(port).send(V2::local().build()).ending().vars();
        assert_eq!(page.var("proxy_protocol_addr"), "");
        assert_eq!(page.var("remote_addr"), "127.0.0.1");
    }

    fn the_error_log_names_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        // Nobody listens on the port of an upstream that has ended.
        let gone = Upstream::mirror().port();
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
        // listening address as it is (nginx#1609). Where the two differ it is
        // given the header's destination: tests/families.rs has each pair.
        let (line, _) = told("127.0.0.1", port, &ipv6);
        assert_eq!(line, "PROXY TCP6 2001:db8::7 2001:db8::1 4321 443\r\n");
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
