//! Which policy rules where: default servers, inheritance, wildcards, and
//! every kind of listener.

use std::net::{IpAddr, SocketAddr};

use realpeer_e2e::{
    Authority, Client, Ending, NATIVE_PAGE, Nginx, PAGE, Site, TlsClient, V2, get_on_unix_socket,
    location, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

fn visit(port: u16) -> String {
    Client::connect(port).send(v1(VISITOR, LISTENER)).get("/").var("remote_addr")
}

fn get_host(client: &mut Client, host: &str) -> realpeer_e2e::Response {
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn only_refusal(nginx: &Nginx, result: &str) -> String {
    let refusal = nginx.refusal();
    assert_eq!(refusal.result, result);
    refusal.listener
}

on_each_nginx! {
    fn a_listener_without_a_policy_is_left_alone(which) {
        let mut site = Site::new(which);
        let (with, without) = (site.port(), site.port());
        site.http(format!(
            "server {{ listen 127.0.0.1:{with}; realpeer require all; {PAGE} }}
             server {{ listen 127.0.0.1:{without}; {PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(visit(with), "192.0.2.7");
        let answer = Client::connect(without).get("/");
        assert_eq!(answer.var("remote_addr"), "127.0.0.1");
        for name in ["result", "policy", "version", "addr", "port", "proxy_addr", "proxy_port"] {
            assert_eq!(answer.var(name), "", "{name}");
        }
        let mut client = Client::connect(without);
        client.send(v1(VISITOR, LISTENER));
        assert_eq!(client.response().status, 400);
        assert_eq!(nginx.refusals(), []);
    }

    fn nginx_own_proxy_protocol_works_beside_ours(which) {
        let mut site = Site::new(which);
        let (ours, native) = (site.port(), site.port());
        site.http(format!(
            "server {{ listen 127.0.0.1:{ours}; realpeer require all; {PAGE} }}
             server {{ listen 127.0.0.1:{native} proxy_protocol; {NATIVE_PAGE} }}"
        ));
        let _nginx = site.start();
        assert_eq!(visit(ours), "192.0.2.7");
        let answer = Client::connect(native).send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("proxy_protocol_addr"), "192.0.2.7");
        assert_eq!(answer.var("remote_addr"), "127.0.0.1");
    }

    fn the_default_server_rules_for_all_on_its_address(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; server_name first; realpeer require all; {PAGE} }}
             server {{ listen 127.0.0.1:{port}; server_name second; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        for host in ["first", "second", "third"] {
            assert_eq!(get_host(&mut client, host).var("remote_addr"), "192.0.2.7", "{host}");
            assert_eq!(get_host(&mut client, host).var("policy"), "require", "{host}");
        }
        let mut client = Client::connect(port);
        client.send("GET / HTTP/1.1\r\nHost: second\r\n\r\n").must_be_closed();
        assert_eq!(only_refusal(&nginx, "no_header"), format!("127.0.0.1:{port}"));
    }

    fn rules_of_http_are_inherited(which) {
        let mut site = Site::new(which);
        let (inheriting, own, off) = (site.port(), site.port(), site.port());
        site.http(format!(
            "realpeer require 127.0.0.1; realpeer_timeout 600s;
             server {{ listen 127.0.0.1:{inheriting}; {PAGE} }}
             server {{ listen 127.0.0.1:{own}; realpeer optional 127.0.0.2; {PAGE} }}
             server {{ listen 127.0.0.1:{off}; realpeer off; {PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(visit(inheriting), "192.0.2.7");
        // Replaced as a whole: 127.0.0.1 is nobody here.
        Client::connect(own).send(v1(VISITOR, LISTENER)).must_be_closed();
        assert_eq!(only_refusal(&nginx, "untrusted"), format!("127.0.0.1:{own}"));
        assert_eq!(Client::from("127.0.0.2", own).get("/").var("result"), "absent");
        let answer = Client::connect(off).get("/");
        assert_eq!(answer.var("remote_addr"), "127.0.0.1");
        assert_eq!(answer.var("result"), "");
    }

    fn each_setting_is_inherited_by_itself(which) {
        let mut site = Site::new(which);
        let (first, second) = (site.port(), site.port());
        site.http(format!(
            "realpeer_max_header 52; realpeer_versions 2; realpeer_no_address refuse;
             server {{ listen 127.0.0.1:{first}; realpeer require all; {PAGE} }}
             server {{ listen 127.0.0.1:{second}; realpeer require all;
                       realpeer_versions 1 2; {PAGE} }}"
        ));
        let nginx = site.start();
        let bare = V2::proxy(VISITOR, LISTENER).build();
        let long = V2::proxy(VISITOR, LISTENER).padded_to(53).build();
        let last = || nginx.refusals().pop().expect("a refusal").result;
        for port in [first, second] {
            assert_eq!(Client::connect(port).send(&bare).get("/").var("result"), "proxy");
            Client::connect(port).send(&long).must_be_closed();
            assert_eq!(last(), "too_long");
            Client::connect(port).send(V2::raw(0x21, 0, &[]).build()).must_be_closed();
            assert_eq!(last(), "no_address");
        }
        Client::connect(first).send(v1(VISITOR, LISTENER)).must_be_closed();
        assert_eq!(last(), "version_disallowed");
        assert_eq!(visit(second), "192.0.2.7");
    }

    /// nginx makes one socket of a wildcard and the addresses it covers.
    fn a_wildcard_and_an_address_of_one_port_have_policies_of_their_own(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let page = |name: &str| {
            format!("location / {{ return 200 \"server={name}\nremote_addr=$remote_addr\n\
                     result=$realpeer_result\n\"; }}")
        };
        site.http(format!(
            "server {{ listen {port}; realpeer require all; {} }}
             server {{ listen 127.0.0.2:{port}; realpeer optional all; {} }}
             server {{ listen 127.0.0.3:{port}; {} }}",
            page("wildcard"), page("optional"), page("plain")
        ));
        let nginx = site.start();
        let to = |target: &str| {
            Client::between(ip("127.0.0.1"), SocketAddr::new(ip(target), port))
        };
        let answer = to("127.0.0.1").send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("server"), "wildcard");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        let answer = to("127.0.0.2").get("/");
        assert_eq!(answer.var("server"), "optional");
        assert_eq!(answer.var("result"), "absent");
        let answer = to("127.0.0.2").send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        let answer = to("127.0.0.3").get("/");
        assert_eq!(answer.var("server"), "plain");
        assert_eq!(answer.var("result"), "");

        to("127.0.0.4").send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").must_be_closed();
        assert_eq!(only_refusal(&nginx, "no_header"), format!("0.0.0.0:{port}"));
    }

    fn ipv6_listeners_and_sources(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen [::1]:{port}; realpeer require ::1/128; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut client = Client::from("::1", port);
        let own = client.local();
        let answer = client.send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("proxy_addr"), "::1");
        assert_eq!(answer.var("proxy_port"), own.port().to_string());
        let header = V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build();
        let answer = Client::from("::1", port).send(header).get("/");
        assert_eq!(answer.var("remote_addr"), "2001:db8::7");
        let mut client = Client::from("::1", port);
        let own = client.local();
        client.send("GET / HTTP/1.1\r\n\r\n").must_be_closed();
        let refusal = nginx.refusal();
        assert_eq!(refusal.peer, own.to_string());
        assert_eq!(refusal.listener, format!("[::1]:{port}"));
    }

    /// Peers of a dual-stack socket are v4-mapped; rules are written for IPv4.
    fn ipv4_rules_match_peers_of_a_dual_stack_socket(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen [::]:{port} ipv6only=off;
                       realpeer require 127.0.0.0/29; realpeer direct ::1; {PAGE} }}"
        ));
        let nginx = site.start();
        let answer = Client::from("127.0.0.2", port).send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("policy"), "require");
        assert_eq!(Client::from("::1", port).get("/").var("policy"), "direct");
        Client::from("127.0.0.9", port).send(v1(VISITOR, LISTENER)).must_be_closed();
        assert_eq!(nginx.refusal().result, "untrusted");
    }

    fn unix_listeners_match_unix_rules(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let socket = site.dir().join("socket");
        let strict = site.dir().join("strict");
        let page = location(
            "/",
            &["remote_addr", "realpeer_result", "realpeer_policy", "realpeer_proxy_addr"],
        );
        site.http(format!(
            "server {{ listen unix:{}; realpeer require unix:; {page} }}
             server {{ listen unix:{}; realpeer require 127.0.0.1; {page} }}
             server {{ listen 127.0.0.1:{port}; realpeer require unix:; {page} }}",
            socket.display(), strict.display()
        ));
        let nginx = site.start();
        for header in [v1(VISITOR, LISTENER), V2::proxy(VISITOR, LISTENER).build()] {
            let answer = get_on_unix_socket(&socket, &header, "/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            assert_eq!(answer.var("realpeer_policy"), "require");
            assert_eq!(answer.var("realpeer_proxy_addr"), "unix:");
        }
        let answer = get_on_unix_socket(&socket, &V2::local().build(), "/");
        assert_eq!(answer.var("realpeer_result"), "local");
        assert_eq!(answer.var("remote_addr"), "unix:");

        // A rule for unix is none for addresses, and the reverse.
        Client::connect(port).send(v1(VISITOR, LISTENER)).must_be_closed();
        assert_eq!(nginx.refusals().pop().expect("a refusal").result, "untrusted");
        let mut stream = std::os::unix::net::UnixStream::connect(&strict).expect("a listener");
        let mut answer = Vec::new();
        let read = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(read.is_err() || answer.is_empty(), "{answer:?}");
        assert_eq!(nginx.refusals().len(), 2);
        assert_eq!(nginx.refusals().pop().expect("a refusal").result, "untrusted");
    }

    fn all_matches_unix_peers_too(which) {
        let site = Site::new(which);
        let socket = site.dir().join("socket");
        let mut site = site;
        site.http(format!("server {{ listen unix:{}; realpeer require all; {} }}",
            socket.display(), location("/", &["remote_addr"])));
        let _nginx = site.start();
        let answer = get_on_unix_socket(&socket, &v1(VISITOR, LISTENER), "/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
    }

    fn reuseport_wraps_every_worker_s_socket(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.main("worker_processes 4;");
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} reuseport; realpeer require all; {PAGE} }}"
        ));
        let mut nginx = site.start();
        let mut seen = std::collections::HashSet::new();
        for attempt in 0.. {
            assert!(attempt < 2000, "only {} of 4 workers were met", seen.len());
            let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            seen.insert(answer.var("pid"));
            if seen.len() == 4 {
                break;
            }
        }
        nginx.quit();
    }

    fn a_deferred_listener_reads_what_is_there_already(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} deferred; realpeer require all; {PAGE} }}"
        ));
        let _nginx = site.start();
        assert_eq!(visit(port), "192.0.2.7");
        let header = v1(VISITOR, LISTENER);
        let mut client = Client::connect(port);
        client.send_pieces([&header[..10]]).send(&header[10..]);
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
    }

    fn a_single_process_works(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.main("master_process off;");
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; {PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(visit(port), "192.0.2.7");
        Client::connect(port).send("GET / HTTP/1.1\r\n\r\n").must_be_closed();
        assert_eq!(nginx.refusal().result, "no_header");
        assert_eq!(visit(port), "192.0.2.7");
    }

    fn listeners_of_stream_are_not_ours(which) {
        // Debian's stream is a module of its own.
        if which == realpeer_e2e::Which::Debian {
            return;
        }
        let mut site = Site::new(which);
        let (http, stream) = (site.port(), site.port());
        site.main(&format!(
            "worker_processes 1; stream {{ server {{ listen 127.0.0.1:{stream};
                                                     return $remote_addr; }} }}"
        ));
        site.http(format!(
            "realpeer require all; server {{ listen 127.0.0.1:{http}; {PAGE} }}"
        ));
        let nginx = site.start();
        assert_eq!(Client::connect(stream).ending(), Ending::Answered(b"127.0.0.1".to_vec()));
        assert_eq!(visit(http), "192.0.2.7");
        assert_eq!(nginx.refusals(), []);
    }

    /// The old way to ask for TLS, which 1.25.1 took away.
    fn ssl_on_is_tls_too(which) {
        if which == realpeer_e2e::Which::Built {
            return;
        }
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; ssl on; {certificate} realpeer require all;
                       {PAGE} }}"
        ));
        let _nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let tls = TlsClient::fused(Client::connect(port), &authority, &header).get("/");
        assert_eq!(tls.var("remote_addr"), "192.0.2.7");
        assert_eq!(tls.var("scheme"), "https");
    }

    fn a_server_name_of_tls_is_chosen_after_the_header(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.http(format!(
            "{certificate}
             server {{ listen 127.0.0.1:{port} ssl; server_name other; realpeer require all;
                       return 204; }}
             server {{ listen 127.0.0.1:{port} ssl; server_name localhost; {PAGE} }}"
        ));
        let _nginx = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        let answer = TlsClient::over(client, &authority).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("policy"), "require");
    }
}
