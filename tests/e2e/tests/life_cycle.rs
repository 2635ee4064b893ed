//! Reloads, upgrades and shutdowns, with http, stream and mail at work at the
//! same time. What only http can show is in events.rs, keep-alive in
//! splitting.rs, HTTP/2 in protocols.rs, and every way to listen in listen.rs.

use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use realpeer_e2e::{
    AuthHttp, Client, Dialogue, Kind, MailBackend, MailProtocol, Nginx, PATIENCE, Site, Subsystem,
    Trio, Upstream, Which, on_each_nginx, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "realpeer require all; realpeer_timeout 600s;";

/// A trio that wants a header of everybody.
fn start(which: Which, main: &str) -> (Nginx, Trio) {
    let mut site = Site::new(which);
    site.main(main);
    let trio = Trio::new(&mut site);
    trio.write(&mut site, "", REQUIRE);
    (site.start(), trio)
}

fn workers_must_become(nginx: &Nginx, wanted: usize) -> Vec<u32> {
    wait_until("the old workers to end", || {
        let workers = nginx.workers();
        (workers.len() == wanted).then_some(workers)
    })
}

on_each_nginx! {
    fn three_subsystems_work_together(which) {
        let (mut nginx, trio) = start(which, "worker_processes 2;");
        for _ in 0..5 {
            trio.must_serve();
        }
        for (_, port) in trio.each() {
            Client::connect(port).send("hello, world").must_be_closed();
            let refusals = nginx.new_refusals();
            assert_eq!(refusals.len(), 1, "one line per connection: {refusals:#?}");
            assert_eq!(refusals[0].listener, format!("127.0.0.1:{port}"));
        }
        trio.must_serve();
        nginx.quit();
    }

    fn a_reload_leaves_those_that_wait_to_the_old_worker(which) {
        let (mut nginx, trio) = start(which, "worker_processes 1;");
        let old = nginx.workers();
        let waiting = trio.waiting();
        nginx.reload(|site| trio.write(site, "", "realpeer strip all;"));
        wait_until("the new policy", || (trio.clients() == ["127.0.0.1"; 3]).then_some(()));
        waiting.must_be_served_by(&old);
        let new = workers_must_become(&nginx, 1);
        assert_ne!(new, old);
        assert_eq!(trio.clients(), ["127.0.0.1"; 3]);
        assert_eq!(nginx.refusals(), []);
    }

    fn a_reload_that_takes_the_policy_away_leaves_those_that_wait_theirs(which) {
        let (mut nginx, trio) = start(which, "worker_processes 1;");
        let old = nginx.workers();
        let waiting = trio.waiting();
        nginx.reload(|site| trio.write(site, "", "realpeer refuse all;"));
        wait_until("the new policy", || {
            let mut client = Client::connect(trio.ports[0]);
            client.send(v1(VISITOR, LISTENER)).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            (client.ending() == realpeer_e2e::Ending::Unanswered).then_some(())
        });
        waiting.must_be_served_by(&old);
        workers_must_become(&nginx, 1);
        nginx.reload(|site| trio.write(site, "", "realpeer off;"));
        workers_must_become(&nginx, 1);
        for (front, port) in trio.each() {
            let client = Client::from("127.0.0.9", port);
            assert_eq!(front.ask(client).client, "127.0.0.9");
        }
    }

    /// A new policy is for new connections: those that have begun go on.
    fn a_reload_leaves_sessions_their_client(which) {
        let mut site = Site::new(which);
        let backend = MailBackend::start(MailProtocol::Imap);
        let auth = AuthHttp::passing_to(backend.port());
        let echo = Upstream::mirror();
        let (mail, stream, other) = (site.port(), site.port(), site.port());
        site.mail(format!(
            "{} server {{ listen 127.0.0.1:{mail}; protocol imap; {REQUIRE} }}",
            auth.directive()
        ));
        site.stream(format!(
            "server {{ listen 127.0.0.1:{stream}; {REQUIRE} proxy_pass 127.0.0.1:{}; }}",
            echo.port()
        ));
        site.http(format!("server {{ listen 127.0.0.1:{other}; return 204; }}"));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut client = Client::connect(mail);
        client.send(&header);
        let mut dialogue = Dialogue::over(client);
        assert!(dialogue.line().starts_with("* OK"));
        let mut session = Client::connect(stream);
        let must_echo = |session: &mut Client| {
            session.send("word");
            let mut word = [0; 4];
            session.read_exact(&mut word).expect("an echo");
        };
        session.send(&header);
        must_echo(&mut session);

        nginx.reload(|site| {
            site.clear(Subsystem::Stream);
            site.clear(Subsystem::Mail);
            site.stream(format!("server {{ listen 127.0.0.1:{stream}; realpeer refuse all; return x; }}"));
            site.mail(format!(
                "{} server {{ listen 127.0.0.1:{mail}; protocol imap; realpeer refuse all; }}",
                auth.directive()
            ));
        });
        wait_until("the new policy", || {
            let mut client = Client::connect(mail);
            client.send(&header);
            let refused = client.read(&mut [0]).map(|length| length == 0).unwrap_or(true);
            refused.then_some(())
        });
        must_echo(&mut session);
        assert!(dialogue.say("a1 LOGIN a b").starts_with("a1 OK"));
        let asked = auth.requests().pop().expect("a question");
        assert_eq!(asked.header("client-ip"), Some("192.0.2.7"));
        drop(session);
        let log = wait_until("the end of the session", || {
            let log = nginx.log("stream.log");
            log.contains(" proxy ").then_some(log)
        });
        assert!(log.contains("192.0.2.7:4321 proxy require 127.0.0.1:"), "{log}");
    }

    fn a_reload_that_is_refused_changes_nothing(which) {
        let (mut nginx, trio) = start(which, "worker_processes 1;");
        nginx.expect_alerts();
        let workers = nginx.workers();
        let waiting = trio.waiting();
        let mut nth = 0;
        for subsystem in Subsystem::ALL {
            // Found as it is read, when its block has ended, and when the
            // listening sockets are known.
            let native = format!(
                "server {{ listen 127.0.0.1:{} proxy_protocol; {} realpeer require all; }}",
                trio.ports[0],
                if subsystem == Subsystem::Http { "" } else { "SERVE" }
            )
            .replace("SERVE", match subsystem {
                Subsystem::Mail => "protocol pop3; auth_http 127.0.0.1:1/;",
                _ => "return x;",
            });
            for wrong in [
                "realpeer require 192.0.2.0/33;",
                "realpeer require all; realpeer refuse all; server { listen 127.0.0.1:1; }",
                &native,
            ] {
                nth += 1;
                nginx.reload_refused(nth, |site| {
                    for other in Subsystem::ALL {
                        site.clear(other);
                    }
                    site.block(subsystem, wrong);
                });
                trio.must_serve();
                assert_eq!(nginx.workers(), workers);
            }
        }
        waiting.must_be_served_by(&workers);
        // And a good one is taken after all that.
        nginx.reload(|site| trio.write(site, "", "realpeer strip all;"));
        wait_until("the new policy", || (trio.clients() == ["127.0.0.1"; 3]).then_some(()));
    }

    fn many_reloads_with_connections_that_wait(which) {
        let (mut nginx, trio) = start(which, "worker_processes 2;");
        let mut all = Vec::new();
        for _ in 0..4 {
            let waiting = trio.waiting();
            all.push((nginx.workers(), waiting));
            nginx.reload(|_| {});
        }
        for (workers, waiting) in all {
            waiting.must_be_served_by(&workers);
        }
        workers_must_become(&nginx, 2);
        trio.must_serve();
        nginx.quit();
    }

    fn a_new_binary_takes_over(which) {
        let mut site = Site::new(which);
        site.daemon();
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let mut nginx = site.start();
        let old = nginx.workers();
        let waiting = trio.waiting();
        nginx.start_new_binary();
        // Both accept now, and both know the policy.
        for _ in 0..5 {
            trio.must_serve();
        }
        nginx.begin_quit();
        waiting.must_be_served_by(&old);
        nginx.wait_for_old_binary();
        let new = nginx.workers();
        assert_ne!(new, old);
        let waiting = trio.waiting();
        waiting.must_be_served_by(&new);
        Client::connect(trio.ports[2]).send("hello, world").must_be_closed();
        assert_eq!(nginx.refusal().result, "no_header");
        nginx.quit();
    }

    /// The new binary is no good: the old one goes on as if nothing had been.
    fn a_new_binary_can_be_sent_away(which) {
        let mut site = Site::new(which);
        site.daemon();
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let mut nginx = site.start();
        let old = nginx.workers();
        let waiting = trio.waiting();
        nginx.start_new_binary();
        assert_ne!(nginx.new_workers(), old);
        nginx.stop_new_binary();
        waiting.must_be_served_by(&old);
        trio.must_serve();
        assert_eq!(nginx.workers(), old);
    }

    fn quitting_waits_for_those_that_wait(which) {
        let (mut nginx, trio) = start(which, "worker_processes 1;");
        let workers = nginx.workers();
        let waiting = trio.waiting();
        nginx.begin_quit();
        waiting.must_be_served_by(&workers);
        nginx.quit();
    }

    fn a_shutdown_timeout_ends_the_wait(which) {
        let main = "worker_processes 1; worker_shutdown_timeout 300ms;";
        let (mut nginx, trio) = start(which, main);
        let waiting = trio.waiting();
        // The old worker of a reload,
        nginx.reload(|_| {});
        waiting.must_be_closed();
        workers_must_become(&nginx, 1);
        // and the last one.
        let waiting = trio.waiting();
        nginx.quit();
        waiting.must_be_closed();
    }

    fn stopping_at_once_closes_those_that_wait(which) {
        let (nginx, trio) = start(which, "worker_processes 1;");
        let waiting = trio.waiting();
        drop(nginx);
        waiting.must_be_closed();
    }

    /// As idle connections do, those that have waited longest make room when a
    /// worker has no more.
    fn those_that_wait_give_way_when_there_are_no_more_connections(which) {
        let mut site = Site::new(which);
        site.events("worker_connections 40;");
        let trio = Trio::new(&mut site);
        trio.write(&mut site, "", REQUIRE);
        let mut nginx = site.start();
        nginx.expect_alerts();
        let header = v1(VISITOR, LISTENER);
        for (front, port) in trio.each() {
            let waiting: Vec<_> = (0..60)
                .map(|number| {
                    let mut client = Client::connect(port);
                    client.send(&header[..number % 2 * 9]);
                    client
                })
                .collect();
            assert_eq!(front.visit(port, &header).client, "192.0.2.7");
            let closed = waiting.iter().filter(|client| !client.is_quiet()).count();
            assert!(closed >= 60 - 40, "{closed} of 60 gave way to 40");
            trio.must_serve();
        }
    }

    /// nginx as a single process takes no connection after a reload, with
    /// realpeer or without; those that it has must come to their end.
    fn a_single_process_and_its_reload(which) {
        let (mut nginx, trio) = start(which, "master_process off;");
        let own = [nginx.pid()];
        trio.must_serve();
        Client::connect(trio.ports[1]).send("hello, world").must_be_closed();
        assert_eq!(nginx.new_refusals().len(), 1);
        let waiting = trio.waiting();
        nginx.reload_single_process(|site| trio.write(site, "", "realpeer strip all;"));
        // Mail has to ask, for which nginx has no connection any more.
        waiting.without(Kind::Mail).must_be_served_by(&own);
        assert_eq!(nginx.new_refusals(), []);
        // One that has crashed would have been met above, or here.
        nginx.quit();
    }

    /// Without a master a module would go with its last configuration, and its timer, which
    /// tells of lines that were held back, would be met by nothing. But nginx never lets
    /// the configuration go that a single process began with.
    fn a_timer_never_outlives_its_module(which) {
        let mut site = Site::new(which);
        site.main("master_process off;");
        let auth = AuthHttp::refusing();
        let port = site.port();
        let mail = |realpeer: &str| format!(
            "{} server {{ listen 127.0.0.1:{port}; protocol pop3; {realpeer} }}",
            auth.directive()
        );
        site.mail(mail("realpeer require all; realpeer_log_limit 1r/m burst=1;"));
        let mut nginx = site.start();
        for _ in 0..3 {
            Client::connect(port).send("hello, world").must_be_closed();
        }
        assert_eq!(nginx.refusals().len(), 1, "the others are held back");
        let maps = format!("/proc/{}/maps", nginx.pid());
        let is_loaded = || {
            std::fs::read_to_string(&maps).expect("still running").contains("_realpeer_module.so")
        };
        assert!(is_loaded());
        nginx.reload_single_process(|site| {
            site.load_modules(which.native_module(Subsystem::Mail));
            site.clear(Subsystem::Mail);
            site.mail(mail(""));
        });
        // nginx keeps the first configuration as long as its listening connections are
        // in it, which is for ever. It looks every thirty seconds; this takes sixty.
        let begin = Instant::now();
        while nginx.held_back().is_empty() {
            assert!(begin.elapsed() < 4 * PATIENCE, "the timer is gone");
            sleep(Duration::from_millis(20));
        }
        assert!(is_loaded());
        assert_eq!(nginx.held_back().iter().map(|held| held.lines).sum::<u64>(), 2);
        assert!(nginx.quit().success());
    }
}
