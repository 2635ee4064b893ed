//! Everything in nginx that uses the client's address sees the client, and
//! the balancer stays visible beside it.

use std::io::Write;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use realpeer_e2e::{
    Authority, Client, FastCgi, PAGE, Request, Site, TlsClient, Upstream, V2, location,
    on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const OTHER: &str = "192.0.2.8:4321";
const LISTENER: &str = "198.51.100.1:443";

on_each_nginx! {
    fn allow_and_deny_see_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{ allow 192.0.2.7; deny all; root /nowhere; }} }}"
        ));
        let nginx = site.start();
        // Allowed, but nothing there.
        let visit = |from| Client::connect(port).send(v1(from, LISTENER)).get("/").status;
        assert_eq!(visit(VISITOR), 404);
        assert_eq!(visit(OTHER), 403);
        let line = nginx.wait_for_error("access forbidden by rule");
        assert!(line.contains("client: 192.0.2.8,"), "{line}");
        nginx.wait_for_access("192.0.2.8:4321 proxy require 127.0.0.1:");
    }

    fn geo_and_maps_see_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let page = location("/", &["place", "named", "remote_port"]);
        site.http(format!(
            "geo $place {{ default elsewhere; 192.0.2.0/24 here; 127.0.0.0/8 balancer; }}
             map $remote_addr $named {{ default nobody; 192.0.2.7 visitor; }}
             server {{ listen 127.0.0.1:{port}; realpeer require all; {page} }}"
        ));
        let _nginx = site.start();
        let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("place"), "here");
        assert_eq!(answer.var("named"), "visitor");
        assert_eq!(answer.var("remote_port"), "4321");
    }

    fn binary_remote_addr_is_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("binary.log").display().to_string();
        site.http(format!(
            "log_format binary '<$binary_remote_addr>';
             server {{ listen 127.0.0.1:{port}; access_log {log} binary;
                       realpeer require all; {PAGE} }}"
        ));
        let nginx = site.start();
        Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        Client::connect(port).send(v1("[2001:db8::7]:1", "[2001:db8::1]:2")).get("/");
        realpeer_e2e::wait_until("two lines", || {
            (nginx.log("binary.log").lines().count() == 2).then_some(())
        });
        let zeroes = r"\x00".repeat(11);
        assert_eq!(
            nginx.log("binary.log"),
            format!("<\\xC0\\x00\\x02\\x07>\n< \\x01\\x0D\\xB8{zeroes}\\x07>\n"),
        );
    }

    fn limit_req_counts_clients_not_balancers(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "limit_req_zone $binary_remote_addr zone=clients:1m rate=1r/m;
             server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{ limit_req zone=clients; root /nowhere; }} }}"
        ));
        let nginx = site.start();
        let visit = |from| Client::connect(port).send(v1(from, LISTENER)).get("/").status;
        assert_eq!([visit(VISITOR), visit(VISITOR), visit(OTHER)], [404, 503, 404]);
        let line = nginx.wait_for_error("limiting requests");
        assert!(line.contains("client: 192.0.2.7,"), "{line}");
    }

    fn limit_conn_counts_clients_not_balancers(which) {
        // An upstream that answers when the test says so keeps a connection
        // busy for just as long as it has to be.
        let (asked, was_asked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let upstream = Upstream::start(move |mut stream| {
            Request::read(&mut stream);
            asked.send(()).expect("a test that listens");
            released.lock().expect("no panic").recv().expect("a release");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("nginx");
        });
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "limit_conn_zone $binary_remote_addr zone=clients:1m;
             server {{ listen 127.0.0.1:{port}; realpeer require all;
                       limit_conn clients 1;
                       location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
            upstream.port()
        ));
        let _nginx = site.start();

        let mut first = Client::connect(port);
        first.send(v1(VISITOR, LISTENER)).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        was_asked.recv().expect("a request");
        let second = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(second.status, 503);
        let mut third = Client::connect(port);
        third.send(v1(OTHER, LISTENER)).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        was_asked.recv().expect("a request");
        release.send(()).expect("an upstream");
        release.send(()).expect("an upstream");
        assert_eq!(first.response().status, 204);
        assert_eq!(third.response().status, 204);
    }

    fn an_upstream_gets_the_client_in_x_forwarded_for(which) {
        let upstream = Upstream::echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{
                           proxy_pass http://127.0.0.1:{};
                           proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                           proxy_set_header X-Real-Port $remote_port;
                           proxy_set_header X-Balancer
                               $realpeer_proxy_addr:$realpeer_proxy_port;
                       }} }}",
            upstream.port()
        ));
        let _nginx = site.start();
        let mut client = Client::connect(port);
        let balancer = client.local();
        let answer = client.send(v1(VISITOR, LISTENER)).get("/");
        let got = answer.text().to_lowercase();
        assert!(got.contains("x-forwarded-for: 192.0.2.7\r\n"), "{got}");
        assert!(got.contains("x-real-port: 4321\r\n"), "{got}");
        assert!(got.contains(&format!("x-balancer: {balancer}\r\n")), "{got}");

        let chained = Client::connect(port)
            .send(v1(VISITOR, LISTENER))
            .send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
            .response();
        let got = chained.text().to_lowercase();
        assert!(got.contains("x-forwarded-for: 203.0.113.9, 192.0.2.7\r\n"), "{got}");
    }

    fn fastcgi_gets_the_client_as_remote_addr(which) {
        let responder = FastCgi::start();
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{
                           fastcgi_pass 127.0.0.1:{};
                           fastcgi_param REMOTE_ADDR $remote_addr;
                           fastcgi_param REMOTE_PORT $remote_port;
                           fastcgi_param SERVER_ADDR $server_addr;
                           fastcgi_param BALANCER $realpeer_proxy_addr;
                       }} }}",
            responder.port()
        ));
        let _nginx = site.start();
        let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.var("REMOTE_ADDR"), "192.0.2.7");
        assert_eq!(answer.var("REMOTE_PORT"), "4321");
        assert_eq!(answer.var("BALANCER"), "127.0.0.1");
        // The server's own address is still the one the balancer came to.
        assert_eq!(answer.var("SERVER_ADDR"), "127.0.0.1");
    }

    fn realip_takes_x_forwarded_for_on_top(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let page = location(
            "/",
            &["remote_addr", "realip_remote_addr", "realpeer_addr", "realpeer_proxy_addr"],
        );
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       set_real_ip_from 192.0.2.7; real_ip_header X-Forwarded-For; {page} }}"
        ));
        let _nginx = site.start();
        let forwarded = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";

        // The visitor is a cache that is trusted to name its own visitors.
        let mut client = Client::connect(port);
        let answer = client.send(v1(VISITOR, LISTENER)).send(forwarded).response();
        assert_eq!(answer.var("remote_addr"), "203.0.113.9");
        assert_eq!(answer.var("realip_remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("realpeer_addr"), "192.0.2.7");
        assert_eq!(answer.var("realpeer_proxy_addr"), "127.0.0.1");
        // The next request on the connection comes without: the header of the
        // connection counts again.
        assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");

        // Anybody else is not.
        let answer = Client::connect(port).send(v1(OTHER, LISTENER)).send(forwarded).response();
        assert_eq!(answer.var("remote_addr"), "192.0.2.8");
    }

    fn nginx_own_proxy_protocol_variables_and_realip_work(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let mut names = vec![
            "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr",
            "proxy_protocol_server_port", "remote_addr",
        ];
        if which == realpeer_e2e::Which::Built {
            names.push("proxy_protocol_tlv_0xea");
        }
        let page = location("/", &names);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol; {page} }}"
        ));
        let _nginx = site.start();
        let header = V2::proxy(VISITOR, LISTENER).tlv(0xEA, b"\x01vpce-1").build();
        for header in [v1(VISITOR, LISTENER), header] {
            let answer = Client::connect(port).send(&header).get("/");
            assert_eq!(answer.var("proxy_protocol_addr"), "192.0.2.7");
            assert_eq!(answer.var("proxy_protocol_port"), "4321");
            assert_eq!(answer.var("proxy_protocol_server_addr"), "198.51.100.1");
            assert_eq!(answer.var("proxy_protocol_server_port"), "443");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            if which == realpeer_e2e::Which::Built && header[0] == b'\r' {
                assert_eq!(answer.var("proxy_protocol_tlv_0xea"), "\u{1}vpce-1");
            }
        }
        let answer = Client::connect(port).send(V2::local().build()).get("/");
        assert_eq!(answer.var("proxy_protocol_addr"), "");
        assert_eq!(answer.var("remote_addr"), "127.0.0.1");
    }

    fn the_error_log_names_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       location / {{ root /nowhere; }} }}"
        ));
        let nginx = site.start();
        Client::connect(port).send(v1(VISITOR, LISTENER)).get("/missing");
        let line = nginx.wait_for_error("/nowhere/missing");
        assert!(line.contains("client: 192.0.2.7, server: "), "{line}");
    }

    /// nginx#717: with nginx's own proxy_protocol this names the balancer, as
    /// tests/native.rs shows.
    fn a_garbage_request_line_is_logged_with_the_client(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut client = Client::connect(port);
        let balancer = client.local();
        client.send(v1(VISITOR, LISTENER)).send("GARBAGE\r\n\r\n");
        assert_eq!(client.response().status, 400);
        let line = nginx.wait_for_error("client sent invalid");
        assert!(line.contains("client: 192.0.2.7,"), "{line}");
        drop(client);
        let line = nginx.wait_for_access(" 400 ");
        assert!(line.starts_with("192.0.2.7:4321 proxy require "), "{line}");
        assert!(line.contains(&balancer.to_string()), "{line}");
    }

    /// nginx#274.
    fn a_failed_tls_handshake_is_logged_with_the_client(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} ssl; {certificate} realpeer require all; {PAGE} }}"
        ));
        let nginx = site.start();
        let mut client = Client::connect(port);
        // A record of the handshake that holds no handshake.
        client.send(v1(VISITOR, LISTENER)).send(b"\x16\x03\x01\x00\x04garb").finish().ending();
        let line = nginx.wait_for_error("SSL handshaking");
        assert!(line.contains("client: 192.0.2.7,"), "{line}");

        // Plain HTTP where TLS is spoken is answered by nginx itself.
        let mut client = Client::connect(port);
        let answer = client.send(v1(OTHER, LISTENER)).get("/");
        assert_eq!(answer.status, 400);
        let line = nginx.wait_for_error("plain HTTP request to HTTPS port");
        assert!(line.contains("client: 192.0.2.8,"), "{line}");

        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        assert_eq!(TlsClient::over(client, &authority).get("/").var("remote_addr"), "192.0.2.7");
    }

    fn every_phase_of_a_request_knows_the_balancer(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("phases.log").display().to_string();
        site.http(format!(
            "log_format phases '$early $mapped $realpeer_result $realpeer_addr:$realpeer_port \
                                $realpeer_proxy_addr $uri';
             map $realpeer_policy $mapped {{ default other; require required; }}
             server {{ listen 127.0.0.1:{port}; realpeer require all;
                       access_log {log} phases;
                       set $early $realpeer_proxy_addr;
                       if ($realpeer_result = local) {{ return 204; }}
                       error_page 404 = /moved;
                       add_header X-Balancer $realpeer_proxy_addr always;
                       location / {{ root /nowhere; }}
                       location /moved {{ internal; return 200 $realpeer_addr; }} }}"
        ));
        let nginx = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        for path in ["/one", "/two"] {
            let answer = client.get(path);
            assert_eq!(answer.text(), "192.0.2.7");
            assert_eq!(answer.header("x-balancer"), Some("127.0.0.1"));
        }
        let check = Client::connect(port).send(V2::local().build()).get("/three");
        assert_eq!(check.status, 204);
        realpeer_e2e::wait_until("three lines", || {
            (nginx.log("phases.log").lines().count() == 3).then_some(())
        });
        let visit = "127.0.0.1 required proxy 192.0.2.7:4321 127.0.0.1 /moved\n";
        assert_eq!(
            nginx.log("phases.log"),
            format!("{visit}{visit}127.0.0.1 required local -:- 127.0.0.1 /three\n")
        );
    }
}
