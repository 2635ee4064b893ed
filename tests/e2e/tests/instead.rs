//! What came in place of a header, and what follows one: the line of a refused
//! connection says what its bytes look like, and a second header after the first is
//! counted and logged, and not refused. Real clients and real balancers.

#[allow(dead_code, reason = "most of it is for the tests of the status page")]
mod status_parts;

use std::process::{Command, Stdio};

use realpeer_e2e::{
    ApacheSite, Client, Front, HaProxy, Kind, Logs, Mpm, Site, Subsystem, V2, on_each_mpm,
    on_each_nginx, v1, wait_until,
};
use status_parts::{Status, serve};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const ANOTHER: &str = "realpeer: another PROXY header follows the first (as when each of two load \
                       balancers in a row adds one), peer: 127.0.0.1:";

/// A client of another protocol, as it is installed, and what its bytes look like.
fn clients(port: u16) -> [(Command, &'static str); 5] {
    let command = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let port = port.to_string();
    let url = |scheme: &str| format!("{scheme}://127.0.0.1:{port}/");
    let curl = ["-q", "-k", "--silent", "--noproxy", "*", "--max-time", "60"];
    let with = |more: &[&str]| command("curl", &[&curl, more].concat());
    let ssh = ["-F", "none", "-o", "BatchMode=yes", "-p", &port, "127.0.0.1"];
    let psql = format!("host=127.0.0.1 port={port} user=a dbname=a connect_timeout=60");
    [
        (with(&[&url("https")]), "a TLS client hello"),
        (with(&[&url("http")]), "an HTTP request"),
        (with(&["--http2-prior-knowledge", &url("http")]), "an HTTP request"),
        (command("ssh", &ssh), "an SSH banner"),
        (command("psql", &[&psql, "-c", "SELECT 1"]), "a PostgreSQL client"),
    ]
}

/// Bytes, and what they look like; of some there is nothing to be said.
fn bytes() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let header = v1(VISITOR, LISTENER);
    let block = V2::proxy(VISITOR, LISTENER).build();
    let after = Some("a PROXY header after other bytes");
    let case = Some("a version 1 PROXY header that is not in upper case");
    vec![
        (b"EHLO mail.example.com\r\n".to_vec(), Some("an SMTP client")),
        (b"*1\r\n$4\r\nPING\r\n".to_vec(), Some("a Redis command")),
        ([&b"\r\n"[..], &header].concat(), after),
        ([&b"\r\n"[..], &block].concat(), after),
        ([&[0xef, 0xbb, 0xbf][..], &header].concat(), after),
        (header.to_ascii_lowercase(), case),
        (b"hello, world".to_vec(), None),
        (b"\x15\x03\x01\x00\x02\x02\x28".to_vec(), None),
        (b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n".to_vec(), None),
    ]
}

fn must_say_what_came(logs: &Logs, port: u16) {
    for (mut client, looks_like) in clients(port) {
        client.spawn().expect("tools/setup installs it").wait().expect("a child of ours");
        must_say(logs, Some(looks_like));
    }
    for (bytes, looks_like) in bytes() {
        Client::connect(port).send(&bytes).must_be_closed();
        must_say(logs, looks_like);
    }
}

/// The line about the last client; a client may have tried more than once.
#[track_caller]
fn must_say(logs: &Logs, looks_like: Option<&str>) {
    let refusals = wait_until("the line of a refused connection", || {
        Some(logs.new_refusals()).filter(|refusals| !refusals.is_empty())
    });
    for refusal in refusals {
        assert_eq!(refusal.looks_like.as_deref(), looks_like, "{refusal:?}");
    }
}

/// How many were counted, and how many lines were written.
#[track_caller]
fn must_have_said(logs: &Logs, status: &Status, at: (Subsystem, u16), n: usize) {
    let lines = || logs.error_log().matches(ANOTHER).count();
    wait_until("the lines of second headers", || (lines() >= n).then_some(()));
    assert_eq!(lines(), n, "{}", logs.error_log());
    let listener = status.listener(at.0, at.1);
    assert_eq!(listener["another_header"], n, "{listener:#}");
    let accepted = listener["connections"]["accepted"]["proxy"].as_u64().expect("a number");
    assert!(accepted >= n as u64, "{listener:#}");
    assert_eq!(logs.refusals(), []);
    let series = format!("realpeer_another_header_total{{subsystem=\"{}\"", at.0.name());
    let text = status.get("?format=prometheus", "").text();
    let of_listener = |line: &&str| line.starts_with(&series) && line.contains(&at.1.to_string());
    let line = text.lines().find(of_listener).unwrap_or_else(|| panic!("{series}\n{text}"));
    assert!(line.ends_with(&format!(" {n}")), "{line}");
}

/// Two headers in one segment, of each version after each, and what is none.
fn send_two_headers(port: u16) -> usize {
    let header = v1(VISITOR, LISTENER);
    let block = V2::proxy(VISITOR, LISTENER).build();
    let firsts = [&header, &block];
    for first in firsts {
        for second in firsts {
            Client::connect(port)
                .send([&first[..], second, b"\r\n\r\n"].concat())
                .finish()
                .ending();
        }
        for other in ["GET / HTTP/1.0\r\n\r\n", "PROXY \r\n\r\n", "\r\n\r\n", "PROXYTCP4 \r\n\r\n"]
        {
            Client::connect(port).send([&first[..], other.as_bytes()].concat()).finish().ending();
        }
    }
    4
}

on_each_nginx! {
    fn a_refused_line_of_nginx_says_what_the_bytes_look_like(which) {
        for kind in Kind::ALL {
            let front = Front::new(kind);
            let mut site = Site::new(which);
            let port = front.add_port(&mut site, "realpeer require all;");
            let nginx = site.start();
            must_say_what_came(&nginx, port);
        }
    }

    fn a_second_header_is_counted_and_logged_by_every_kind_of_server(which) {
        for kind in Kind::ALL {
            let front = Front::new(kind);
            let mut site = Site::new(which);
            let port = front.add_port(&mut site, "realpeer require all;");
            let status = serve(&mut site);
            let nginx = site.start();
            let n = send_two_headers(port);
            must_have_said(&nginx, &status, (kind.subsystem(), port), n);
        }
    }

    fn a_second_header_of_two_haproxies_in_a_row_is_logged_by_nginx(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Http).add_port(&mut site, "realpeer require all;");
        let status = serve(&mut site);
        let nginx = site.start();
        through_two_haproxies(&nginx, port);
        let listener = status.listener(Subsystem::Http, port);
        assert!(listener["another_header"].as_u64() >= Some(1), "{listener:#}");
    }

    /// A flood of them leaves as many lines as `realpeer_log_limit` allows.
    fn lines_about_second_headers_are_limited(which) {
        let mut site = Site::new(which);
        let front = Front::new(Kind::Http);
        let port = front.add_port(
            &mut site,
            "realpeer require all; realpeer_log_limit 1r/m burst=2;",
        );
        let status = serve(&mut site);
        let nginx = site.start();
        let n = send_two_headers(port);
        wait_until("all of them counted", || {
            let listener = status.listener(Subsystem::Http, port);
            (listener["another_header"] == n).then_some(())
        });
        assert_eq!(nginx.error_log().matches(ANOTHER).count(), 2);
    }
}

/// What a site looks like whose administrator has added a load balancer.
fn through_two_haproxies(logs: &Logs, port: u16) {
    let mut second = HaProxy::new();
    let between = second.listener("", "", port, "send-proxy-v2");
    let _second = second.start();
    let mut first = HaProxy::new();
    let entry = first.listener("", "", between, "send-proxy");
    let _first = first.start();
    // Whether both headers come in one segment is for the two to decide.
    wait_until("a line about the second header", || {
        let mut client = Client::connect(entry);
        client.send("GET / HTTP/1.0\r\n\r\n").finish().ending();
        logs.error_log().contains(ANOTHER).then_some(())
    });
    assert_eq!(logs.refusals(), []);
}

on_each_mpm! {
    fn a_refused_line_of_apache_says_what_the_bytes_look_like(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer require all");
        let apache = site.start();
        must_say_what_came(&apache, port);
    }

    fn a_second_header_is_counted_and_logged_by_apache(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer require all");
        let status = serve(&mut site);
        let apache = site.start();
        let n = send_two_headers(port);
        must_have_said(&apache, &status, (Subsystem::Http, port), n);
        // The first one in two pieces, the end of which has the second one with it.
        let (header, block) = (v1(VISITOR, LISTENER), V2::proxy(VISITOR, LISTENER).build());
        let mut client = Client::connect(port);
        client.send_pieces([&header[..9]]).send([&header[9..], &block[..], b"\r\n\r\n"].concat());
        client.finish().ending();
        must_have_said(&apache, &status, (Subsystem::Http, port), n + 1);
    }

    fn lines_about_second_headers_are_limited_by_apache(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.host("RealPeer require all\nRealPeerLogLimit 1r/m burst=2");
        let status = serve(&mut site);
        let apache = site.start();
        let n = send_two_headers(port);
        wait_until("all of them counted", || {
            let listener = status.listener(Subsystem::Http, port);
            (listener["another_header"] == n).then_some(())
        });
        assert_eq!(apache.error_log().matches(ANOTHER).count(), 2);
    }
}

#[test]
fn a_second_header_of_two_haproxies_in_a_row_is_logged_by_apache() {
    let mut site = ApacheSite::new(Mpm::Event);
    let port = site.host("RealPeer require all");
    let apache = site.start();
    through_two_haproxies(&apache, port);
}
