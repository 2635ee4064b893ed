//! Two hundred connections on which nothing or half a header has come, and a
//! client that does as it should: Apache's event as Debian configures it has
//! 150 threads at most, and with realpeer none of them waits for a header.
//!
//! Without realpeer a connection on which half a request (or, with
//! mod_remoteip, half a header) has come has a thread to itself, and when all
//! have one nobody else is served.

use std::fs;

use realpeer_e2e::{Apache, ApacheFront, ApacheSite, Client, Mpm, v1, wait_until};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const SILENT: usize = 200;

/// As Debian configures event.
const DEBIAN: &str = "StartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\nThreadLimit 64\n\
                      ThreadsPerChild 25\nMaxRequestWorkers 150\nMaxConnectionsPerChild 0\n";

fn site(native: bool) -> ApacheSite {
    let new = if native { ApacheSite::native } else { ApacheSite::new };
    let mut site = new(Mpm::Event);
    let packaged = fs::read_to_string("/etc/apache2/mods-available/mpm_event.conf");
    // The same numbers, where the package is there to be asked.
    for line in packaged.unwrap_or_default().lines().map(str::trim) {
        if !line.starts_with(['#', '<']) && !line.is_empty() {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(DEBIAN.contains(&line), "Debian says {line}");
        }
    }
    site.processes(DEBIAN);
    site
}

/// Connections that have sent this much of a header and no more, all of them
/// accepted and looked at.
fn silent(port: u16, begun: &[u8]) -> Vec<Client> {
    let clients: Vec<_> = (0..SILENT)
        .map(|_| {
            let mut client = Client::connect(port);
            client.send(begun);
            client
        })
        .collect();
    for client in &clients {
        client.wait_until_taken();
    }
    clients
}

/// How many of the server's threads are in the middle of a request, as its
/// status page has it, the one that tells not counted.
fn busy(client: &mut Client) -> usize {
    let status = client.get("/status?auto").text();
    let line = status.lines().find_map(|line| line.strip_prefix("BusyWorkers: "));
    line.expect("a number").parse::<usize>().expect("a number") - 1
}

fn with_status(policy: &str) -> String {
    format!("{policy}\n<Location /status>\nSetHandler server-status\n</Location>")
}

fn must_serve_beside(front: &ApacheFront, begun: &[u8]) {
    let mut site = site(false);
    site.load("status");
    site.config("AcceptFilter http none\nAcceptFilter https none");
    let policy = with_status("RealPeer require all\nRealPeerTimeout 600s\nTimeout 600");
    let port = front.host(&mut site, &policy);
    let asked = site.host(&with_status(""));
    let apache = site.start();
    let silent = silent(port, begun);

    let seen = front.visit(port, &v1(VISITOR, LISTENER));
    assert_eq!(seen.client, "192.0.2.7");
    // None of them has a thread.
    let mut client = Client::connect(asked);
    wait_until("threads that do nothing", || (busy(&mut client) == 0).then_some(()));
    assert!(silent.iter().all(Client::is_quiet));
    assert_eq!(apache.refusals(), []);

    // Each of them is served when it goes on.
    let header = v1(VISITOR, LISTENER);
    for mut client in silent.into_iter().step_by(20) {
        client.send(&header[begun.len()..]);
        assert_eq!(front.ask(client).client, "192.0.2.7");
    }
}

#[test]
fn a_client_is_served_beside_those_that_have_sent_nothing() {
    for front in ApacheFront::both() {
        must_serve_beside(&front, b"");
    }
}

#[test]
fn a_client_is_served_beside_those_that_have_sent_a_byte() {
    for front in ApacheFront::both() {
        must_serve_beside(&front, b"P");
    }
}

#[test]
fn a_client_is_served_beside_those_that_have_sent_half_a_header() {
    for front in ApacheFront::both() {
        must_serve_beside(&front, b"PROXY TCP4 192.0.2.7 198.");
    }
}

/// All of them are refused when their time has passed, with a line each.
#[test]
fn they_are_all_refused_in_the_end() {
    let mut site = site(false);
    let port = site.host("RealPeer require all\nRealPeerTimeout 3s\nRealPeerLogLimit off");
    let apache = site.start();
    let clients = silent(port, b"PROXY");
    for mut client in clients {
        client.must_be_closed();
    }
    let refusals = apache.refusals();
    assert_eq!(refusals.len(), SILENT);
    assert!(refusals.iter().all(|refusal| refusal.result == "timeout"));
}

/// What all this is compared with: nobody is served who comes later, until
/// those in front have gone.
fn nobody_else_is_served(site: ApacheSite, port: u16, begun: &[u8], header: &[u8]) {
    let apache: Apache = site.start();
    let clients: Vec<_> = (0..SILENT)
        .map(|_| {
            let mut client = Client::connect(port);
            client.send(begun);
            client
        })
        .collect();
    // Apache says itself that it has no more threads.
    apache.wait_for_error("AH00484: server reached MaxRequestWorkers setting");
    let mut client = Client::connect(port);
    client.send(header).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.is_quiet());
    drop(clients);
    assert_eq!(client.response().status, 200);
}

#[test]
fn plain_httpd_serves_nobody_beside_half_requests() {
    let mut site = site(true);
    let port = site.host("");
    nobody_else_is_served(site, port, b"GET / HT", b"");
}

#[test]
fn mod_remoteip_serves_nobody_beside_half_headers() {
    let mut site = site(true);
    site.load("remoteip");
    let port = site.host("RemoteIPProxyProtocol On");
    nobody_else_is_served(site, port, b"PROXY TCP4 192.0.2.7 198.", &v1(VISITOR, LISTENER));
}
