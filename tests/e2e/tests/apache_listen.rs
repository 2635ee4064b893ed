//! Which policy a connection to Apache gets: addresses, virtual hosts, and
//! connections that Apache makes itself.

use realpeer_e2e::{
    Apache, ApacheFront, ApacheSite, Authority, Client, Ending, Mpm, TlsClient, Upstream,
    on_each_mpm, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

fn to(address: &str, port: u16) -> Client {
    let source = if address.contains(':') { "::1" } else { "127.0.0.1" };
    let [source, address] = [source, address].map(|text| text.parse().expect("an address"));
    Client::between(source, std::net::SocketAddr::new(address, port))
}

/// What the server at that address takes for the client of a header.
fn seen(address: &str, port: u16) -> String {
    let mut client = to(address, port);
    client.send(v1(VISITOR, LISTENER));
    ApacheFront::plain().ask(client).client
}

/// The next refusal is on that listener.
fn must_refuse_at(apache: &Apache, address: &str, port: u16, listener: &str) {
    let mut client = to(address, port);
    let peer = client.local();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").must_be_closed();
    let refusals = apache.new_refusals();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0].result, "no_header");
    assert_eq!(refusals[0].listener, listener);
    assert_eq!(refusals[0].peer, peer.to_string());
}

fn host(address: &str, directives: &str) -> String {
    format!("<VirtualHost {address}>\n{directives}\n</VirtualHost>")
}

on_each_mpm! {
    /// Without any virtual host, the main server's rules are all there is.
    fn the_main_server_alone(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.port();
        site.config(format!("Listen 127.0.0.1:{port}\nRealPeer require all"));
        let apache = site.start();
        assert_eq!(seen("127.0.0.1", port), "192.0.2.7");
        must_refuse_at(&apache, "127.0.0.1", port, &format!("127.0.0.1:{port}"));
    }

    fn several_addresses_have_a_policy_each(mpm) {
        let mut site = ApacheSite::new(mpm);
        let (port, other) = (site.port(), site.port());
        site.config(format!(
            "Listen 127.0.0.1:{port}\nListen 127.0.0.2:{port}\nListen 127.0.0.3:{port}\n\
             Listen 127.0.0.1:{other}\nRealPeer strip all"
        ));
        site.config(host(&format!("127.0.0.1:{port}"), "RealPeer require all"));
        site.config(host(&format!("127.0.0.2:{port}"), "RealPeer off"));
        site.config(host(&format!("127.0.0.1:{other}"), ""));
        let apache = site.start();
        assert_eq!(seen("127.0.0.1", port), "192.0.2.7");
        assert_eq!(to("127.0.0.2", port).get("/").var("result"), "");
        // No virtual host has this one: the main server does.
        let mut client = to("127.0.0.3", port);
        assert_eq!(client.send(v1(VISITOR, LISTENER)).get("/").var("result"), "stripped");
        let mut client = to("127.0.0.1", other);
        assert_eq!(client.send(v1(VISITOR, LISTENER)).get("/").var("result"), "stripped");
        must_refuse_at(&apache, "127.0.0.1", port, &format!("127.0.0.1:{port}"));
    }

    /// A virtual host of an address goes before one of the wildcard.
    fn a_wildcard_and_an_address(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.port();
        site.config(format!("Listen 0.0.0.0:{port}"));
        site.config(host(&format!("*:{port}"), "RealPeer require all"));
        site.config(host(&format!("127.0.0.2:{port}"), "RealPeer strip all"));
        let apache = site.start();
        assert_eq!(seen("127.0.0.1", port), "192.0.2.7");
        assert_eq!(seen("127.0.0.2", port), "127.0.0.1");
        must_refuse_at(&apache, "127.0.0.3", port, &format!("127.0.0.3:{port}"));
    }

    fn ipv6_and_mapped_peers(mpm) {
        let mut site = ApacheSite::new(mpm);
        let (both, six) = (site.port(), site.port());
        // Without an address it is one socket of both families on Linux.
        site.config(format!("Listen {both}\nListen [::1]:{six}\nRealPeer direct ::1\nRealPeer require 127.0.0.1"));
        site.config(host(&format!("[::1]:{six}"), "RealPeer require ::1"));
        let apache = site.start();
        assert_eq!(seen("127.0.0.1", both), "192.0.2.7");
        assert_eq!(to("::1", both).get("/").var("result"), "direct");
        assert_eq!(to("::1", both).get("/").var("remote_addr"), "::1");
        assert_eq!(seen("::1", six), "192.0.2.7");
        must_refuse_at(&apache, "::1", six, &format!("[::1]:{six}"));
        must_refuse_at(&apache, "127.0.0.1", both, &format!("127.0.0.1:{both}"));
    }

    /// The host that is asked for is known only behind the header.
    fn virtual_hosts_by_name_share_the_policy_of_the_first(mpm) {
        for front in ApacheFront::both() {
            let mut site = ApacheSite::new(mpm);
            let port = front.host(&mut site, "ServerName first\nRealPeer require all");
            let tls = front.authority().map(|authority| site.certificate(authority));
            let log = site.dir().join("second.log").display().to_string();
            site.config(host(
                &format!("127.0.0.1:{port}"),
                &format!("ServerName localhost\n{}CustomLog {log} e2e", tls.unwrap_or_default()),
            ));
            let apache = site.start();
            // The harness asks for localhost.
            let seen = front.visit(port, &v1(VISITOR, LISTENER));
            assert_eq!(seen.client, "192.0.2.7");
            assert_eq!(seen.var("result").as_deref(), Some("proxy"));
            let line = apache.wait_for_line("second.log", "GET /");
            assert!(line.starts_with("192.0.2.7:4321 proxy require 127.0.0.1:"), "{line}");
        }
    }

    /// Its own connections are nobody's visits: Apache writes first on them.
    fn connections_that_mod_proxy_makes_are_left_alone(mpm) {
        let upstream = Upstream::echo();
        let authority = Authority::new();
        let mut site = ApacheSite::new(mpm);
        site.load("proxy");
        site.load("proxy_http");
        // In force wherever nothing else is said, the backends included.
        site.config("RealPeer require all\nRealPeerTimeout 5s");
        let plain = site.host("RealPeer direct 127.0.0.1");
        let tls = site.tls_host(&authority, "RealPeer direct 127.0.0.1");
        let refusing = site.host("RealPeer refuse all");
        let front = site.host(&format!(
            "SSLProxyEngine on\nSSLProxyVerify none\nSSLProxyCheckPeerName off\n\
             ProxyPass /plain http://127.0.0.1:{plain}/\nProxyPass /tls https://127.0.0.1:{tls}/\n\
             ProxyPass /echo http://127.0.0.1:{}/\nProxyPass /refusing http://127.0.0.1:{refusing}/",
            upstream.port(),
        ));
        let apache = site.start();
        let mut client = Client::connect(front);
        client.send(v1(VISITOR, LISTENER));
        for _ in 0..3 {
            for (path, scheme) in [("/plain", "http"), ("/tls", "https")] {
                // The backend sees this server as its client.
                let answer = client.get(path);
                assert_eq!(answer.var("remote_addr"), "127.0.0.1", "{path}");
                assert_eq!(answer.var("result"), "direct");
                assert_eq!(answer.var("scheme"), scheme);
            }
            let got = client.get("/echo").text();
            assert!(got.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{got}");
        }
        assert_eq!(apache.refusals(), []);
        // And a backend that refuses is one that does not answer.
        let mut client = Client::connect(front);
        assert_eq!(client.send(v1(VISITOR, LISTENER)).get("/refusing").status, 502);
        assert_eq!(apache.refusal().result, "untrusted");
    }

    fn with_mod_reqtimeout_the_times_follow_each_other(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("reqtimeout");
        let port = site.host("RealPeer require all\nRealPeerTimeout 600s\nTimeout 600\nRequestReadTimeout header=1");
        let apache = site.start();
        // In time with the header, and late with the request.
        let mut client = Client::connect(port);
        let own = client.local();
        client.send(v1(VISITOR, LISTENER)).send("GET / HT");
        client.ending();
        let line = apache.wait_for_access(" 408 ");
        assert!(line.starts_with("192.0.2.7:4321 proxy require "), "{line}");
        assert!(line.contains(&own.to_string()), "{line}");
        // Late with the header: that is not a request's time.
        let mut late = Client::connect(port);
        late.send("PROXY TCP4 ");
        let header = v1(VISITOR, LISTENER);
        let mut other = Client::connect(port);
        other.send(&header).send("GET / HT").ending();
        assert_eq!(late.send(&header[11..]).get("/").var("remote_addr"), "192.0.2.7");
        assert_eq!(apache.refusals(), []);
    }

    /// Whoever is not let in has no connection that anything could be seen of.
    fn refused_before_a_byte_is_read(mpm) {
        for front in ApacheFront::both() {
            let mut site = ApacheSite::new(mpm);
            site.config("AcceptFilter http none\nAcceptFilter https none");
            let port = front.host(&mut site, "RealPeer require 127.0.0.1");
            let apache = site.start();
            // Not a word is needed for it.
            Client::from("127.0.0.5", port).must_be_closed();
            assert_eq!(apache.refusal().first_bytes, None);
            let header = v1(VISITOR, LISTENER);
            let mut client = Client::from("127.0.0.5", port);
            match front.authority() {
                Some(authority) => {
                    let tls = TlsClient::fused(client, authority, &header);
                    assert_eq!(tls.raw_ending_after_hello(), Ending::Unanswered);
                }
                None => {
                    client.send(&header).send("GET / HTTP/1.0\r\n\r\n").must_be_closed();
                }
            }
            assert!(apache.access_log().is_empty());
        }
    }
}

#[test]
fn the_version_is_in_the_error_log_once() {
    let mut site = ApacheSite::new(Mpm::Event);
    let _port = site.host("RealPeer require all");
    let apache = site.start();
    let line = apache.wait_for_error("realpeer: mod_realpeer ");
    assert!(line.contains(" with librealpeer "), "{line}");
    assert_eq!(apache.error_log().matches("mod_realpeer").count(), 1);
}
