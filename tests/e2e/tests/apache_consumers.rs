//! Everything in Apache that uses the client's address sees the client, and the
//! balancer stays visible beside it. tests/apache_native.rs shows what of this
//! mod_remoteip does.

use std::io::Write;

use realpeer_e2e::{ApacheSite, Authority, Client, HaProxy, TlsClient, on_each_mpm, v1};

/// Comes through HAProxy.
const GUEST: &str = "127.0.0.9";
const VISITOR: &str = "192.0.2.7:4321";
const OTHER: &str = "192.0.2.8:4321";
const LISTENER: &str = "198.51.100.1:443";

/// Everything that a log can say of who it was.
const WHO: &str = "LogFormat \"%h %a %{c}a %{remote}p %{REMOTE_ADDR}e %>s %r\" who\n";

on_each_mpm! {
    /// One visitor through HAProxy, and all that is said about him.
    fn everything_names_the_visitor_behind_haproxy(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.cgi();
        let log = site.dir().join("who.log").display().to_string();
        let port = site.host(&format!(
            "RealPeer require 127.0.0.1\nRequestReadTimeout header=1\n{WHO}CustomLog {log} who\n\
             <Location /private>\nRequire ip {GUEST}\n</Location>\n\
             <Location /balancer>\nRequire ip 127.0.0.1\n</Location>"
        ));
        site.load("reqtimeout");
        let apache = site.start();
        for (sender, who) in [("send-proxy", "v1"), ("send-proxy-v2", "v2")] {
            let mut haproxy = HaProxy::new();
            let front = haproxy.listener("", "", port, sender);
            let _haproxy = haproxy.start();
            let mut client = Client::from(GUEST, front);
            let own = client.local().port().to_string();
            let path = |name: &str| format!("/{name}/{who}");

            let page = client.get("/");
            assert_eq!(page.var("remote_addr"), GUEST);
            assert_eq!(page.var("remote_port"), own);
            assert_eq!(page.var("proxy_addr"), "127.0.0.1");
            let script = client.get("/cgi/env").vars();
            assert_eq!(script.var("REMOTE_ADDR"), GUEST);
            assert_eq!(script.var("REMOTE_PORT"), own);
            // Allowed in, but nothing there; and kept out.
            assert_eq!(client.get(&path("private")).status, 404);
            assert_eq!(client.get(&path("balancer")).status, 403);
            apache.wait_for_error(&format!("[client {GUEST}:{own}] AH01630: client denied"));

            client.send(format!("GARBAGE {who}\r\n\r\n"));
            assert_eq!(client.response().status, 400);
            let mut late = Client::from(GUEST, front);
            late.send("GET / HT");
            late.ending();
            let late = late.local().port().to_string();

            let who_log = apache.wait_for_line("who.log", &format!(" {late} "));
            // Nothing is known of the request that did not come.
            assert_eq!(who_log, format!("{GUEST} {GUEST} {GUEST} {late} - 408 -"));
            let lines = apache.log("who.log");
            let of_client: Vec<_> =
                lines.lines().filter(|line| line.contains(&format!(" {own} "))).collect();
            assert_eq!(of_client.len(), 5, "{lines}");
            for line in of_client {
                assert!(line.starts_with(&format!("{GUEST} {GUEST} {GUEST} {own} ")), "{line}");
            }
        }
        assert_eq!(apache.refusals(), []);
    }

    fn tls_behind_haproxy_names_the_visitor_handshakes_that_fail_included(mpm) {
        let authority = Authority::new();
        let mut site = ApacheSite::new(mpm);
        let port = site.tls_host(&authority, "RealPeer require 127.0.0.1");
        let apache = site.start();
        let mut haproxy = HaProxy::new();
        let front = haproxy.listener("", "", port, "send-proxy-v2");
        let _haproxy = haproxy.start();

        let client = Client::from(GUEST, front);
        let peer = client.local();
        let answer = TlsClient::over(client, &authority).get("/");
        assert_eq!(answer.var("remote_addr"), GUEST);
        assert_eq!(answer.var("scheme"), "https");
        let line = apache.wait_for_error("AH01964: Connection to child");
        assert!(line.contains("[ssl:info] [pid "), "{line}");
        assert!(line.contains(&format!("[client {peer}] ")), "{line}");

        // A record of the handshake that holds no handshake.
        let mut client = Client::from(GUEST, front);
        let peer = client.local();
        client.send(b"\x16\x03\x01\x00\x04garb").finish().ending();
        let line = apache.wait_for_error("AH02008: SSL library error");
        assert!(line.contains(&format!("[client {peer}] ")), "{line}");

        // Plain HTTP where TLS is spoken is answered by mod_ssl.
        let mut client = Client::from(GUEST, front);
        let peer = client.local();
        assert_eq!(client.get("/").status, 400);
        let line = apache.wait_for_error("AH01996: ");
        assert!(line.contains(&format!("[client {peer}] ")), "{line}");
        let line = apache.wait_for_access(" 400 ");
        assert!(line.starts_with(&format!("{peer} proxy require 127.0.0.1:")), "{line}");

        // And whoever goes away in between.
        let mut client = Client::from(GUEST, front);
        let peer = client.local();
        let hello = TlsClient::first_record(&authority);
        client.send(&hello[..20]).finish().ending();
        let line = apache.wait_for_error(&format!("[client {peer}] AH0"));
        assert!(line.contains("AH01964") , "{line}");
        assert!(!apache.error_log().contains("[client 127.0.0.1:"), "{}", apache.error_log());
    }

    fn require_ip_and_expressions_see_the_client(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host(
            "RealPeer require all\n<Location />\n<RequireAll>\nRequire ip 192.0.2.0/29 2001:db8::/32\n\
             Require expr %{CONN_REMOTE_ADDR} == %{REMOTE_ADDR} \n\
             Require not ip 127.0.0.0/8\n</RequireAll>\n</Location>",
        );
        let apache = site.start();
        let visit = |from| Client::connect(port).send(v1(from, LISTENER)).get("/").status;
        assert_eq!(visit(VISITOR), 200);
        assert_eq!(visit(OTHER), 403);
        assert_eq!(
            Client::connect(port).send(v1("[2001:db8::7]:1", "[2001:db8::1]:2")).get("/").status,
            200
        );
        let line = apache.wait_for_error("AH01630: client denied");
        assert!(line.contains("[client 192.0.2.8:4321] "), "{line}");
        apache.wait_for_access("192.0.2.8:4321 proxy require 127.0.0.1:");
    }

    fn setenvif_sees_the_client(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.page("seen", &["PLACE"]);
        let port = site.host("RealPeer require all\nSetEnvIf Remote_Addr ^192\\.0\\.2\\.7$ PLACE=here");
        let _apache = site.start();
        let visit = |from| Client::connect(port).send(v1(from, LISTENER)).get("/page/seen").var("PLACE");
        assert_eq!([visit(VISITOR), visit(OTHER)], ["here", ""]);
    }

    /// The visitor is a cache that is trusted to name its own visitors.
    fn mod_remoteip_takes_x_forwarded_for_on_top(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("remoteip");
        let port = site.host(
            "RealPeer require all\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 192.0.2.7",
        );
        let apache = site.start();
        let forwarded = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
        let mut client = Client::connect(port);
        let answer = client.send(v1(VISITOR, LISTENER)).send(forwarded).response();
        assert_eq!(answer.var("remote_addr"), "203.0.113.9");
        assert_eq!(answer.var("addr"), "192.0.2.7");
        assert_eq!(answer.var("proxy_addr"), "127.0.0.1");
        let line = apache.wait_for_access("203.0.113.9:");
        assert!(line.ends_with(" 192.0.2.7"), "{line}");
        // The next request on the connection comes without: the header of the
        // connection counts again.
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
        // Anybody else is not trusted.
        let answer = Client::connect(port).send(v1(OTHER, LISTENER)).send(forwarded).response();
        assert_eq!(answer.var("remote_addr"), "192.0.2.8");
    }

    fn mod_status_shows_the_client(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("status");
        let port = site.host(
            "RealPeer require all\n<Location /status>\nSetHandler server-status\n</Location>",
        );
        site.config("ExtendedStatus On");
        let _apache = site.start();
        let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/status");
        let text = answer.text();
        assert!(text.contains("<td>192.0.2.7</td>"), "{text}");
        assert!(!text.contains("<td>127.0.0.1</td>"), "{text}");
    }

    fn the_error_log_can_name_the_balancer_too(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.config("ErrorLogFormat \"%t %l %a (%{c}a) via %{REALPEER_PROXY_ADDR}e: %M\"");
        let port = site.host("RealPeer require all\n<Location />\nRequire all denied\n</Location>");
        let apache = site.start();
        Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        let line = apache.wait_for_error("AH01630");
        assert!(line.contains(" 192.0.2.7:4321 (192.0.2.7:4321) via 127.0.0.1: "), "{line}");
    }

    /// IPv6 in the header, IPv4 on the socket, and the other way round.
    fn the_families_need_not_be_the_same(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.cgi();
        let port = site.port();
        site.config(format!(
            "Listen 127.0.0.1:{port}\nListen [::1]:{port}\n\
             <VirtualHost 127.0.0.1:{port} [::1]:{port}>\nRealPeer require all\n</VirtualHost>"
        ));
        let apache = site.start();
        let mut six = Client::connect(port);
        six.send(v1("[2001:db8::7]:4321", "[2001:db8::1]:443"));
        let mut four = Client::from("::1", port);
        four.send(v1(VISITOR, LISTENER));
        let mut same = Client::from("::1", port);
        same.send(v1("[2001:db8::7]:4321", "[2001:db8::1]:443"));
        for (client, address) in
            [(&mut six, "2001:db8::7"), (&mut four, "192.0.2.7"), (&mut same, "2001:db8::7")]
        {
            let script = client.get("/cgi/env").vars();
            assert_eq!(script.var("REMOTE_ADDR"), address);
            assert_eq!(script.var("REMOTE_PORT"), "4321");
            assert_eq!(script.var("REALPEER_ADDR"), address);
            client.write_all(b"GARBAGE\r\n\r\n").expect("a server that reads");
            assert_eq!(client.response().status, 400);
        }
        let lines = apache.wait_for_lines("access.log", 6);
        for line in lines {
            let address = line.starts_with("192.0.2.7:4321 ") || line.starts_with("2001:db8::7:4321 ");
            assert!(address, "{line}");
        }
    }
}
