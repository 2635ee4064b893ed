//! The counters of Apache, with its own handler and on the page of mod_status: what
//! a test has sent is what is counted, exactly, whichever child had it and whatever
//! becomes of the children.

mod status_parts;

use std::thread;

use realpeer_e2e::{
    Apache, ApacheFront, ApacheSite, Client, Logs, Mpm, Subsystem, V2, on_each_mpm, v1, wait_until,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use status_parts::zones::{Reloads, must_hold_over_reloads};
use status_parts::{Status, serve};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "RealPeer require all\nRealPeerTimeout 600s\nTimeout 600";

fn header() -> Vec<u8> {
    V2::proxy(VISITOR, LISTENER).checksum().build()
}

/// `n` times: with a header at once, with one in two pieces, and with none.
fn send(port: u16, n: usize) {
    let front = ApacheFront::plain();
    let header = header();
    for _ in 0..n {
        assert_eq!(front.visit(port, &header).client, "192.0.2.7");
        let mut client = Client::connect(port);
        client.send_pieces([&header[..20]]).send(&header[20..]);
        assert_eq!(front.ask(client).client, "192.0.2.7");
        Client::connect(port).send("hello, world").must_be_closed();
    }
}

fn must_be_refused(source: &str, port: u16) {
    Client::from(source, port).send("hello, world").must_be_closed();
}

fn counted(status: &Status, port: u16) -> Value {
    status.listener(Subsystem::Http, port)
}

#[track_caller]
fn must_have_counted(status: &Status, port: u16, n: usize) {
    let listener = counted(status, port);
    let connections = &listener["connections"];
    assert_eq!(connections["accepted"]["proxy"], 2 * n, "{listener:#}");
    assert_eq!(connections["refused"]["no_header"], n, "{listener:#}");
    assert_eq!(status.sum(&listener), 3 * n as u64, "{listener:#}");
    assert_eq!(listener["headers"], serde_json::json!({"1": 0, "2": 2 * n}));
    assert_eq!(listener["header_checksums"], 2 * n);
    assert_eq!(listener["header_bytes"], 2 * n * header().len());
    assert_eq!(listener["header_seconds"]["count"], 2 * n);
    assert_eq!(listener["dropped"], 0);
    assert_eq!(listener["waiting"], 0);
}

/// The children of before have all ended.
fn must_end(apache: &Apache, old: &[u32]) {
    wait_until("the old children to end", || {
        (!apache.workers().iter().any(|pid| old.contains(pid))).then_some(())
    });
}

/// As `kill -9` does, and others have taken over.
fn kill(apache: &Apache, children: &[u32]) {
    for &pid in children {
        let pid = Pid::from_raw(pid.try_into().expect("a pid")).expect("not 0");
        kill_process(pid, Signal::KILL).expect("a process of ours");
    }
    must_end(apache, children);
    wait_until("new children", || (!apache.workers().is_empty()).then_some(()));
}

fn site_with(mpm: Mpm, directives: &str) -> (ApacheSite, u16, Status) {
    let mut site = ApacheSite::new(mpm);
    let port = site.host(directives);
    let status = serve(&mut site);
    (site, port, status)
}

/// An Apache that is restarted, gracefully or not.
struct Restarted<const GRACEFULLY: bool>(Apache);

impl<const GRACEFULLY: bool> Reloads for Restarted<GRACEFULLY> {
    type Site = ApacheSite;

    fn begin(site: ApacheSite) -> Self {
        Self(site.start())
    }

    fn empty(site: &mut ApacheSite, zone: &str) {
        let line = if zone.is_empty() { String::new() } else { format!("RealPeerZone {zone}\n") };
        site.rewrite(|_| line);
    }

    fn listen(site: &mut ApacheSite, port: u16) {
        site.config(format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nRealPeer require all\n\
             </VirtualHost>"
        ));
    }

    fn reload(&mut self, change: impl FnOnce(&mut ApacheSite)) {
        let old = self.0.workers();
        if GRACEFULLY {
            self.0.graceful(change);
        } else {
            self.0.restart(change);
        }
        must_end(&self.0, &old);
    }

    fn logs(&self) -> &Logs {
        &self.0
    }
}

on_each_mpm! {
    fn what_was_sent_is_what_is_counted(mpm) {
        let (site, port, status) = site_with(mpm, REQUIRE);
        let _apache = site.start();
        must_have_counted(&status, port, 0);
        // Many at a time, so that many threads or processes count at a time.
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| send(port, 10)))));
        must_have_counted(&status, port, 80);
    }

    /// Each that may have rules, in the order of the configuration.
    fn listeners_with_rules_are_shown(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.config("RealPeer require all\nRealPeerLogLimit off");
        let status = serve(&mut site);
        let [one, _, two, bare] =
            ["", "RealPeer off", "RealPeer direct all", "-"].map(|directives| {
                if directives != "-" {
                    return site.host(directives);
                }
                // The server configuration rules where there is no virtual host.
                let port = site.port();
                site.config(format!("Listen 127.0.0.1:{port}"));
                port
            });
        let _apache = site.start();
        let json = status.json();
        let listeners = json["listeners"].as_array().expect("a list");
        let names: Vec<_> = listeners.iter().map(|one| one["listener"].clone()).collect();
        assert_eq!(names, [one, two, bare].map(|port| format!("127.0.0.1:{port}")));
        Client::connect(bare).send("hello, world").must_be_closed();
        assert_eq!(counted(&status, bare)["connections"]["refused"]["no_header"], 1);
    }

    fn every_result_is_counted(mpm) {
        let mut site = ApacheSite::new(mpm);
        let status = serve(&mut site);
        let [require, optional, strip, direct, refuse, strict] = [
            "RealPeer require all",
            "RealPeer optional all",
            "RealPeer strip all",
            "RealPeer direct all",
            "RealPeer refuse all",
            "RealPeer require all\nRealPeerNoAddress refuse\nRealPeerVersions 1",
        ]
        .map(|directives| site.host(directives));
        let _apache = site.start();
        let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let header = v1(VISITOR, LISTENER);
        let local = V2::local().build();
        let v2 = V2::proxy(VISITOR, LISTENER).build();
        let sent: [(u16, &[u8], &str, &str); 13] = [
            (require, &header, "accepted", "proxy"),
            (require, &local, "accepted", "local"),
            (require, b"PROXY UNKNOWN\r\n", "accepted", "no_address"),
            (require, b"PROXY TCP4 a b c d\r\n", "refused", "bad_v1"),
            (require, &v2[..20], "refused", "truncated"),
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
            if result == "truncated" {
                client.send_pieces([bytes]).finish();
            } else {
                client.send([bytes, get].concat());
            }
            client.ending();
            let listener = counted(&status, port);
            assert_eq!(listener["connections"][done][result], 1, "{result}: {listener:#}");
        }
        let ports = [require, optional, strip, direct, refuse, strict];
        let all: u64 = ports.iter().map(|port| status.sum(&counted(&status, *port))).sum();
        assert_eq!(all, sent.len() as u64);
    }

    /// New children, the same memory; and children that are killed come again.
    fn nothing_is_lost_over_restarts_and_dead_children(mpm) {
        let (site, port, status) = site_with(mpm, REQUIRE);
        let mut apache = site.start();
        apache.expect_alerts();
        send(port, 3);
        let old = apache.workers();
        apache.graceful(|_| {});
        must_end(&apache, &old);
        send(port, 3);
        must_have_counted(&status, port, 6);
        kill(&apache, &apache.workers());
        send(port, 3);
        must_have_counted(&status, port, 9);
        // What is open is closed, and what was counted is kept.
        apache.restart(|_| {});
        send(port, 3);
        must_have_counted(&status, port, 12);
    }

    fn those_that_wait_are_counted_until_they_are_gone(mpm) {
        let (site, port, status) = site_with(mpm, REQUIRE);
        let mut apache = site.start();
        apache.expect_alerts();
        let header = header();
        let begin = || [1, 20].map(|sent| {
            let mut client = Client::connect(port);
            client.send_pieces([&header[..sent]]);
            (client, sent)
        });
        let must_wait = |n: usize| wait_until("that many that wait", || {
            (counted(&status, port)["waiting"] == n).then_some(())
        });
        must_wait(0);
        let some = begin();
        must_wait(2);
        // They stay with the old children, and the new ones have theirs.
        let old = apache.workers();
        apache.graceful(|_| {});
        let more = begin();
        must_wait(4);
        for (mut client, sent) in some {
            client.send(&header[sent..]);
            assert_eq!(ApacheFront::plain().ask(client).client, "192.0.2.7");
        }
        must_wait(2);
        must_end(&apache, &old);
        // A child that is killed cannot say that its connections are gone.
        kill(&apache, &apache.workers());
        must_wait(0);
        for (mut client, _) in more {
            client.must_be_closed();
        }
        let listener = counted(&status, port);
        assert_eq!(listener["connections"]["accepted"]["proxy"], 2);
        assert_eq!((status.sum(&listener), &listener["dropped"]), (2, &0.into()));
        // Nor one that has to end at once.
        let more = begin();
        must_wait(2);
        apache.restart(|_| {});
        must_wait(0);
        for (mut client, _) in more {
            client.must_be_closed();
        }
    }

    /// However many there are, a bounded number is remembered, the last ones.
    fn refused_sources_are_remembered(mpm) {
        let (site, port, status) = site_with(mpm, "RealPeer require 127.0.0.2");
        let _apache = site.start();
        for source in 1..=100 {
            must_be_refused(&format!("127.0.1.{source}"), port);
        }
        for (source, times) in [("127.0.0.2", 2), ("127.0.0.3", 1), ("127.0.0.4", 3)] {
            for _ in 0..times {
                must_be_refused(source, port);
            }
        }
        let json = status.json();
        let refused = json["refused"].as_array().expect("a list");
        assert_eq!(refused.len(), 64);
        let seen: Vec<_> = refused[..4]
            .iter()
            .map(|one| format!("{} {} {}", one["source"], one["result"], one["count"]))
            .collect();
        assert_eq!(seen, [
            "\"127.0.0.4\" \"untrusted\" 3",
            "\"127.0.0.3\" \"untrusted\" 1",
            "\"127.0.0.2\" \"no_header\" 2",
            "\"127.0.1.100\" \"untrusted\" 1",
        ]);
        let listener = format!("127.0.0.1:{port}");
        assert!(refused.iter().all(|one| one["listener"] == listener.as_str()));
        assert_eq!(counted(&status, port)["connections"]["refused"]["untrusted"], 104);
        let page = status.get("?format=html", "").text();
        assert!(page.contains("127.0.0.4") && page.contains("untrusted"));
    }

    /// Logged or not, a refusal is counted.
    fn lines_that_are_held_back_are_counted(mpm) {
        let directives = format!("{REQUIRE}\nRealPeerLogLimit 1r/m burst=2");
        let (site, port, status) = site_with(mpm, &directives);
        let _apache = site.start();
        (0..7).for_each(|_| Client::connect(port).send("hello, world").must_be_closed());
        let listener = counted(&status, port);
        assert_eq!(listener["connections"]["refused"]["no_header"], 7);
        assert_eq!(listener["log_held"]["no_header"], 5);
        assert_eq!(listener["log_held"]["silent"], 0);
    }

    fn promtool_has_nothing_to_say(mpm) {
        let (site, port, status) = site_with(mpm, REQUIRE);
        let _apache = site.start();
        send(port, 2);
        let text = status.get("", "").text();
        status_parts::promtool(&text);
        let labels = format!("subsystem=\"http\",listener=\"127.0.0.1:{port}\"");
        for (series, value) in [
            (format!("realpeer_connections_total{{{labels},action=\"accepted\",result=\"proxy\"}}"), "4"),
            (format!("realpeer_headers_total{{{labels},version=\"2\"}}"), "4"),
            (format!("realpeer_header_seconds_count{{{labels}}}"), "4"),
            (format!("realpeer_waiting{{{labels}}}"), "0"),
        ] {
            assert!(text.lines().any(|line| line == format!("{series} {value}")), "{series}\n{text}");
        }
    }

    fn whoever_asks_gets_his_format(mpm) {
        let (site, _, status) = site_with(mpm, REQUIRE);
        let _apache = site.start();
        status.must_have_its_formats();
    }

    /// As a part of the page that Apache has of itself, and of its lines.
    fn mod_status_shows_them_too(mpm) {
        let (mut site, port, _) = site_with(mpm, REQUIRE);
        site.load("status");
        let server = site.host(
            "<Location /server-status>\nSetHandler server-status\n</Location>",
        );
        let apache = site.start();
        send(port, 3);
        let get = |query: &str| {
            let mut client = Client::connect(server);
            client.send(format!(
                "GET /server-status{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ));
            client.ending().response().text()
        };
        let auto = get("?auto");
        let value = |name: &str| {
            let prefix = format!("RealPeerListener[0]{name}: ");
            let mut found = auto.lines().filter_map(|line| line.strip_prefix(&*prefix));
            let value = found.next().unwrap_or_else(|| panic!("no {name} in {auto}"));
            assert!(found.next().is_none(), "{name} twice in {auto}");
            value
        };
        assert_eq!(value("Name"), format!("127.0.0.1:{port}"));
        for (name, wanted) in [
            ("Accepted_proxy", "6"),
            ("Refused_no_header", "3"),
            ("Refused_silent", "0"),
            ("HeadersVersion2", "6"),
            ("HeaderChecksums", "6"),
            ("HeaderSeconds_+Inf", "6"),
            ("Waiting", "0"),
            ("Dropped", "0"),
            ("LogHeld", "0"),
        ] {
            assert_eq!(value(name), wanted, "{name}");
        }
        // The rest of mod_status is still there, and each line is one.
        assert!(auto.contains("Total Accesses: ") || auto.contains("BusyWorkers: "), "{auto}");
        assert!(auto.lines().skip(1).filter(|line| line.contains("RealPeer")).all(|line| {
            line.split_once(": ").is_some_and(|(_, value)| !value.is_empty())
        }));
        let page = get("");
        assert!(page.contains("<h2>PROXY protocol</h2>"), "{page}");
        assert!(page.contains(&format!("<h3>127.0.0.1:{port}</h3>")), "{page}");
        assert!(page.contains("<td>accepted proxy</td><td align=\"right\">6</td>"), "{page}");
        assert!(page.is_ascii() && page.trim_end().ends_with("</html>"), "{page}");
        let plain = get("?notable");
        assert!(plain.contains("RealPeerListener[0]Accepted_proxy: 6"), "{plain}");
        drop(apache);
    }

    fn memory_that_grows_keeps_what_it_has(mpm) {
        let (site, port, status) = site_with(mpm, REQUIRE);
        let mut apache = site.start();
        send(port, 2);
        let mut more = Vec::new();
        let old = apache.workers();
        apache.graceful(|site| more.extend((0..20).map(|_| site.host(REQUIRE))));
        must_end(&apache, &old);
        send(port, 2);
        for &port in &more {
            Client::connect(port).send("hello, world").must_be_closed();
            assert_eq!(counted(&status, port)["connections"]["refused"]["no_header"], 1);
        }
        // A size that is stated is another memory too.
        for size in ["1m", "256k"] {
            let old = apache.workers();
            apache.graceful(|site| {
                site.rewrite(|config| {
                    let rest = config.lines().filter(|line| !line.starts_with("RealPeerZone"));
                    let rest: Vec<_> = rest.collect();
                    format!("RealPeerZone {size}\n{}\n", rest.join("\n"))
                });
            });
            must_end(&apache, &old);
        }
        send(port, 1);
        must_have_counted(&status, port, 5);
        assert!(!apache.error_log().contains("RealPeerZone"));
    }

    /// Whatever the memory was before and is now.
    fn every_memory_follows_every_other(mpm) {
        must_hold_over_reloads::<Restarted<true>>(|| ApacheSite::new(mpm));
    }

    fn listeners_without_room_are_counted_together(mpm) {
        let (mut site, port, status) = site_with(mpm, REQUIRE);
        site.config("RealPeerZone 32k");
        let mut ports = vec![port];
        ports.extend((0..29).map(|_| site.host(REQUIRE)));
        let apache = site.start();
        let warning = apache.stderr() + &apache.error_log();
        assert!(warning.contains("RealPeerZone has room for"), "{warning}");
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

    fn nothing_is_counted_where_it_is_off(mpm) {
        let (mut site, port, status) = site_with(mpm, REQUIRE);
        site.config("RealPeerZone off");
        let _apache = site.start();
        send(port, 2);
        assert_eq!(status.json()["listeners"], serde_json::json!([]));
    }

    /// One process, which no parent looks after.
    fn a_single_process_counts(mpm) {
        let (mut site, port, status) = site_with(mpm, REQUIRE);
        site.single();
        let _apache = site.start();
        send(port, 2);
        must_have_counted(&status, port, 2);
    }

    fn what_configtest_says(mpm) {
        let check = |directives: &str| {
            let mut site = ApacheSite::new(mpm);
            site.config(directives);
            site.host(REQUIRE);
            let check = site.check();
            (check.passed, check.messages.join("\n"))
        };
        for directives in
            ["RealPeerZone 32k", "RealPeerZone 1m", "RealPeerZone 40000", "RealPeerZone off"]
        {
            let (passed, messages) = check(directives);
            assert!(passed && messages.is_empty(), "{directives}: {messages}");
        }
        for (directives, words) in [
            ("RealPeerZone 31k", "invalid size \"31k\" in RealPeerZone, it must be \"off\" or at least 32768 bytes"),
            ("RealPeerZone big", "invalid size \"big\" in RealPeerZone"),
            ("RealPeerZone -64k", "invalid size \"-64k\" in RealPeerZone"),
            ("RealPeerZone 64kb", "invalid size \"64kb\" in RealPeerZone"),
            ("RealPeerZone 99999999999m", "invalid size \"99999999999m\" in RealPeerZone"),
            ("RealPeerZone 64k\nRealPeerZone 64k", "RealPeerZone is stated twice at the same level"),
            ("RealPeerZone off\nRealPeerZone 64k", "RealPeerZone is stated twice at the same level"),
            ("RealPeerZone", "RealPeerZone takes one argument"),
            ("<VirtualHost *>\nRealPeerZone 64k\n</VirtualHost>", "RealPeerZone cannot occur within <VirtualHost> section"),
        ] {
            let (passed, messages) = check(directives);
            assert!(!passed && messages.contains(words), "{directives}: {messages}");
        }
    }
}

/// The same where all children end at once, with the most processes.
#[test]
fn every_memory_follows_every_other_over_full_restarts() {
    must_hold_over_reloads::<Restarted<false>>(|| ApacheSite::new(Mpm::Prefork));
}
