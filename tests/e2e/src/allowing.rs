//! Listeners that differ in what they allow, and what has to become of each
//! header on them: one word each, on whatever server. DESIGN: the vocabulary
//! of results.

use std::net::SocketAddr;

use crate::client::Client;
use crate::front::Seen;
use crate::header::{V2, v1};
use crate::log::Refusal;
use crate::logs::Logs;
use crate::vocabulary::{bad_headers, nameless_headers, valid_headers};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// The directives of the listeners, as nginx has them.
pub const ALLOWED: [&str; 6] = [
    "realpeer require all; realpeer_timeout 600s;",
    "realpeer require all; realpeer_timeout 1s;",
    "realpeer require all; realpeer_versions 1;",
    "realpeer require all; realpeer_versions 2;",
    "realpeer require all; realpeer_no_address refuse;",
    "realpeer require 127.0.0.9;",
];

/// The same as Apache has them, a line each.
pub fn as_apache(directives: &str) -> String {
    let lines = directives.split_terminator(';').map(|directive| {
        let (name, arguments) = directive.trim().split_once(' ').expect("a name and arguments");
        let name: String = match name.strip_prefix("realpeer") {
            Some("") => "RealPeer".into(),
            Some("_timeout") => "RealPeerTimeout".into(),
            Some("_max_header") => "RealPeerMaxHeader".into(),
            Some("_versions") => "RealPeerVersions".into(),
            Some("_no_address") => "RealPeerNoAddress".into(),
            Some("_log_limit") => "RealPeerLogLimit".into(),
            _ => panic!("not a directive of realpeer: {name}"),
        };
        format!("{name} {arguments}\n")
    });
    lines.collect()
}

/// A server with the listeners of [`ALLOWED`], in their order.
pub struct Allowing<'a> {
    pub logs: &'a Logs,
    pub ports: [u16; 6],
    /// Sends a header and asks for a page.
    pub visit: &'a dyn Fn(u16, &[u8]) -> Seen,
    /// What a client says behind its header.
    pub words: &'a str,
}

impl Allowing<'_> {
    /// The server still serves.
    #[track_caller]
    fn must_live(&self, name: &str) {
        let seen = (self.visit)(self.ports[0], &v1(VISITOR, LISTENER));
        assert_eq!(seen.client, "192.0.2.7", "{name}");
    }

    /// Sends what must be refused and the words behind it, which must not be
    /// looked at. Gives how often the server has been visited meanwhile.
    #[track_caller]
    pub fn must_refuse_bad_headers(&self) -> usize {
        self.must_live("at first");
        let bad_headers = bad_headers();
        for bad in &bad_headers {
            let bytes = [&bad.bytes, self.words.as_bytes()].concat();
            let refusal = must_refuse(self.logs, self.ports[0], &bytes, false, bad.result);
            let first = refusal.first_bytes.unwrap_or_else(|| panic!("{}: no bytes", bad.name));
            let begins: String = bad.bytes[..5]
                .iter()
                .map(|byte| match byte {
                    b' '..=b'~' => char::from(*byte).to_string(),
                    _ => format!("\\x{byte:02X}"),
                })
                .collect();
            assert!(first.starts_with(&begins), "{}: {first}", bad.name);
            self.must_live(bad.name);
        }
        assert_eq!(self.logs.new_refusals(), []);
        1 + bad_headers.len()
    }

    /// All other reasons to refuse a connection.
    #[track_caller]
    pub fn must_refuse_everything_else(&self) {
        let [ordinary, hasty, only_v1, only_v2, address_wanted, others_only] = self.ports;
        let whole = v1(VISITOR, LISTENER);
        let v2 = V2::proxy(VISITOR, LISTENER).build();
        let refuse = |port, bytes: &[u8], end, result: &str| {
            let refusal = must_refuse(self.logs, port, bytes, end, result);
            self.must_live(result);
            refusal.first_bytes
        };

        assert_eq!(refuse(others_only, &[], false, "untrusted"), None);
        // Not a byte is read, so none can be told.
        assert_eq!(refuse(others_only, &whole, false, "untrusted"), None);
        assert!(refuse(only_v2, &whole, false, "version_disallowed").is_some());
        assert!(refuse(only_v1, &v2, false, "version_disallowed").is_some());

        assert_eq!(
            refuse(ordinary, b"PROXY TCP4 192.0.2.7 ", true, "truncated").as_deref(),
            Some("PROXY TCP4 192.0.2.7 ")
        );
        assert!(refuse(ordinary, &v2[..27], true, "truncated").is_some());
        assert_eq!(refuse(ordinary, &[], true, "silent"), None);

        assert_eq!(refuse(hasty, &[], false, "timeout"), None);
        assert_eq!(refuse(hasty, b"PRO", false, "timeout").as_deref(), Some("PRO"));
        assert!(refuse(hasty, &v2[..27], false, "timeout").is_some());

        for nameless in nameless_headers() {
            assert!(refuse(address_wanted, &nameless, false, "no_address").is_some());
        }
    }

    #[track_caller]
    pub fn must_accept_valid_headers(&self) {
        for (number, valid) in valid_headers().into_iter().enumerate() {
            let seen = (self.visit)(self.ports[0], &valid.bytes);
            let own = format!("{} {}", seen.peer.ip(), seen.peer.port());
            let remote = valid.remote.as_ref().unwrap_or(&own);
            let (address, _) = remote.split_once(' ').expect("an address and a port");
            assert_eq!(seen.client, address, "header {number}");
            if seen.vars.is_none() {
                continue;
            }
            let pair = |first, second| {
                let [first, second] = [first, second].map(|name| seen.var(name).expect("a page"));
                format!("{first} {second}")
            };
            // nginx does not show port 0.
            let remote = if seen.var("remote_port").is_some_and(|port| port.is_empty()) {
                remote.trim_end_matches('0')
            } else {
                remote
            };
            assert_eq!(pair("remote_addr", "remote_port"), remote, "header {number}");
            assert_eq!(pair("result", "version"), valid.result, "header {number}");
            assert_eq!(pair("addr", "port"), valid.client, "header {number}");
            assert_eq!(pair("server_addr", "server_port"), valid.server, "header {number}");
            assert_eq!(pair("proxy_addr", "proxy_port"), own, "header {number}");
        }
        assert_eq!(self.logs.refusals(), []);
    }

    /// A balancer's check of layer 4 ends with a reset, before or after its
    /// header; neither may disturb anything or fill the error log.
    #[track_caller]
    pub fn must_be_quiet_about_resets(&self) {
        for bytes in [&b""[..], b"PROXY TCP4 1", &v1(VISITOR, LISTENER)] {
            let mut client = Client::connect(self.ports[0]);
            client.send(bytes);
            client.reset();
        }
        self.must_live("after the resets");
        let loud: Vec<_> = self
            .logs
            .refusals()
            .into_iter()
            .filter(|refusal| refusal.level == "error" && refusal.result != "truncated")
            .collect();
        assert_eq!(loud, []);
    }

    /// What comes from a sender cannot break the log line.
    #[track_caller]
    pub fn must_log_bytes_as_text(&self) {
        let nasty = b"\"\\ \r\n[emerg] 1#1: *1 realpeer: refused proxy (x), peer: 1\n\x1b[2J\xff";
        let refusal = must_refuse(self.logs, self.ports[0], nasty, false, "no_header");
        let first = refusal.first_bytes.expect("bytes");
        assert!(first.starts_with(r"\x22\x5C \x0D\x0A[emerg] "), "{first}");
        assert!(first.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{first}");
        assert_eq!(self.logs.refusals().len(), 1);
    }
}

/// Sends `bytes`, which must be refused with `result`: closed without a byte,
/// and with one line in the log.
#[track_caller]
pub fn must_refuse(logs: &Logs, port: u16, bytes: &[u8], end: bool, result: &str) -> Refusal {
    let mut client = Client::connect(port);
    let peer = client.local();
    client.send(bytes);
    if end {
        client.finish();
    }
    client.must_be_closed();
    let refusal = the_new_refusal(logs, peer, result);
    assert_eq!(refusal.result, result);
    assert_eq!(refusal.listener, format!("127.0.0.1:{port}"));
    refusal
}

/// The one line about a connection that has been closed; it is there by then.
#[track_caller]
fn the_new_refusal(logs: &Logs, peer: SocketAddr, result: &str) -> Refusal {
    let mut refusals = logs.new_refusals();
    assert_eq!(refusals.len(), 1, "{result}: {refusals:#?}");
    let refusal = refusals.remove(0);
    assert_eq!(refusal.peer, peer.to_string());
    let level = if refusal.result == "silent" { "info" } else { "error" };
    assert_eq!(refusal.level, level, "{result}");
    refusal
}
