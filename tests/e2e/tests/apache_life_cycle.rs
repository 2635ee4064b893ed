//! Restarts and shutdowns of Apache with connections waiting, and connections
//! that live long.

use realpeer_e2e::{
    Apache, ApacheFront, ApacheSite, Client, Ending, Mpm, V2, on_each_mpm, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "RealPeer require all\nRealPeerTimeout 600s\nTimeout 600";

/// Plain and with TLS, and a header wanted of everybody. Connections are
/// accepted before anything has come on them.
struct Pair {
    fronts: [ApacheFront; 2],
    ports: [u16; 2],
}

impl Pair {
    fn start(mpm: Mpm) -> (Apache, Self) {
        let mut site = ApacheSite::new(mpm);
        let fronts = ApacheFront::both();
        site.config("AcceptFilter http none\nAcceptFilter https none");
        let ports = fronts.each_ref().map(|front| front.host(&mut site, REQUIRE));
        (site.start(), Self { fronts, ports })
    }

    fn each(&self) -> impl Iterator<Item = (&ApacheFront, u16)> {
        self.fronts.iter().zip(self.ports)
    }

    fn clients(&self) -> [String; 2] {
        let header = v1(VISITOR, LISTENER);
        let seen: Vec<_> =
            self.each().map(|(front, port)| front.visit(port, &header).client).collect();
        seen.try_into().expect("two")
    }

    /// Connections that have sent nothing or half a header, accepted by now.
    fn waiting(&self) -> Vec<(&ApacheFront, Client, Vec<u8>)> {
        let header = V2::proxy(VISITOR, LISTENER).checksum().build();
        let waiting = self
            .each()
            .flat_map(|(front, port)| {
                [0, 1, 20].map(|sent| {
                    let mut client = Client::connect(port);
                    client.send(&header[..sent]);
                    (front, client, header[sent..].to_vec())
                })
            })
            .collect();
        // A listener's connections are accepted in their order.
        assert_eq!(self.clients(), ["192.0.2.7"; 2]);
        waiting
    }
}

fn must_be_served(waiting: Vec<(&ApacheFront, Client, Vec<u8>)>) {
    for (front, mut client, rest) in waiting {
        client.send(rest);
        assert_eq!(front.ask(client).client, "192.0.2.7");
    }
}

/// The children of before have all ended.
fn must_end(apache: &Apache, old: &[u32]) {
    wait_until("the old children to end", || {
        (!apache.workers().iter().any(|pid| old.contains(pid))).then_some(())
    });
}

fn with_policy(site: &mut ApacheSite, from: &str, to: &str) {
    site.rewrite(|config| config.replace(from, to));
}

on_each_mpm! {
    fn a_graceful_restart_serves_those_that_wait(mpm) {
        let (mut apache, pair) = Pair::start(mpm);
        let old = apache.workers();
        let waiting = pair.waiting();
        apache.graceful(|site| with_policy(site, "require", "strip"));
        wait_until("the new policy", || (pair.clients() == ["127.0.0.1"; 2]).then_some(()));
        // By the policy that they came under.
        must_be_served(waiting);
        must_end(&apache, &old);
        assert_eq!(pair.clients(), ["127.0.0.1"; 2]);
        assert_eq!(apache.refusals(), []);
    }

    fn a_graceful_restart_that_takes_the_policy_away(mpm) {
        let (mut apache, pair) = Pair::start(mpm);
        let old = apache.workers();
        let waiting = pair.waiting();
        apache.graceful(|site| with_policy(site, "RealPeer require all", "RealPeer refuse all"));
        wait_until("the new policy", || {
            let mut client = Client::connect(pair.ports[0]);
            client.send(v1(VISITOR, LISTENER)).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            (client.ending() == Ending::Unanswered).then_some(())
        });
        must_be_served(waiting);
        must_end(&apache, &old);
        let old = apache.workers();
        apache.graceful(|site| with_policy(site, "RealPeer refuse all\nRealPeerTimeout 600s\nTimeout 600", ""));
        must_end(&apache, &old);
        for (front, port) in pair.each() {
            let seen = front.ask(Client::from("127.0.0.9", port));
            assert_eq!(seen.client, "127.0.0.9");
            assert_eq!(seen.var("result").as_deref(), Some(""));
        }
    }

    fn many_graceful_restarts_with_connections_that_wait(mpm) {
        let (mut apache, pair) = Pair::start(mpm);
        let mut all = Vec::new();
        for _ in 0..3 {
            all.extend(pair.waiting());
            apache.graceful(|_| {});
        }
        must_be_served(all);
        assert_eq!(pair.clients(), ["192.0.2.7"; 2]);
        assert_eq!(apache.refusals(), []);
    }

    /// What becomes late meanwhile is still told so.
    fn those_that_wait_too_long_are_refused_by_the_old_children(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer require all\nRealPeerTimeout 1s");
        let mut apache = site.start();
        let old = apache.workers();
        let mut client = Client::connect(port);
        client.send_pieces([&b"PRO"[..]]);
        apache.graceful(|_| {});
        client.must_be_closed();
        assert_eq!(apache.refusal().result, "timeout");
        must_end(&apache, &old);
    }

    fn a_graceful_stop_waits_for_those_that_wait(mpm) {
        let (mut apache, pair) = Pair::start(mpm);
        let waiting = pair.waiting();
        apache.begin_graceful_stop();
        must_be_served(waiting);
        assert!(apache.graceful_stop().success());
    }

    fn stopping_or_restarting_at_once_closes_those_that_wait(mpm) {
        let (mut apache, pair) = Pair::start(mpm);
        for (_, mut client, _) in {
            let waiting = pair.waiting();
            apache.restart(|_| {});
            waiting
        } {
            client.must_be_closed();
        }
        assert_eq!(pair.clients(), ["192.0.2.7"; 2]);
        let waiting = pair.waiting();
        apache.stop();
        for (_, mut client, _) in waiting {
            client.must_be_closed();
        }
    }

    /// Between requests a connection of event has no thread; each one that
    /// takes it up again knows whose it is.
    fn a_connection_that_is_kept_alive_keeps_its_client(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host(REQUIRE);
        let apache = site.start();
        let mut clients: Vec<_> = (1..=8)
            .map(|number| {
                let mut client = Client::connect(port);
                client.send(v1(&format!("192.0.2.{number}:4321"), LISTENER));
                client
            })
            .collect();
        for _ in 0..20 {
            for (number, client) in (1..=8).zip(&mut clients) {
                let answer = client.get("/");
                assert_eq!(answer.var("remote_addr"), format!("192.0.2.{number}"));
                assert_eq!(answer.var("result"), "proxy");
            }
        }
        // A second header is a request that nobody understands.
        for client in &mut clients {
            client.send(v1(VISITOR, LISTENER)).send("\r\n");
            assert_eq!(client.response().status, 400);
        }
        assert_eq!(apache.refusals(), []);
    }

    fn sources_can_change_with_a_graceful_restart(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer require 127.0.0.1");
        let mut apache = site.start();
        let front = ApacheFront::plain();
        let header = v1(VISITOR, LISTENER);
        for number in 2..6_u8 {
            let source = format!("127.0.0.{number}");
            Client::from(&source, port).send(&header).must_be_closed();
            assert_eq!(apache.new_refusals()[0].result, "untrusted");
            let old = apache.workers();
            let (from, to) = (format!("127.0.0.{}", number - 1), source.clone());
            apache.graceful(|site| {
                with_policy(site, &format!("require {from}"), &format!("require {to}"));
            });
            must_end(&apache, &old);
            let mut client = Client::from(&source, port);
            client.send(&header);
            assert_eq!(front.ask(client).client, "192.0.2.7");
        }
    }
}
