//! The status page, asked for.

pub mod zones;

use std::io::Write;
use std::process::{Command, Stdio};

use realpeer_e2e::{ApacheSite, Client, Response, Site, Subsystem};
use serde_json::Value;

/// A server to be, which may have a server with nothing but the page.
pub trait HasStatus {
    fn free_port(&mut self) -> u16;
    fn status_on(&mut self, port: u16);
}

impl HasStatus for Site {
    fn free_port(&mut self) -> u16 {
        self.port()
    }

    fn status_on(&mut self, port: u16) {
        self.http(format!(
            "server {{ listen 127.0.0.1:{port}; location = /status {{ realpeer_status; }} }}"
        ));
    }
}

impl HasStatus for ApacheSite {
    fn free_port(&mut self) -> u16 {
        self.port()
    }

    fn status_on(&mut self, port: u16) {
        self.config(format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nRealPeer off\n\
             <Location /status>\nSetHandler realpeer-status\n</Location>\n</VirtualHost>"
        ));
    }
}

/// Where the page is.
pub struct Status {
    port: u16,
}

/// Adds that server.
pub fn serve(site: &mut impl HasStatus) -> Status {
    let status = Status { port: site.free_port() };
    status.write(site);
    status
}

impl Status {
    pub fn write(&self, site: &mut impl HasStatus) {
        site.status_on(self.port);
    }

    fn ask(&self, method: &str, query: &str, headers: &str) -> Response {
        self.raw(method, query, headers).ending().response()
    }

    fn raw(&self, method: &str, query: &str, headers: &str) -> Client {
        let mut client = Client::connect(self.port);
        client.send(format!(
            "{method} /status{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"
        ));
        client
    }

    pub fn get(&self, query: &str, accept: &str) -> Response {
        self.ask("GET", query, &accept_of(accept))
    }

    /// All that comes, in small letters: no body belongs to the header.
    fn head(&self, query: &str) -> String {
        use std::io::Read;
        let mut text = String::new();
        self.raw("HEAD", query, "").read_to_string(&mut text).expect("text");
        text.to_lowercase()
    }

    /// Whoever asks gets the format that he asks for, and no other one is there.
    /// Returns what HEAD is answered with.
    #[track_caller]
    pub fn must_have_its_formats(&self) -> String {
        let (plain, json, html) = (
            "text/plain; version=0.0.4; charset=utf-8",
            "application/json",
            "text/html; charset=utf-8",
        );
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        for (query, accept, wanted) in [
            ("", "", plain),
            ("", "*/*", plain),
            ("", browser, html),
            ("", "application/json", json),
            ("?format=prometheus", browser, plain),
            ("?format=json", browser, json),
            ("?format=html", "", html),
        ] {
            let answer = self.get(query, accept);
            assert_eq!((answer.status, type_of(&answer)), (200, wanted), "{query} {accept}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("vary"), Some("Accept"));
            let policy = answer.header("content-security-policy");
            assert_eq!(policy.is_some(), wanted == html);
        }
        let page = self.get("", browser).text();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
        for query in ["?format=xml", "?format=lines", "?format=section"] {
            let wrong = self.get(query, browser);
            assert_eq!((wrong.status, type_of(&wrong)), (400, "text/plain"));
            assert_eq!(wrong.text(), "the format is prometheus, json or html\n");
        }
        let post = self.ask("POST", "", &accept_of(browser));
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
        let head = self.head("?format=json");
        assert!(head.starts_with("http/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        head
    }

    pub fn json(&self) -> Value {
        let answer = self.get("?format=json", "");
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.text()).expect("JSON")
    }

    /// What was counted on 127.0.0.1 and this port.
    pub fn listener(&self, subsystem: Subsystem, port: u16) -> Value {
        let name = format!("127.0.0.1:{port}");
        let json = self.json();
        let listeners = json["listeners"].as_array().expect("a list");
        let ours =
            |one: &&Value| one["subsystem"] == subsystem.name() && one["listener"] == name.as_str();
        let mut found = listeners.iter().filter(ours);
        let listener = found.next().unwrap_or_else(|| panic!("no {name} in {json:#}")).clone();
        assert!(found.next().is_none(), "{name} twice in {json:#}");
        listener
    }

    /// All connections of a listener.
    pub fn sum(&self, listener: &Value) -> u64 {
        let done = listener["connections"].as_object().expect("an object").values();
        let results = done.flat_map(|done| done.as_object().expect("an object").values());
        results.map(|count| count.as_u64().expect("a number")).sum()
    }
}

fn accept_of(accept: &str) -> String {
    if accept.is_empty() { String::new() } else { format!("Accept: {accept}\r\n") }
}

fn type_of(answer: &Response) -> &str {
    answer.header("content-type").unwrap_or("")
}

/// What Prometheus' own tool says of the metrics: nothing.
#[track_caller]
pub fn promtool(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of Debian's package prometheus");
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("somebody who reads");
    drop(input);
    let said = promtool.wait_with_output().expect("an end");
    let words = [said.stdout, said.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(said.status.success() && words.is_empty(), "{words}\n{text}");
}
