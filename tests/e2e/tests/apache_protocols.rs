//! Real clients of Apache through a real balancer: HAProxy writes the headers,
//! curl and rustls are the visitors, over plain HTTP, TLS and HTTP/2.

use realpeer_e2e::{
    ApacheFront, ApacheSite, Authority, Client, Curl, HaProxy, Mpm, Response, TlsClient, h2_bodies,
    h2_requests, on_each_mpm, v1,
};

const VISITOR: &str = "127.0.0.9";

/// The answer must show the visitor, and HAProxy beside it.
fn assert_seen(answer: &Response, version: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.var("remote_addr"), VISITOR);
    assert_eq!(answer.var("addr"), VISITOR);
    assert_eq!(answer.var("remote_port"), answer.var("port"));
    assert_eq!(answer.var("proxy_addr"), "127.0.0.1");
    // It may be the number of the visitor's: they have an address each.
    assert!(answer.var("proxy_port").parse::<u16>().is_ok());
    assert_eq!(answer.var("server_addr"), "127.0.0.1");
    assert_eq!(answer.var("result"), "proxy");
    assert_eq!(answer.var("version"), version);
}

/// How HAProxy is told to send a header, and the version that is.
const SENDERS: [(&str, &str); 4] = [
    ("send-proxy", "1"),
    ("send-proxy-v2", "2"),
    ("send-proxy-v2 proxy-v2-options crc32c", "2"),
    ("send-proxy-v2-ssl", "2"),
];

/// HTTP/2 where there is such a thing: mod_http2 does not work with prefork.
fn load_http2(site: &mut ApacheSite, mpm: Mpm) -> bool {
    site.load("http2");
    mpm != Mpm::Prefork
}

on_each_mpm! {
    fn plain_http_and_tls_through_haproxy(mpm) {
        for front in ApacheFront::both() {
            let mut site = ApacheSite::new(mpm);
            let port = front.host(&mut site, "RealPeer require 127.0.0.1");
            let apache = site.start();
            let mut haproxy = HaProxy::new();
            let ports = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
            let _haproxy = haproxy.start();
            for (port, (_, version)) in ports.into_iter().zip(SENDERS) {
                let answer = front.get(Client::from(VISITOR, port), "/");
                assert_seen(&answer, version);
                assert_eq!(answer.var("server_port"), port.to_string());
                let tls = front.authority().is_some();
                assert_eq!(answer.var("scheme"), if tls { "https" } else { "http" });
            }
            assert_eq!(apache.refusals(), []);
        }
    }

    /// Each request of HTTP/2 is a connection of its own within Apache.
    fn http2_over_tls_through_haproxy(mpm) {
        let authority = Authority::new();
        let mut site = ApacheSite::new(mpm);
        if !load_http2(&mut site, mpm) {
            return;
        }
        site.cgi();
        let port = site.tls_host(&authority, "Protocols h2\nRealPeer require 127.0.0.1");
        let trusted = site.file("authority.pem", &authority.pem());
        let apache = site.start();
        let mut haproxy = HaProxy::new();
        let fronts = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
        let _haproxy = haproxy.start();
        for (front, (_, version)) in fronts.into_iter().zip(SENDERS) {
            let base = format!("https://localhost:{front}");
            let resolve = format!("localhost:{front}:127.0.0.1");
            let curl = |path: &str, more: &[&str]| {
                Curl::new(&format!("{base}{path}"))
                    .from(VISITOR)
                    .args(&["--http2", "--cacert", &trusted, "--resolve", &resolve])
                    .args(more)
                    .run()
            };
            let answer = curl("/", &[]);
            assert_seen(&answer, version);
            assert_eq!(answer.var("protocol"), "HTTP/2.0");
            assert_eq!(answer.var("scheme"), "https");
            let script = curl("/cgi/env", &[]).vars();
            assert_eq!(script.var("REMOTE_ADDR"), VISITOR);
            assert_eq!(script.var("REMOTE_PORT"), script.var("REALPEER_PORT"));
            assert_eq!(script.var("REALPEER_RESULT"), "proxy");
            // The peer of the connection within Apache is the visitor as well.
            assert_eq!(curl("/missing", &[]).status, 404);
        }
        for line in apache.wait_for_lines("access.log", 12) {
            assert!(line.starts_with("127.0.0.9:"), "{line}");
            assert!(line.ends_with(" 127.0.0.9"), "{line}");
            assert!(line.contains(" proxy require 127.0.0.1:"), "{line}");
        }
    }

    fn http2_in_clear_fused_with_the_header_and_cut_anywhere(mpm) {
        let mut site = ApacheSite::new(mpm);
        if !load_http2(&mut site, mpm) {
            return;
        }
        let port =
            site.host("Protocols h2c http/1.1\nRealPeer require all\nRealPeerTimeout 600s\nTimeout 600");
        let _apache = site.start();
        let header = v1("192.0.2.7:4321", "198.51.100.1:443");
        let whole = [&header[..], &h2_requests(&[1, 3, 5])].concat();
        // mod_http2 wants its preface in one piece, see apache_native.rs.
        let preface = header.len() + 1..header.len() + 24;
        for cut in (0..whole.len()).filter(|cut| !preface.contains(cut)).step_by(5) {
            let mut client = Client::connect(port);
            client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
            let bodies = h2_bodies(&mut client.into_stream(), 3);
            for body in bodies {
                assert!(body.contains("remote_addr=192.0.2.7\n"), "cut at {cut}: {body}");
                assert!(body.contains("result=proxy\n"), "cut at {cut}: {body}");
                assert!(body.contains("protocol=HTTP/2.0\n"), "cut at {cut}: {body}");
            }
        }
    }

    /// The preface of HTTP/2 begins as a v1 line does.
    fn an_optional_http2_preface_is_no_header(mpm) {
        let mut site = ApacheSite::new(mpm);
        if !load_http2(&mut site, mpm) {
            return;
        }
        let port = site.host("Protocols h2c http/1.1\nRealPeer optional all");
        let _apache = site.start();
        let url = format!("http://127.0.0.1:{port}/");
        let answer = Curl::new(&url).from(VISITOR).args(&["--http2-prior-knowledge"]).run();
        assert_eq!(answer.var("result"), "absent");
        assert_eq!(answer.var("remote_addr"), VISITOR);
        let proxied = Curl::new(&url)
            .from(VISITOR)
            .args(&["--http2-prior-knowledge", "--haproxy-protocol"])
            .run();
        assert_eq!(proxied.var("result"), "proxy");
        assert_eq!(proxied.var("protocol"), "HTTP/2.0");
    }

    /// HAProxy ends the visitor's TLS and tells about it in TLVs.
    fn haproxy_tells_about_tls_in_tlvs(mpm) {
        let authority = Authority::new();
        let mut site = ApacheSite::new(mpm);
        let names = ["AUTHORITY", "UNIQUE_ID", "SSL_VERSION", "SSL_CN", "SSL_VERIFIED", "HEX_0X03"];
        let names = names.map(|name| format!("REALPEER_TLV_{name}"));
        site.page("tlvs", &names.each_ref().map(String::as_str));
        let port = site.host("RealPeer require 127.0.0.1\nRealPeerTLV hex_0x03");
        let _apache = site.start();

        let server = authority.issue("localhost");
        let mut haproxy = HaProxy::new();
        let pem = haproxy.dir().join("server.pem");
        let trusted = haproxy.dir().join("authority.pem");
        std::fs::write(&pem, server.pem.clone() + &server.key_pem).expect("own folder");
        std::fs::write(&trusted, authority.pem()).expect("own folder");
        let bind =
            format!("ssl crt {} ca-file {} verify optional", pem.display(), trusted.display());
        let front = haproxy.listener(
            &bind,
            "unique-id-format id-%ci-%cp",
            port,
            "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn",
        );
        let _haproxy = haproxy.start();

        let shown = authority.issue("visitor.example");
        let client = Client::from(VISITOR, front);
        let visitor = client.local();
        let page = TlsClient::identified(client, &authority, &shown).get("/page/tlvs").vars();
        let tlv = |name: &str| page.var(&format!("REALPEER_TLV_{name}"));
        assert_eq!(tlv("AUTHORITY"), "localhost");
        assert_eq!(tlv("UNIQUE_ID"), format!("id-{}-{}", visitor.ip(), visitor.port()));
        assert_eq!(tlv("SSL_VERSION"), "TLSv1.3");
        assert_eq!(tlv("SSL_VERIFIED"), "1");
        assert_eq!(tlv("SSL_CN"), "visitor.example");
        assert_eq!(tlv("HEX_0X03").len(), 8);

        let anonymous = TlsClient::over(Client::from(VISITOR, front), &authority);
        let page = { anonymous }.get("/page/tlvs").vars();
        assert_eq!(page.var("REALPEER_TLV_SSL_VERIFIED"), "0");
        assert_eq!(page.var("REALPEER_TLV_SSL_CN"), "");
    }

    /// HAProxy's own checks carry a header too: v2 LOCAL, or a v1 line that
    /// names the balancer.
    fn health_checks_of_haproxy_are_answered(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.config("RealPeer require 127.0.0.1");
        let (first, second) = (site.host(""), site.host(""));
        let apache = site.start();
        let mut haproxy = HaProxy::new();
        let check = "option httpchk GET /";
        haproxy.listener("", check, first, "send-proxy check inter 100ms check-send-proxy");
        haproxy.listener("", check, second, "send-proxy-v2 check inter 100ms check-send-proxy");
        let _haproxy = haproxy.start();
        for result in ["proxy", "local"] {
            let line = apache.wait_for_access(&format!(" {result} require"));
            assert!(line.contains("200 \"GET / "), "{line}");
            let balancer = line.split(' ').nth(3).expect("its address");
            assert!(line.starts_with(&format!("{balancer} ")), "{line}");
        }
        assert_eq!(apache.refusals(), []);
    }
}
