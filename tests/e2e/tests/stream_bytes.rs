//! What stream does with the bytes behind a header: TLS, looking for a name,
//! passing them on, and holding back until they may be passed on.

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

/// What a server that returns variables says to the visitor.
fn visit(port: u16) -> Vars {
    Client::connect(port).send(v1(VISITOR, LISTENER)).ending().vars()
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

fn wait_for_lines(nginx: &Nginx, log: &str, lines: usize) -> String {
    wait_until("lines in a log", || {
        let text = nginx.log(log);
        (text.lines().count() == lines).then_some(text)
    })
}

/// A line about `client` in stream's log that has `what` in it.
fn nginx_says(nginx: &Nginx, client: &str, what: &str) {
    wait_until(&format!("{client} {what}"), || {
        let log = nginx.log("stream.log");
        log.lines().any(|line| line.starts_with(client) && line.contains(what)).then_some(())
    });
}

on_each_nginx! {
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
            let page = ending.vars();
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
        let upstream = Upstream::mirror();
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
        let page = tls.ending().vars();
        assert_eq!(page.var("remote_addr"), "192.0.2.7");
        assert_eq!(page.var("policy"), "require");
        TlsClient::over(Client::connect(port), &authority).raw_ending_after_hello();
        assert_eq!(nginx.refusal().result, "no_header");
    }

    fn a_mebibyte_goes_both_ways_fused_with_the_header(which) {
        let upstream = Upstream::mirror();
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
        let upstream = Upstream::mirror();
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
}
