//! Who may say what: every kind of source on one port, against everything a
//! source can send; src/policies.rs has the table.

use realpeer_e2e::{Authority, Client, PAGE, POLICIES, Policed, Site, Which, on_each_nginx, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

fn every_source_gets_what_its_policy_says(which: Which, tls: bool) {
    let authority = Authority::new();
    let mut site = Site::new(which);
    let (patient, hasty) = (site.port(), site.port());
    let ssl = if tls { "ssl" } else { "" };
    let certificate = if tls { site.certificate(&authority) } else { String::new() };
    let rules: String =
        POLICIES.iter().map(|(policy, source)| format!("realpeer {policy} {source}; ")).collect();
    site.http(format!(
        "{certificate} {rules} lingering_timeout 200ms;
         server {{ listen 127.0.0.1:{patient} {ssl}; realpeer_timeout 600s; {PAGE} }}
         server {{ listen 127.0.0.1:{hasty} {ssl}; realpeer_timeout 300ms;
                   client_header_timeout 700ms; {PAGE} }}"
    ));
    let mut nginx = site.start();
    let authority = tls.then_some(&authority);
    let served = Policed { logs: &nginx, authority, answers_on_tls: true, patient, hasty }
        .must_treat_every_source_as_its_policy_says();
    nginx.quit();
    let log = nginx.access_log();
    assert_eq!(log.lines().count(), served, "a refused connection was served: {log}");
}

on_each_nginx! {
    fn every_source_gets_what_its_policy_says_on_plain_http(which) {
        every_source_gets_what_its_policy_says(which, false);
    }

    fn every_source_gets_what_its_policy_says_on_tls(which) {
        every_source_gets_what_its_policy_says(which, true);
    }

    /// DESIGN: when the timeout passes, optional and strip go on with whatever
    /// came, unless that can only be a header.
    fn an_optional_header_half_sent_is_a_timeout_only_if_it_is_one(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "realpeer optional 127.0.0.3; realpeer strip 127.0.0.4;
             server {{ listen 127.0.0.1:{port}; realpeer_timeout 1s;
                       client_header_timeout 500ms; {PAGE} }}"
        ));
        let nginx = site.start();
        let begin = |source: &str, beginning: &str| {
            let mut client = Client::from(source, port);
            client.send(beginning);
            client
        };
        let sources = ["127.0.0.3", "127.0.0.4"];
        // May still become PROPFIND, so nginx gets it and waits in vain for the
        // rest of the request.
        let requests = sources.map(|source| begin(source, "PRO"));
        let headers = sources.map(|source| {
            ["PROXY TCP4 192.0.2.7 ", "\r\n\r\n\0\r\nQUIT\n\x21"]
                .map(|beginning| begin(source, beginning))
        });
        for mut client in requests {
            client.must_be_closed();
            let line = nginx.wait_for_access(&format!("{} absent", client.local()));
            assert!(line.contains(" 408 "), "{line}");
        }
        for mut client in headers.into_iter().flatten() {
            client.must_be_closed();
            let peer = client.local().to_string();
            let refusals = nginx.refusals();
            let refusals: Vec<_> = refusals.iter().filter(|each| each.peer == peer).collect();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert_eq!(refusals[0].result, "timeout");
        }
        assert_eq!(nginx.refusals().len(), 4);
    }

    fn an_optional_header_cut_off_by_the_end_is_truncated(which) {
        for ssl in ["", "ssl"] {
            let authority = Authority::new();
            let mut site = Site::new(which);
            let port = site.port();
            let certificate = site.certificate(&authority);
            site.http(format!(
                "server {{ listen 127.0.0.1:{port} {ssl}; {certificate} realpeer optional all;
                           realpeer_timeout 600s; client_header_timeout 600s; {PAGE} }}"
            ));
            let nginx = site.start();
            Client::connect(port).send("PROXY TCP4 192.0.2.7 ").finish().must_be_closed();
            assert_eq!(nginx.new_refusals()[0].result, "truncated");
            // May have been going to be a request: nginx gets it, and the end.
            for pause in [false, true] {
                let mut client = Client::connect(port);
                client.send("PRO");
                if pause {
                    client.wait_until_read();
                }
                client.finish().must_be_closed();
                assert_eq!(nginx.new_refusals(), []);
            }
        }
    }

    /// A request that begins like a header is none: all that differs is late.
    fn a_request_that_begins_like_a_header_is_a_request(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "realpeer optional all; server {{ listen 127.0.0.1:{port}; {PAGE} }}"
        ));
        let nginx = site.start();
        for method in ["PROPFIND", "POST", "PUT", "PRO", "PROX"] {
            let mut client = Client::connect(port);
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            client.send_pieces(request.as_bytes().chunks(1).take(9));
            client.send(&request[9..]);
            let answer = client.response();
            assert_eq!(answer.status, 200, "{method}");
            assert_eq!(answer.var("result"), "absent", "{method}");
            assert_eq!(answer.var("remote_addr"), "127.0.0.1", "{method}");
        }
        assert_eq!(nginx.refusals(), []);
    }

    fn the_longest_prefix_wins_whatever_the_order(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "realpeer refuse all;
             realpeer direct 127.0.0.0/29 127.0.2.1;
             realpeer require 127.0.0.4;
             realpeer optional 127.0.0.4/30;
             server {{ listen 127.0.0.1:{port}; {PAGE} }}"
        ));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let policy = |source: &str| Client::from(source, port).send(&header).get("/").var("policy");
        assert_eq!(policy("127.0.0.4"), "require");
        assert_eq!(policy("127.0.0.5"), "optional");
        assert_eq!(Client::from("127.0.0.3", port).get("/").var("policy"), "direct");
        assert_eq!(Client::from("127.0.2.1", port).get("/").var("policy"), "direct");
        Client::from("127.0.0.8", port).send(&header).must_be_closed();
        assert_eq!(nginx.refusal().result, "untrusted");
    }
}
