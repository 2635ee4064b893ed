//! The counters and the status page: what a test has sent is what is counted,
//! exactly, whichever worker had it and whatever becomes of the workers.

mod status_parts;

use realpeer_e2e::{Client, Kind, Nginx, Site, Trio, V2, on_each_nginx, v1, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use status_parts::zones::{must_be_unique, must_hold_over_reloads};
use status_parts::{Status, serve};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "realpeer require all; realpeer_timeout 600s;";

/// Each of the three, `n` times: with a header, and with none.
fn send(trio: &Trio, n: usize) {
    let header = V2::proxy(VISITOR, LISTENER).checksum().build();
    for _ in 0..n {
        for (front, port) in trio.each() {
            assert_eq!(front.visit(port, &header).client, "192.0.2.7");
            Client::connect(port).send("hello, world").must_be_closed();
        }
    }
}

/// The listeners of a trio, with as many connections of both kinds.
fn must_have_counted(status: &Status, trio: &Trio, n: usize) {
    let header = V2::proxy(VISITOR, LISTENER).checksum().build();
    for (front, port) in trio.each() {
        let listener = status.listener(front.kind().subsystem(), port);
        let connections = &listener["connections"];
        assert_eq!(connections["accepted"]["proxy"], n, "{listener:#}");
        assert_eq!(connections["refused"]["no_header"], n, "{listener:#}");
        assert_eq!(status.sum(&listener), 2 * n as u64, "{listener:#}");
        assert_eq!(listener["headers"], serde_json::json!({"1": 0, "2": n}));
        assert_eq!(listener["header_checksums"], n);
        assert_eq!(listener["header_bytes"], n * header.len());
        assert_eq!(listener["header_seconds"]["count"], n);
        assert_eq!(listener["dropped"], 0);
    }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("a pid")).expect("not 0");
    kill_process(pid, Signal::KILL).expect("a process of ours");
}

on_each_nginx! {
    /// The zone is one for all three, and both workers count in it.
    fn what_was_sent_is_what_is_counted(which) {
        let mut site = Site::new(which);
        site.main("worker_processes 2;");
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let nginx = site.start();
        must_have_counted(&status, &trio, 0);
        send(&trio, 20);
        must_have_counted(&status, &trio, 20);
        assert_eq!(nginx.workers().len(), 2);
    }

    fn every_result_is_counted(which) {
        let mut site = Site::new(which);
        let status = serve(&mut site);
        let ports = [(); 6].map(|()| site.port());
        let [require, optional, strip, direct, refuse, strict] = ports;
        for (port, directives) in [
            (require, "realpeer require all;"),
            (optional, "realpeer optional all;"),
            (strip, "realpeer strip all;"),
            (direct, "realpeer direct all;"),
            (refuse, "realpeer refuse all;"),
            (strict, "realpeer require all; realpeer_no_address refuse; realpeer_versions 1;"),
        ] {
            site.http(format!("server {{ listen 127.0.0.1:{port}; {directives} return 204; }}"));
        }
        let _nginx = site.start();
        let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let header = v1(VISITOR, LISTENER);
        let local = V2::local().build();
        let v2 = V2::proxy(VISITOR, LISTENER).build();
        let sent: [(u16, &[u8], &str, &str); 14] = [
            (require, &header, "accepted", "proxy"),
            (require, &local, "accepted", "local"),
            (require, b"PROXY UNKNOWN\r\n", "accepted", "no_address"),
            (require, b"PROXY TCP4 a b c d\r\n", "refused", "bad_v1"),
            (require, &v2[..20], "refused", "truncated"),
            (require, b"", "refused", "silent"),
            (optional, &header, "accepted", "proxy"),
            (optional, b"", "passed", "absent"),
            (strip, &header, "passed", "stripped"),
            (strip, b"", "passed", "absent"),
            (direct, b"", "passed", "direct"),
            (refuse, b"", "refused", "untrusted"),
            (strict, b"PROXY UNKNOWN\r\n", "refused", "no_address"),
            (strict, &v2, "refused", "version_disallowed"),
        ];
        for (port, bytes, done, result) in sent {
            let mut client = Client::connect(port);
            match result {
                "truncated" | "silent" => client.send_pieces([bytes]).finish(),
                _ => client.send([bytes, get].concat()),
            };
            client.ending();
            let listener = status.listener(realpeer_e2e::Subsystem::Http, port);
            assert_eq!(listener["connections"][done][result], 1, "{result}: {listener:#}");
        }
        let all: u64 = ports
            .iter()
            .map(|port| status.sum(&status.listener(realpeer_e2e::Subsystem::Http, *port)))
            .sum();
        assert_eq!(all, sent.len() as u64);
    }

    /// New workers, the same zone; and workers that are killed come again.
    fn nothing_is_lost_over_reloads_and_dead_workers(which) {
        let mut site = Site::new(which);
        site.main("worker_processes 2;");
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let mut nginx = site.start();
        nginx.expect_alerts();
        send(&trio, 5);
        for round in 1..=2 {
            let old = nginx.workers();
            nginx.reload(|_| ());
            wait_until("the old workers to end", || {
                nginx.workers().iter().all(|pid| !old.contains(pid)).then_some(())
            });
            send(&trio, 5);
            must_have_counted(&status, &trio, 5 + 10 * round - 5);

            let old = nginx.workers();
            old.iter().for_each(|&pid| kill(pid));
            wait_until("new workers", || {
                let now = nginx.workers();
                (now.len() == 2 && now.iter().all(|pid| !old.contains(pid))).then_some(())
            });
            send(&trio, 5);
            must_have_counted(&status, &trio, 5 + 10 * round);
        }
    }

    fn those_that_wait_are_counted_until_they_are_gone(which) {
        let mut site = Site::new(which);
        site.main("worker_processes 2;");
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let mut nginx = site.start();
        nginx.expect_alerts();
        let waiting = || trio.each().map(|(front, port)| {
            status.listener(front.kind().subsystem(), port)["waiting"].clone()
        }).collect::<Vec<_>>();
        let must_wait = |n: usize| wait_until("that many that wait", || {
            (waiting() == vec![n; 3]).then_some(())
        });
        must_wait(0);
        let some = trio.waiting();
        must_wait(3);
        // They stay with the old workers, and the new ones have theirs.
        let old = nginx.workers();
        nginx.reload(|_| ());
        wait_until("the new workers", || {
            (nginx.workers().len() == 4).then_some(())
        });
        let more = trio.waiting();
        must_wait(6);
        some.must_be_served_by(&old);
        must_wait(3);
        // A worker that is killed cannot say that its connections are gone, and one of
        // those that are about to end has no successor that could.
        let old = nginx.workers();
        old.iter().for_each(|&pid| kill(pid));
        wait_until("new workers", || {
            let now = nginx.workers();
            (now.len() == 2 && now.iter().all(|pid| !old.contains(pid))).then_some(())
        });
        must_wait(0);
        more.must_be_closed();
        must_wait(0);
    }

    /// The zone grows with what there is to count, and takes along what was.
    fn a_zone_that_grows_keeps_what_it_has(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let mut nginx = site.start();
        send(&trio, 3);
        let mut ports = Vec::new();
        nginx.reload(|site| {
            for _ in 0..40 {
                let port = site.port();
                ports.push(port);
                site.http(format!(
                    "server {{ listen 127.0.0.1:{port}; {REQUIRE} return 204; }}"
                ));
            }
        });
        wait_until("the old worker to end", || (nginx.workers().len() == 1).then_some(()));
        send(&trio, 3);
        must_have_counted(&status, &trio, 6);
        for &port in &ports {
            Client::connect(port).send("x\r\n\r\n").must_be_closed();
            let listener = status.listener(realpeer_e2e::Subsystem::Http, port);
            assert_eq!(listener["connections"]["refused"]["no_header"], 1);
        }
        assert_eq!(nginx.error_log().matches("realpeer_zone").count(), 0);
    }

    /// Whatever the zone was before and is now.
    fn every_zone_follows_every_other(which) {
        must_hold_over_reloads::<Nginx>(|| Site::new(which));
    }

    /// A new master counts anew, with listeners that have no room as well.
    fn a_new_binary_has_a_zone_of_its_own(which) {
        let mut site = Site::new(which);
        site.daemon();
        let status = serve(&mut site);
        let ports: Vec<_> = (0..40).map(|_| site.port()).collect();
        site.http("realpeer_zone 32k;");
        for port in &ports {
            site.http(format!("server {{ listen 127.0.0.1:{port}; {REQUIRE} }}"));
        }
        let mut nginx = site.start();
        let refuse = || ports.iter().for_each(|&port| {
            Client::connect(port).send("hello, world").must_be_closed();
        });
        let sum = || {
            must_be_unique(&status.get("", "").text());
            let json = status.json();
            let listeners = json["listeners"].as_array().expect("a list");
            listeners.iter().map(|one| status.sum(one)).sum::<u64>()
        };
        refuse();
        assert_eq!(sum(), 40);
        nginx.start_new_binary();
        // Each connection is one of either master's, and so is the page.
        refuse();
        assert!(sum() <= 80);
        nginx.begin_quit();
        nginx.wait_for_old_binary();
        let before = sum();
        assert!(before <= 40, "{before}");
        refuse();
        assert_eq!(sum(), before + 40);
        nginx.quit();
    }

    /// From one worker to many, each of which is killed.
    fn there_is_a_row_for_each_worker(which) {
        for zone in ["", "realpeer_zone 32k;"] {
            let mut site = Site::new(which);
            let port = site.port();
            let server = format!("{zone} server {{ listen 127.0.0.1:{port}; {REQUIRE} }}");
            site.http(&server);
            let status = serve(&mut site);
            let mut nginx = site.start();
            nginx.expect_alerts();
            nginx.reload(|site| site.main("worker_processes 48;"));
            wait_until("48 workers", || (nginx.workers().len() == 48).then_some(()));
            let waiting = || {
                status.listener(realpeer_e2e::Subsystem::Http, port)["waiting"].clone()
            };
            let clients: Vec<_> = (0..100).map(|_| {
                let mut client = Client::connect(port);
                client.send("P");
                client
            }).collect();
            wait_until("all to wait", || (waiting() == 100).then_some(()));
            let old = nginx.workers();
            old.iter().for_each(|&pid| kill(pid));
            wait_until("new workers", || {
                let now = nginx.workers();
                (now.len() == 48 && now.iter().all(|pid| !old.contains(pid))).then_some(())
            });
            assert_eq!(waiting(), 0);
            for mut client in clients {
                client.must_be_closed();
            }
            assert!(!nginx.error_log().contains("has room for"));
        }
    }

    fn listeners_without_room_are_counted_together(which) {
        let mut site = Site::new(which);
        site.http("realpeer_zone 32k;");
        let status = serve(&mut site);
        let ports: Vec<u16> = (0..30).map(|_| site.port()).collect();
        for port in &ports {
            site.http(format!("server {{ listen 127.0.0.1:{port}; {REQUIRE} return 204; }}"));
        }
        let nginx = site.start();
        let warning = nginx.stderr() + &nginx.error_log();
        assert!(warning.contains("\"realpeer_zone\" has room for"), "{warning}");
        for &port in &ports {
            Client::connect(port).send("hello, world").must_be_closed();
        }
        let json = status.json();
        let listeners = json["listeners"].as_array().expect("a list");
        let other = listeners.last().expect("one");
        assert_eq!((&other["subsystem"], &other["listener"]), (&"any".into(), &"other".into()));
        let known = listeners.len() - 1;
        assert!((2..30).contains(&known), "{known}");
        assert_eq!(other["connections"]["refused"]["no_header"], 30 - known);
        assert_eq!(listeners.iter().map(|one| status.sum(one)).sum::<u64>(), 30);
    }

    fn a_block_that_does_not_count_costs_nothing(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        site.stream("realpeer_zone off;");
        let status = serve(&mut site);
        let _nginx = site.start();
        send(&trio, 2);
        let json = status.json();
        let listeners = json["listeners"].as_array().expect("a list");
        let subsystems: Vec<_> = listeners.iter().map(|one| one["subsystem"].clone()).collect();
        assert_eq!(subsystems, ["http", "mail"]);
    }

    fn refused_sources_are_remembered(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require 127.0.0.2; return 204; }}"
        ));
        let status = serve(&mut site);
        let _nginx = site.start();
        for (source, times) in [("127.0.0.2", 2), ("127.0.0.3", 1), ("127.0.0.4", 3)] {
            for _ in 0..times {
                Client::from(source, port).send("hello, world").must_be_closed();
            }
        }
        let json = status.json();
        let refused = json["refused"].as_array().expect("a list");
        let seen: Vec<_> = refused
            .iter()
            .map(|one| format!("{} {} {}", one["source"], one["result"], one["count"]))
            .collect();
        assert_eq!(seen, [
            "\"127.0.0.4\" \"untrusted\" 3",
            "\"127.0.0.3\" \"untrusted\" 1",
            "\"127.0.0.2\" \"no_header\" 2",
        ]);
        let listener = format!("127.0.0.1:{port}");
        assert!(refused.iter().all(|one| one["listener"] == listener.as_str()));
        let page = status.get("?format=html", "").text();
        assert!(page.contains("127.0.0.4") && page.contains("untrusted"));
    }

    /// Sockets come after zones: whoever cannot have them has no listeners either.
    fn a_configuration_that_never_comes_takes_no_place(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; return 204; }}"
        ));
        let status = serve(&mut site);
        let no_folder = site.dir().join("none").display().to_string();
        let mut nginx = site.start();
        nginx.expect_alerts();
        Client::connect(port).send("hello, world").must_be_closed();
        for nth in 1..=3 {
            // As many as fit into the zone as it is.
            let listeners: String = (0..14)
                .map(|n| format!("server {{ listen unix:{no_folder}/{nth}-{n}; }}\n"))
                .collect();
            let wrong = format!("realpeer require all;\n{listeners}");
            nginx.reload_refused(nth, |site| site.replace_http(&wrong));
        }
        Client::connect(port).send("hello, world").must_be_closed();
        let listener = status.listener(realpeer_e2e::Subsystem::Http, port);
        assert_eq!(listener["connections"]["refused"]["no_header"], 2, "{listener:#}");
        assert_eq!(status.json()["listeners"].as_array().expect("a list").len(), 1);
    }

    /// Logged or not, a refusal is counted.
    fn lines_that_are_held_back_are_counted(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", &format!("{REQUIRE} realpeer_log_limit 1r/m burst=2;"));
        let status = serve(&mut site);
        let _nginx = site.start();
        for (front, port) in trio.each() {
            (0..7).for_each(|_| Client::connect(port).send("hello, world").must_be_closed());
            let listener = status.listener(front.kind().subsystem(), port);
            assert_eq!(listener["connections"]["refused"]["no_header"], 7);
            assert_eq!(listener["log_held"]["no_header"], 5);
            assert_eq!(listener["log_held"]["silent"], 0);
        }
    }

    fn promtool_has_nothing_to_say(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let socket = site.dir().join("a \"quoted\" socket");
        site.http(format!(
            "server {{ listen 'unix:{}'; {REQUIRE} return 204; }}",
            socket.display()
        ));
        let _nginx = site.start();
        send(&trio, 2);
        let text = status.get("", "").text();
        status_parts::promtool(&text);
        assert!(text.contains("a \\\"quoted\\\" socket"));
        let (http, port) = (realpeer_e2e::Subsystem::Http, trio.ports[0]);
        let labels = format!("subsystem=\"{}\",listener=\"127.0.0.1:{port}\"", http.name());
        for (series, value) in [
            (format!("realpeer_connections_total{{{labels},action=\"accepted\",result=\"proxy\"}}"), "2"),
            (format!("realpeer_headers_total{{{labels},version=\"2\"}}"), "2"),
            (format!("realpeer_header_seconds_count{{{labels}}}"), "2"),
            (format!("realpeer_waiting{{{labels}}}"), "0"),
        ] {
            assert!(text.lines().any(|line| line == format!("{series} {value}")), "{series}\n{text}");
        }
    }

    fn whoever_asks_gets_his_format(which) {
        let mut site = Site::new(which);
        let status = serve(&mut site);
        let _nginx = site.start();
        let head = status.must_have_its_formats();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        assert!(length.is_some_and(|length| length.parse::<usize>().is_ok_and(|n| n > 0)));
    }

    /// The directives, and what is wrong with them.
    fn what_nginx_t_says(which) {
        let check = |http: &str, stream: &str| {
            let mut site = Site::new(which);
            let port = site.port();
            site.http(format!(
                "{http} server {{ listen 127.0.0.1:{port}; realpeer require all; return 204; }}"
            ));
            site.stream(stream);
            let check = site.check();
            (check.passed, check.messages.join("\n"))
        };
        for (http, stream) in [
            ("realpeer_zone 32k;", ""),
            ("realpeer_zone 1m;", "realpeer_zone 1m;"),
            ("realpeer_zone off;", "realpeer_zone 64k;"),
            ("realpeer_zone 100k;", "realpeer_zone off;"),
        ] {
            let (passed, messages) = check(http, stream);
            assert!(passed && messages.is_empty(), "{http} {stream}: {messages}");
        }
        for (http, stream, words) in [
            ("realpeer_zone 31k;", "", "invalid size \"31k\" in \"realpeer_zone\", it must be \"off\" or at least 32768 bytes in "),
            ("realpeer_zone big;", "", "invalid size \"big\" in \"realpeer_zone\""),
            ("realpeer_zone 64k; realpeer_zone 64k;", "", "\"realpeer_zone\" directive is duplicate in "),
            ("realpeer_zone off; realpeer_zone 64k;", "", "\"realpeer_zone\" directive is duplicate in "),
            ("realpeer_zone 64k;", "realpeer_zone 1m;", "\"realpeer_zone 1m\" contradicts the size in "),
            ("realpeer_zone;", "", "invalid number of arguments in \"realpeer_zone\""),
            ("realpeer_status;", "", "\"realpeer_status\" directive is not allowed here"),
            ("server { location / { realpeer_status on; } }", "", "invalid number of arguments in \"realpeer_status\""),
            ("server { location / { realpeer_status; realpeer_status; } }", "", "\"realpeer_status\" directive is duplicate"),
            ("server { realpeer_zone 64k; }", "", "\"realpeer_zone\" directive is not allowed here"),
        ] {
            let (passed, messages) = check(http, stream);
            assert!(!passed && messages.contains(words), "{http} {stream}: {messages}");
        }
    }

    /// A reload that states another size makes another zone, and takes along.
    fn a_stated_size_may_change(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let mut nginx = site.start();
        send(&trio, 2);
        for size in ["1m", "256k"] {
            nginx.reload(|site| {
                trio.write(site, "", REQUIRE);
                status.write(site);
                site.http(format!("realpeer_zone {size};"));
            });
            wait_until("the old worker to end", || (nginx.workers().len() == 1).then_some(()));
        }
        send(&trio, 2);
        must_have_counted(&status, &trio, 4);
    }

    /// Without a master the memory of a zone that is replaced goes at once.
    fn connections_of_a_single_process_outlive_their_zone(which) {
        let mut site = Site::new(which);
        site.main("master_process off;");
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let status = serve(&mut site);
        let mut nginx = site.start();
        send(&trio, 2);
        let waiting = trio.waiting();
        nginx.reload_single_process(|site| {
            trio.write(site, "", REQUIRE);
            status.write(site);
            site.http("realpeer_zone 1m;");
        });
        // nginx takes no new connections after that, see life_cycle.rs.
        waiting.without(Kind::Mail).must_be_served_by(&[nginx.pid()]);
        nginx.quit();
    }
}

#[test]
fn promtool_would_say_something() {
    let text = "# TYPE realpeer_a counter\nrealpeer_a{b=\"c\"} 1\nrealpeer_a{b=\"c\"} x\n";
    assert!(std::panic::catch_unwind(|| status_parts::promtool(text)).is_err());
}
