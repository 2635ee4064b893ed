//! Real clients through a real balancer: HAProxy writes the headers, curl and
//! rustls are the visitors, over plain HTTP, TLS and HTTP/2.

use std::io::{Read, Write};

use realpeer_e2e::{
    Authority, Client, Curl, HaProxy, PAGE, Request, Response, Site, TlsClient, Upstream,
    h2_bodies, h2_requests, location, on_each_nginx, v1,
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

on_each_nginx! {
    fn plain_http_through_haproxy(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require 127.0.0.1; {PAGE} }}"
        ));
        let _nginx = site.start();
        let mut haproxy = HaProxy::new();
        let fronts = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
        let _haproxy = haproxy.start();
        for (front, (_, version)) in fronts.into_iter().zip(SENDERS) {
            let url = format!("http://127.0.0.1:{front}/");
            let answer = Curl::new(&url).from(VISITOR).run();
            assert_seen(&answer, version);
            assert_eq!(answer.var("server_port"), front.to_string());
        }
    }

    fn tls_passed_through_haproxy(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} ssl; {certificate} realpeer require 127.0.0.1;
                       {PAGE} }}"
        ));
        let _nginx = site.start();
        let mut haproxy = HaProxy::new();
        let fronts = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
        let _haproxy = haproxy.start();
        for (front, (_, version)) in fronts.into_iter().zip(SENDERS) {
            let mut tls = TlsClient::over(Client::from(VISITOR, front), &authority);
            let answer = tls.get("/");
            assert_seen(&answer, version);
            assert_eq!(answer.var("scheme"), "https");
            assert_seen(&tls.get("/"), version);
        }
    }

    fn http2_over_tls_through_haproxy(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        let trusted = site.file("authority.pem", &authority.pem());
        let listen = which.http2(&format!("127.0.0.1:{port} ssl"));
        site.http(format!(
            "server {{ {listen} {certificate} realpeer require 127.0.0.1; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut haproxy = HaProxy::new();
        let fronts = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
        let _haproxy = haproxy.start();
        for (front, (_, version)) in fronts.into_iter().zip(SENDERS) {
            let url = format!("https://localhost:{front}/");
            let resolve = format!("localhost:{front}:127.0.0.1");
            let answer = Curl::new(&url)
                .from(VISITOR)
                .args(&["--http2", "--cacert", &trusted, "--resolve", &resolve])
                .run();
            assert_seen(&answer, version);
            assert_eq!(answer.var("protocol"), "HTTP/2.0");
            assert_eq!(answer.var("scheme"), "https");
        }
        nginx.wait_for_access("\"GET / HTTP/2.0\"");
        let all_seen = nginx.access_log().lines().all(|line| line.starts_with("127.0.0.9:"));
        assert!(all_seen, "{}", nginx.access_log());
    }

    fn http2_in_clear_through_haproxy(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let listen = which.http2(&format!("127.0.0.1:{port}"));
        site.http(format!("server {{ {listen} realpeer require 127.0.0.1; {PAGE} }}"));
        let _nginx = site.start();
        let mut haproxy = HaProxy::new();
        let fronts = SENDERS.map(|(sender, _)| haproxy.listener("", "", port, sender));
        let _haproxy = haproxy.start();
        for (front, (_, version)) in fronts.into_iter().zip(SENDERS) {
            let url = format!("http://127.0.0.1:{front}/");
            let answer = Curl::new(&url).from(VISITOR).args(&["--http2-prior-knowledge"]).run();
            assert_seen(&answer, version);
            assert_eq!(answer.var("protocol"), "HTTP/2.0");
        }
    }

    /// The preface of HTTP/2 begins as a v1 line does.
    fn an_optional_http2_preface_is_no_header(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let listen = which.http2(&format!("127.0.0.1:{port}"));
        site.http(format!("server {{ {listen} realpeer optional all; {PAGE} }}"));
        let _nginx = site.start();
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

    fn http2_fused_with_the_header_and_cut_anywhere(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let listen = which.http2(&format!("127.0.0.1:{port}"));
        site.http(format!(
            "server {{ {listen} realpeer require all; realpeer_timeout 600s; {PAGE} }}"
        ));
        let _nginx = site.start();
        let header = v1("192.0.2.7:4321", "198.51.100.1:443");
        let whole = [&header[..], &h2_requests(&[1, 3, 5])].concat();
        for cut in (0..whole.len()).step_by(7) {
            let mut client = Client::connect(port);
            client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
            let bodies = h2_bodies(&mut client.into_stream(), 3);
            for body in bodies {
                assert!(body.contains("remote_addr=192.0.2.7\n"), "cut at {cut}: {body}");
                assert!(body.contains("protocol=HTTP/2.0\n"), "cut at {cut}: {body}");
            }
        }
    }

    /// curl writes a v1 header of its own.
    fn curl_as_the_sender(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!("server {{ listen 127.0.0.1:{port}; realpeer require all; {PAGE} }}"));
        let _nginx = site.start();
        let url = format!("http://127.0.0.1:{port}/");
        let answer = Curl::new(&url).from(VISITOR).args(&["--haproxy-protocol"]).run();
        assert_eq!(answer.var("result"), "proxy");
        assert_eq!(answer.var("addr"), VISITOR);
        assert_eq!(answer.var("port"), answer.var("proxy_port"));
    }

    /// HAProxy ends the visitor's TLS and tells about it in TLVs.
    fn haproxy_tells_about_tls_in_tlvs(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let names = [
            "remote_addr", "realpeer_result", "realpeer_tlv_authority", "realpeer_tlv_unique_id",
            "realpeer_tlv_ssl_version", "realpeer_tlv_ssl_cn", "realpeer_tlv_ssl_cipher",
            "realpeer_tlv_ssl_key_alg", "realpeer_tlv_ssl_sig_alg", "realpeer_tlv_ssl_verified",
            "realpeer_tlv_hex_0x03",
        ];
        let page = location("/", &names);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require 127.0.0.1; {page} }}"
        ));
        let _nginx = site.start();

        let server = authority.issue("localhost");
        let mut haproxy = HaProxy::new();
        let pem = haproxy.dir().join("server.pem");
        let trusted = haproxy.dir().join("authority.pem");
        std::fs::write(&pem, server.pem.clone() + &server.key_pem).expect("own folder");
        std::fs::write(&trusted, authority.pem()).expect("own folder");
        let bind = format!(
            "ssl crt {} ca-file {} verify optional", pem.display(), trusted.display()
        );
        let options = "unique-id-format id-%ci-%cp";
        let front = haproxy.listener(
            &bind,
            options,
            port,
            "send-proxy-v2-ssl-cn proxy-v2-options \
             crc32c,unique-id,authority,ssl,cert-cn,cert-key,cert-sig,ssl-cipher",
        );
        let _haproxy = haproxy.start();

        let shown = authority.issue("visitor.example");
        let client = Client::from(VISITOR, front);
        let visitor = client.local();
        let answer = TlsClient::identified(client, &authority, &shown).get("/");
        assert_eq!(answer.var("remote_addr"), VISITOR);
        assert_eq!(answer.var("realpeer_tlv_authority"), "localhost");
        assert_eq!(
            answer.var("realpeer_tlv_unique_id"),
            format!("id-{}-{}", visitor.ip(), visitor.port())
        );
        assert_eq!(answer.var("realpeer_tlv_ssl_version"), "TLSv1.3");
        assert!(answer.var("realpeer_tlv_ssl_cipher").starts_with("TLS_"));
        assert!(answer.var("realpeer_tlv_ssl_key_alg").starts_with("EC"));
        assert_eq!(answer.var("realpeer_tlv_ssl_sig_alg"), "ecdsa-with-SHA256");
        assert_eq!(answer.var("realpeer_tlv_ssl_verified"), "1");
        assert_eq!(answer.var("realpeer_tlv_ssl_cn"), "visitor.example");
        assert_eq!(answer.var("realpeer_tlv_hex_0x03").len(), 8);

        // Without a certificate there is nothing that was verified, though
        // HAProxy writes a verify field of 0.
        let anonymous = TlsClient::over(Client::from(VISITOR, front), &authority).get("/");
        assert_eq!(anonymous.var("realpeer_tlv_ssl_version"), "TLSv1.3");
        assert_eq!(anonymous.var("realpeer_tlv_ssl_verified"), "0");
        assert_eq!(anonymous.var("realpeer_tlv_ssl_cn"), "");
    }

    /// HAProxy's own checks carry a header too: v2 LOCAL, or a v1 line that
    /// names the balancer.
    fn health_checks_of_haproxy_are_answered(which) {
        let mut site = Site::new(which);
        let (first, second) = (site.port(), site.port());
        site.http(format!(
            "realpeer require 127.0.0.1;
             server {{ listen 127.0.0.1:{first}; {PAGE} }}
             server {{ listen 127.0.0.1:{second}; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut haproxy = HaProxy::new();
        let check = "option httpchk GET /check";
        haproxy.listener("", check, first, "send-proxy check inter 100ms check-send-proxy");
        haproxy.listener("", check, second, "send-proxy-v2 check inter 100ms check-send-proxy");
        let _haproxy = haproxy.start();
        for result in ["proxy", "local"] {
            let line = nginx.wait_for_access(&format!(" {result} require"));
            assert!(line.contains("200 \"GET /check "), "{line}");
            let balancer = line.split(' ').nth(3).expect("its address");
            assert!(line.starts_with(&format!("{balancer} ")), "{line}");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// Behind an upgrade nginx passes bytes both ways for as long as they come.
    fn an_upgraded_connection_keeps_its_client(which) {
        let upstream = Upstream::start(|mut stream| {
            let request = Request::read(&mut stream);
            let client = request.header("x-client").unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\
                 X-Client: {client}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).expect("nginx");
            let mut buffer = [0; 64];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..length]).expect("nginx");
            }
        });
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{ proxy_pass http://127.0.0.1:{}; proxy_http_version 1.1;
                                     proxy_set_header Upgrade $http_upgrade;
                                     proxy_set_header Connection upgrade;
                                     proxy_set_header X-Client $remote_addr; }} }}",
            upstream.port()
        ));
        let nginx = site.start();
        let header = v1("192.0.2.7:4321", "198.51.100.1:443");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";
        // With the first words behind the upgrade in the same piece, and without.
        for first in [&b""[..], b"zero"] {
            let mut client = Client::connect(port);
            client.send([&header[..], request, first].concat());
            let answer = client.response();
            assert_eq!(answer.status, 101);
            assert_eq!(answer.header("x-client"), Some("192.0.2.7"));
            let mut stream = client.into_stream();
            let mut echoed = vec![0; first.len()];
            stream.read_exact(&mut echoed).expect("an echo");
            assert_eq!(echoed, first);
            for word in [b"one", b"two"] {
                stream.write_all(word).expect("nginx");
                let mut echoed = [0; 3];
                stream.read_exact(&mut echoed).expect("an echo");
                assert_eq!(&echoed, word);
            }
        }
        let line = nginx.wait_for_access(" 101 ");
        assert!(line.starts_with("192.0.2.7:4321 proxy require 127.0.0.1:"), "{line}");
    }
}
