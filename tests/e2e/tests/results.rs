//! One word for each thing that can become of a connection, before every kind
//! of server. DESIGN: the vocabulary of results.

use realpeer_e2e::{
    Client, Front, Kind, Nginx, Refusal, Seen, Site, V2, Which, bad_headers, nameless_headers,
    on_each_nginx, v1, valid_headers,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// Listeners that differ in what they allow.
struct Servers {
    nginx: Nginx,
    front: Front,
    workers: Vec<u32>,
    ordinary: u16,
    hasty: u16,
    only_v1: u16,
    only_v2: u16,
    address_wanted: u16,
    others_only: u16,
}

impl Servers {
    fn start(which: Which, kind: Kind) -> Self {
        let front = Front::new(kind);
        let mut site = Site::new(which);
        let [ordinary, hasty, only_v1, only_v2, address_wanted, others_only] = [
            "realpeer require all; realpeer_timeout 30s;",
            "realpeer require all; realpeer_timeout 1s;",
            "realpeer require all; realpeer_versions 1;",
            "realpeer require all; realpeer_versions 2;",
            "realpeer require all; realpeer_no_address refuse;",
            "realpeer require 127.0.0.9;",
        ]
        .map(|directives| front.add_port(&mut site, directives));
        let nginx = site.start();
        let workers = nginx.workers();
        Self {
            nginx,
            front,
            workers,
            ordinary,
            hasty,
            only_v1,
            only_v2,
            address_wanted,
            others_only,
        }
    }

    /// The server still serves, and by the same process.
    fn must_live(&self, name: &str) {
        let seen = self.front.visit(self.ordinary, &v1(VISITOR, LISTENER));
        assert_eq!(seen.client, "192.0.2.7", "{name}");
        assert_eq!(self.nginx.workers(), self.workers, "{name}: the worker has died");
    }

    /// Sends `bytes`, which must be refused with `result`, and whatever comes
    /// behind them must not be looked at.
    fn must_refuse(&self, port: u16, bytes: &[u8], end: bool, result: &str) -> Refusal {
        let mut client = Client::connect(port);
        let peer = client.local();
        client.send(bytes);
        if end {
            client.finish();
        }
        client.must_be_closed();
        let mut refusals = self.nginx.new_refusals();
        assert_eq!(refusals.len(), 1, "{result}: {refusals:#?}");
        let refusal = refusals.remove(0);
        assert_eq!(refusal.result, result);
        assert_eq!(refusal.peer, peer.to_string());
        assert_eq!(refusal.listener, format!("127.0.0.1:{port}"));
        let level = if result == "silent" { "info" } else { "error" };
        assert_eq!(refusal.level, level, "{result}");
        refusal
    }
}

fn bad_headers_close_the_connection(which: Which, kind: Kind) {
    let mut servers = Servers::start(which, kind);
    servers.must_live("at first");
    for bad in bad_headers() {
        // Words behind it, which must not be looked at.
        let bytes = [&bad.bytes, kind.words().as_bytes()].concat();
        let refusal = servers.must_refuse(servers.ordinary, &bytes, false, bad.result);
        let first = refusal.first_bytes.unwrap_or_else(|| panic!("{}: no bytes", bad.name));
        let begins = bad.bytes[..5]
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02X}"),
            })
            .collect::<String>();
        assert!(first.starts_with(&begins), "{}: {first}", bad.name);
        servers.must_live(bad.name);
    }
    assert_eq!(servers.nginx.new_refusals(), []);
    // One visit in front and one after each, and nothing else.
    servers.nginx.quit();
    assert_eq!(servers.front.served(&servers.nginx), 1 + bad_headers().len());
}

fn everything_else_refuses(which: Which, kind: Kind) {
    let servers = Servers::start(which, kind);
    let whole = v1(VISITOR, LISTENER);
    let v2 = V2::proxy(VISITOR, LISTENER).build();
    let refuse = |port, bytes: &[u8], end, result: &str| {
        let refusal = servers.must_refuse(port, bytes, end, result);
        servers.must_live(result);
        refusal.first_bytes
    };

    assert_eq!(refuse(servers.others_only, &[], false, "untrusted"), None);
    // Not a byte is read, so none can be told.
    assert_eq!(refuse(servers.others_only, &whole, false, "untrusted"), None);
    assert!(refuse(servers.only_v2, &whole, false, "version_disallowed").is_some());
    assert!(refuse(servers.only_v1, &v2, false, "version_disallowed").is_some());

    assert_eq!(
        refuse(servers.ordinary, b"PROXY TCP4 192.0.2.7 ", true, "truncated").as_deref(),
        Some("PROXY TCP4 192.0.2.7 ")
    );
    assert!(refuse(servers.ordinary, &v2[..27], true, "truncated").is_some());
    assert_eq!(refuse(servers.ordinary, &[], true, "silent"), None);

    assert_eq!(refuse(servers.hasty, &[], false, "timeout"), None);
    assert_eq!(refuse(servers.hasty, b"PRO", false, "timeout").as_deref(), Some("PRO"));
    assert!(refuse(servers.hasty, &v2[..27], false, "timeout").is_some());

    for nameless in nameless_headers() {
        assert!(refuse(servers.address_wanted, &nameless, false, "no_address").is_some());
    }
}

fn valid_headers_are_accepted(which: Which, kind: Kind) {
    let servers = Servers::start(which, kind);
    for (number, valid) in valid_headers().into_iter().enumerate() {
        let seen = servers.front.visit(servers.ordinary, &valid.bytes);
        let own = format!("{} {}", seen.peer.ip(), seen.peer.port());
        let remote = valid.remote.as_ref().unwrap_or(&own);
        let (address, _) = remote.split_once(' ').expect("an address and a port");
        assert_eq!(seen.client, address, "header {number}");
        if seen.vars.is_some() {
            assert_eq!(pair(&seen, "remote_addr", "remote_port"), *remote, "header {number}");
            assert_eq!(pair(&seen, "result", "version"), valid.result, "header {number}");
            assert_eq!(pair(&seen, "addr", "port"), valid.client, "header {number}");
            assert_eq!(pair(&seen, "server_addr", "server_port"), valid.server, "header {number}");
            assert_eq!(pair(&seen, "proxy_addr", "proxy_port"), own, "header {number}");
        }
    }
    assert_eq!(servers.nginx.refusals(), []);
}

fn pair(seen: &Seen, first: &str, second: &str) -> String {
    let [first, second] = [first, second].map(|name| seen.var(name).expect("variables"));
    format!("{first} {second}")
}

/// A balancer's check of layer 4 ends with a reset, before or after its
/// header; neither may disturb anything or fill the error log.
fn resets_are_quiet(which: Which, kind: Kind) {
    let servers = Servers::start(which, kind);
    for bytes in [&b""[..], b"PROXY TCP4 1", &v1(VISITOR, LISTENER)] {
        let mut client = Client::connect(servers.ordinary);
        client.send(bytes);
        client.reset();
    }
    servers.must_live("after the resets");
    let loud: Vec<_> = servers
        .nginx
        .refusals()
        .into_iter()
        .filter(|refusal| refusal.level == "error" && refusal.result != "truncated")
        .collect();
    assert_eq!(loud, []);
}

on_each_nginx! {
    fn bad_headers_close_the_connection_before_http(which) {
        bad_headers_close_the_connection(which, Kind::Http);
    }

    fn bad_headers_close_the_connection_before_https(which) {
        bad_headers_close_the_connection(which, Kind::Https);
    }

    fn bad_headers_close_the_connection_before_stream(which) {
        bad_headers_close_the_connection(which, Kind::Stream);
    }

    fn bad_headers_close_the_connection_before_stream_with_tls(which) {
        bad_headers_close_the_connection(which, Kind::StreamTls);
    }

    fn bad_headers_close_the_connection_before_mail(which) {
        bad_headers_close_the_connection(which, Kind::Mail);
    }

    fn bad_headers_close_the_connection_before_mail_with_tls(which) {
        bad_headers_close_the_connection(which, Kind::MailTls);
    }

    fn everything_else_that_refuses_a_connection_to_http(which) {
        everything_else_refuses(which, Kind::Http);
    }

    fn everything_else_that_refuses_a_connection_to_https(which) {
        everything_else_refuses(which, Kind::Https);
    }

    fn everything_else_that_refuses_a_connection_to_stream(which) {
        everything_else_refuses(which, Kind::Stream);
    }

    fn everything_else_that_refuses_a_connection_to_stream_with_tls(which) {
        everything_else_refuses(which, Kind::StreamTls);
    }

    fn everything_else_that_refuses_a_connection_to_mail(which) {
        everything_else_refuses(which, Kind::Mail);
    }

    fn everything_else_that_refuses_a_connection_to_mail_with_tls(which) {
        everything_else_refuses(which, Kind::MailTls);
    }

    fn valid_headers_are_accepted_by_every_kind_of_server(which) {
        for kind in Kind::ALL {
            valid_headers_are_accepted(which, kind);
        }
    }

    fn resets_are_quiet_before_every_kind_of_server(which) {
        for kind in Kind::ALL {
            resets_are_quiet(which, kind);
        }
    }

    fn what_comes_from_a_sender_cannot_break_the_log_line(which) {
        let servers = Servers::start(which, Kind::Http);
        let nasty = b"\"\\ \r\n[emerg] 1#1: *1 realpeer: refused proxy (x), peer: 1\n\x1b[2J\xff";
        let refusal = servers.must_refuse(servers.ordinary, nasty, false, "no_header");
        let first = refusal.first_bytes.expect("bytes");
        assert!(first.starts_with(r"\x22\x5C \x0D\x0A[emerg] "), "{first}");
        assert!(first.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{first}");
        assert_eq!(servers.nginx.refusals().len(), 1);
    }
}
