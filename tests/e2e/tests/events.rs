//! Waiting connections: event methods, reload, shutdown, and too many of them.

use realpeer_e2e::{Client, PAGE, Site, Which, on_each_nginx, v1, wait_until};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// Debian's nginx knows no other.
fn methods(which: Which) -> &'static [&'static str] {
    match which {
        Which::Debian => &["epoll"],
        Which::Built => &["epoll", "poll", "select"],
    }
}

fn server(port: u16, listen: &str, directives: &str) -> String {
    format!(
        "server {{ listen 127.0.0.1:{port} {listen}; realpeer require 127.0.0.1;
                   realpeer optional 127.0.0.3; realpeer direct 127.0.0.2;
                   {directives} {PAGE} }}"
    )
}

on_each_nginx! {
    fn every_event_method_reads_headers(which) {
        for method in methods(which) {
            let mut site = Site::new(which);
            let port = site.port();
            site.events(&format!("use {method};"));
            site.http(server(port, "", "realpeer_timeout 600s;"));
            let mut nginx = site.start();
            let header = v1(VISITOR, LISTENER);
            let visit = || Client::connect(port).send(&header).get("/").var("remote_addr");
            assert_eq!(visit(), "192.0.2.7");
            let mut client = Client::connect(port);
            client.send_pieces(header.chunks(1));
            assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
            assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
            let mut client = Client::from("127.0.0.3", port);
            client.send_pieces([&b"PRO"[..]]).send("PFIND / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().var("result"), "absent");
            let mut client = Client::from("127.0.0.3", port);
            client.send_pieces([&b"PRO"[..]]).finish().must_be_closed();
            assert_eq!(Client::from("127.0.0.2", port).get("/").var("result"), "direct");
            Client::connect(port).send("nonsense").must_be_closed();
            assert_eq!(nginx.refusal().result, "no_header");
            assert_eq!(visit(), "192.0.2.7");
            nginx.quit();
        }
    }

    /// A level-triggered method reports bytes that are left in the socket
    /// again and again.
    fn waiting_for_the_rest_costs_no_processor_time(which) {
        for method in methods(which) {
            for ssl in ["", "ssl"] {
                let authority = realpeer_e2e::Authority::new();
                let mut site = Site::new(which);
                let port = site.port();
                let certificate = site.certificate(&authority);
                site.events(&format!("use {method};"));
                site.http(certificate);
                site.http(server(port, ssl, "realpeer_timeout 1s; client_header_timeout 200ms;"));
                let nginx = site.start();
                let before = nginx.worker_ticks();
                // The latter may become something else than a header, so
                // that in front of TLS they have to stay where they are.
                let mut waiting: Vec<_> = [
                    ("127.0.0.1", &b"PROXY TCP4 1"[..]),
                    ("127.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11"),
                    ("127.0.0.1", b"P"),
                    ("127.0.0.3", b"PRO"),
                    ("127.0.0.3", b"\r\n\r\n"),
                ]
                .into_iter()
                .map(|(source, bytes)| {
                    let mut client = Client::from(source, port);
                    client.send(bytes);
                    client
                })
                .collect();
                for client in &mut waiting {
                    client.ending();
                }
                let used = nginx.worker_ticks() - before;
                // A worker that spins uses all of the second it waits: 100
                // ticks, or less on a machine that has other things to do.
                assert!(used < 15, "{method} {ssl}: {used} ticks of processor time");
                assert_eq!(nginx.refusals().len(), 3);
            }
        }
    }

    fn accept_mutex_and_multi_accept_work(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.main("worker_processes 2;");
        site.events("accept_mutex on; multi_accept on;");
        site.http(server(port, "", ""));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(port)).collect();
        for client in &mut clients {
            client.send(&header[..7]);
        }
        for client in &mut clients {
            client.send(&header[7..]);
            assert_eq!(client.get("/").var("remote_addr"), "192.0.2.7");
        }
        drop(clients);
        nginx.quit();
    }

    fn a_connection_that_waits_outlives_a_reload(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", "realpeer_timeout 600s;"));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut before = Client::connect(port);
        let old_worker = before.send(&header).get("/").var("pid");
        let mut half = Client::connect(port);
        half.send_pieces([&header[..12]]);
        let mut nothing = Client::connect(port);
        // Served after the others have been accepted.
        assert_eq!(Client::connect(port).send(&header).get("/").var("pid"), old_worker);

        // The new configuration wants something else of everybody.
        nginx.reload(|site| {
            site.replace_http(format!(
                "server {{ listen 127.0.0.1:{port}; realpeer strip 127.0.0.1; {PAGE} }}"
            ));
        });
        let after = wait_until("the new configuration", || {
            let answer = Client::connect(port).send(&header).get("/");
            (answer.var("policy") == "strip").then_some(answer)
        });
        assert_ne!(after.var("pid"), old_worker);
        assert_eq!(after.var("remote_addr"), "127.0.0.1");

        half.send(&header[12..]);
        nothing.send(&header);
        for client in [&mut half, &mut nothing] {
            let answer = client.get("/");
            assert_eq!(answer.var("pid"), old_worker);
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            assert_eq!(answer.var("policy"), "require");
        }
        drop((before, half, nothing));
        wait_until("the old worker to end", || {
            let running = nginx.workers();
            (!running.iter().any(|pid| pid.to_string() == old_worker)).then_some(())
        });
    }

    fn many_reloads_change_nothing(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", ""));
        let mut nginx = site.start();
        for _ in 0..5 {
            nginx.reload(|_| {});
            let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        }
    }

    fn a_reload_with_an_error_keeps_the_old_configuration(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", ""));
        let mut nginx = site.start();
        nginx.expect_alerts();
        let wrong = [
            "realpeer require 192.0.2.0/33;".to_owned(),
            // Found when all servers are known, not when the line is read.
            format!(
                "server {{ listen 127.0.0.1:{port} proxy_protocol; realpeer require all; }}"
            ),
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            nginx.reload_refused(number + 1, |site| site.replace_http(&wrong));
            let answer = Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        }
    }

    fn quitting_waits_for_a_header_that_is_on_its_way(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", "realpeer_timeout 600s;"));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut half = Client::connect(port);
        half.send_pieces([&header[..12]]);
        let worker = Client::connect(port).send(&header).get("/").var("pid");
        nginx.begin_quit();
        half.send(&header[12..]);
        let answer = half.get("/");
        assert_eq!(answer.var("pid"), worker);
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        drop(half);
        nginx.quit();
    }

    fn a_shutdown_timeout_ends_the_wait(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.main("worker_processes 1; worker_shutdown_timeout 300ms;");
        site.http(server(port, "", "realpeer_timeout 600s;"));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut half = Client::connect(port);
        half.send_pieces([&header[..12]]);
        let mut nothing = Client::connect(port);
        Client::connect(port).send(&header).get("/");
        nginx.quit();
        half.must_be_closed();
        nothing.must_be_closed();
    }

    /// As with idle connections, a worker that runs out of them closes those
    /// that have waited longest.
    fn waiting_connections_give_way_when_there_are_no_more(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.events("worker_connections 32;");
        site.http(server(port, "", "realpeer_timeout 600s;"));
        let mut nginx = site.start();
        nginx.expect_alerts();
        let header = v1(VISITOR, LISTENER);
        let waiting: Vec<_> = (0..60)
            .map(|number| {
                let mut client = Client::connect(port);
                if number % 2 == 0 {
                    client.send(&header[..9]);
                }
                client
            })
            .collect();
        let answer = Client::connect(port).send(&header).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        let closed = waiting.iter().filter(|client| !client.is_quiet()).count();
        assert!(closed >= 60 - 32, "{closed} of 60 gave way to 32");
    }

    /// go-proxyproto pinned a descriptor for each.
    fn silent_connections_do_not_stay_for_ever(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", "realpeer_timeout 500ms;"));
        let nginx = site.start();
        let mut waiting: Vec<_> = (0..100)
            .map(|number| {
                let mut client = Client::connect(port);
                client.send(&v1(VISITOR, LISTENER)[..number % 30]);
                client
            })
            .collect();
        waiting.iter_mut().for_each(Client::must_be_closed);
        let refusals = nginx.refusals();
        assert_eq!(refusals.len(), 100);
        assert!(refusals.iter().all(|refusal| refusal.result == "timeout"), "{refusals:#?}");
    }

    /// A refused connection is one that nginx still counts, if it is not told.
    fn refused_connections_are_counted_out(which) {
        let mut site = Site::new(which);
        let (port, status) = (site.port(), site.port());
        site.http(server(port, "", "realpeer_timeout 2s;"));
        site.http(format!("server {{ listen 127.0.0.1:{status}; stub_status; }}"));
        let nginx = site.start();
        Client::connect(port).send("PROXY ").must_be_closed();
        for _ in 0..5 {
            Client::connect(port).send("nonsense").must_be_closed();
            Client::connect(port).finish().must_be_closed();
            Client::connect(port).send("PROXY ").finish().must_be_closed();
            Client::from("127.0.0.9", port).must_be_closed();
            Client::connect(port).send(v1(VISITOR, LISTENER)).get("/");
        }
        assert_eq!(nginx.refusals().len(), 21);
        wait_until("all connections but our own to be counted out", || {
            let counted = Client::connect(status).get("/").text();
            counted.starts_with("Active connections: 1 ").then_some(())
        });
        let counted = Client::connect(status).get("/").text();
        assert!(counted.contains("Reading: 0 Writing: 1 Waiting: 0"), "{counted}");
    }

    /// The time is for the whole header: drops must not start it anew.
    fn dripping_bytes_do_not_stretch_the_timeout(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(server(port, "", "realpeer_timeout 500ms;"));
        let nginx = site.start();
        let mut client = Client::connect(port);
        let start = std::time::Instant::now();
        client.send("PROXY UNKNOWN ");
        while client.is_quiet() {
            assert!(start.elapsed() < realpeer_e2e::PATIENCE, "still waiting for the header");
            client.send("x");
            client.wait_until_read();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        client.must_be_closed();
        // 25 drops fit into the timeout, 93 into a line: a slow machine
        // cannot make it a bad_v1.
        assert_eq!(nginx.refusal().result, "timeout");
    }
}
