//! Who may say what: every kind of source on one port of Apache, against
//! everything a source can send; src/policies.rs has the table.

use std::time::Duration;

use realpeer_e2e::{ApacheFront, ApacheSite, Client, Mpm, POLICIES, Policed, on_each_mpm, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// `Timeout` and mod_reqtimeout each end a request that does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Timeout,
    Reqtimeout,
}

fn every_source_gets_what_its_policy_says(mpm: Mpm, front: &ApacheFront, limit: Limit) {
    let mut site = ApacheSite::new(mpm);
    site.config("AcceptFilter http none\nAcceptFilter https none");
    for (policy, source) in POLICIES {
        site.config(format!("RealPeer {policy} {source}"));
    }
    let limits = match limit {
        Limit::Timeout => "Timeout 1",
        Limit::Reqtimeout => {
            site.load("reqtimeout");
            "RequestReadTimeout handshake=1 header=1"
        }
    };
    let patient = front.host(&mut site, "RealPeerTimeout 600s\nTimeout 600");
    // With event those that go on without a header are idle until they say
    // something.
    let hasty =
        front.host(&mut site, &format!("RealPeerTimeout 300ms\nKeepAliveTimeout 1\n{limits}"));
    let mut apache = site.start();
    let authority = front.authority();
    let served = Policed { logs: &apache, authority, answers_on_tls: false, patient, hasty }
        .must_treat_every_source_as_its_policy_says();
    apache.stop();
    let log = apache.access_log();
    // A request that did not come in time is logged as well.
    let answered = log.lines().filter(|line| !line.contains(" 408 \"-\"")).count();
    assert_eq!(answered, served, "a refused connection was served: {log}");
}

on_each_mpm! {
    fn every_source_gets_what_its_policy_says_on_plain_http(mpm) {
        every_source_gets_what_its_policy_says(mpm, &ApacheFront::plain(), Limit::Timeout);
    }

    fn every_source_gets_what_its_policy_says_on_tls(mpm) {
        every_source_gets_what_its_policy_says(mpm, &ApacheFront::tls(), Limit::Timeout);
    }

    fn every_source_gets_what_its_policy_says_with_mod_reqtimeout(mpm) {
        for front in ApacheFront::both() {
            every_source_gets_what_its_policy_says(mpm, &front, Limit::Reqtimeout);
        }
    }

    /// DESIGN: when the timeout passes, optional and strip go on with whatever
    /// came, unless that can only be a header.
    fn an_optional_header_half_sent_is_a_timeout_only_if_it_is_one(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.config("RealPeer optional 127.0.0.3\nRealPeer strip 127.0.0.4");
        let port = site.host("RealPeerTimeout 1s\nTimeout 2\nKeepAliveTimeout 1");
        let apache = site.start();
        let begin = |source: &str, beginning: &str| {
            let mut client = Client::from(source, port);
            client.send(beginning);
            client
        };
        let sources = ["127.0.0.3", "127.0.0.4"];
        // May still become PROPFIND, so Apache gets it and waits in vain for
        // the rest of the request.
        let requests = sources.map(|source| begin(source, "PRO"));
        let headers = sources.map(|source| {
            ["PROXY TCP4 192.0.2.7 ", "\r\n\r\n\0\r\nQUIT\n\x21"]
                .map(|beginning| begin(source, beginning))
        });
        for (mut client, policy) in requests.into_iter().zip(["optional", "strip"]) {
            client.ending();
            // With event it is nobody's until there is more of it.
            if mpm != Mpm::Event {
                let line = apache.wait_for_access(&format!(" absent {policy} {} ", client.local()));
                assert!(line.contains(" 408 "), "{line}");
            }
        }
        for mut client in headers.into_iter().flatten() {
            client.must_be_closed();
            let peer = client.local().to_string();
            let refusals = apache.refusals();
            let refusals: Vec<_> = refusals.iter().filter(|each| each.peer == peer).collect();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert_eq!(refusals[0].result, "timeout");
        }
        assert_eq!(apache.refusals().len(), 4);
    }

    /// Late is not too late for those who need no header. Whether the pause is
    /// longer than the time for the header makes no difference.
    fn a_late_request_without_a_header_is_served(mpm) {
        for front in ApacheFront::both() {
            let mut site = ApacheSite::new(mpm);
            site.config("AcceptFilter http none\nAcceptFilter https none");
            let port = front.host(
                &mut site,
                "RealPeer optional 127.0.0.3\nRealPeer strip 127.0.0.4\nRealPeerTimeout 300ms\n\
                 KeepAliveTimeout 50",
            );
            let apache = site.start();
            for (source, policy) in [("127.0.0.3", "optional"), ("127.0.0.4", "strip")] {
                let client = Client::from(source, port);
                std::thread::sleep(Duration::from_millis(700));
                let seen = front.ask(client);
                assert_eq!(seen.client, source);
                assert_eq!(seen.var("policy").as_deref(), Some(policy));
                assert_eq!(seen.var("result").as_deref(), Some("absent"));
            }
            assert_eq!(apache.refusals(), []);
        }
    }

    fn an_optional_header_cut_off_by_the_end_is_truncated(mpm) {
        for front in ApacheFront::both() {
            let mut site = ApacheSite::new(mpm);
            let port = front.host(&mut site, "RealPeer optional all\nRealPeerTimeout 600s\nTimeout 600");
            let apache = site.start();
            Client::connect(port).send("PROXY TCP4 192.0.2.7 ").finish().must_be_closed();
            assert_eq!(apache.new_refusals()[0].result, "truncated");
            // May have been going to be a request: Apache gets it, and the end.
            for pause in [false, true] {
                let mut client = Client::connect(port);
                client.send("PRO");
                if pause {
                    client.wait_until_read();
                }
                client.finish().ending();
                assert_eq!(apache.new_refusals(), []);
            }
        }
    }

    /// A request that begins like a header is none: all that differs is late.
    fn a_request_that_begins_like_a_header_is_a_request(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer optional all");
        let apache = site.start();
        for method in ["POST", "PUT", "PROPFIND", "PRO", "PROX"] {
            let mut client = Client::connect(port);
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            client.send_pieces(request.as_bytes().chunks(1).take(9));
            client.send(&request[9..]);
            // The page can be posted to; there is nothing of the other kinds.
            let answer = client.response();
            assert_eq!(answer.status == 200, method == "POST", "{method}: {}", answer.status);
            apache.wait_for_access(&format!("\"{method} / HTTP/1.1\" 127.0.0.1"));
        }
        assert!(apache.access_log().lines().all(|line| line.contains(" absent optional ")));
        assert_eq!(apache.refusals(), []);
    }

    fn the_longest_prefix_wins_whatever_the_order(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host(
            "RealPeer refuse all\nRealPeer direct 127.0.0.0/29 127.0.2.1\n\
             RealPeer require 127.0.0.4\nRealPeer optional 127.0.0.4/30",
        );
        let apache = site.start();
        let header = v1(VISITOR, LISTENER);
        let policy = |source: &str| Client::from(source, port).send(&header).get("/").var("policy");
        assert_eq!(policy("127.0.0.4"), "require");
        assert_eq!(policy("127.0.0.5"), "optional");
        assert_eq!(Client::from("127.0.0.3", port).get("/").var("policy"), "direct");
        assert_eq!(Client::from("127.0.2.1", port).get("/").var("policy"), "direct");
        Client::from("127.0.0.8", port).send(&header).must_be_closed();
        assert_eq!(apache.refusal().result, "untrusted");
    }
}
