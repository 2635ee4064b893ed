//! One word for each thing that can become of a connection, on plain HTTP and
//! on TLS. DESIGN: the vocabulary of results.

use std::net::SocketAddr;

use realpeer_e2e::{
    Authority, Client, Nginx, PAGE, Refusal, Response, Site, TlsClient, V2, Which, on_each_nginx,
    ssl_value, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// Listeners that differ in what they allow.
struct Servers {
    nginx: Nginx,
    /// None on plain HTTP.
    authority: Option<Authority>,
    ordinary: u16,
    hasty: u16,
    only_v1: u16,
    only_v2: u16,
    address_wanted: u16,
    others_only: u16,
}

impl Servers {
    fn start(which: Which, tls: bool) -> Self {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let [ordinary, hasty, only_v1, only_v2, address_wanted, others_only] =
            [(); 6].map(|()| site.port());
        let ssl = if tls { "ssl" } else { "" };
        let certificate = if tls { site.certificate(&authority) } else { String::new() };
        site.http(format!(
            "{certificate} realpeer require all; realpeer_timeout 30s;
             server {{ listen 127.0.0.1:{ordinary} {ssl}; {PAGE} }}
             server {{ listen 127.0.0.1:{hasty} {ssl}; realpeer_timeout 1s; {PAGE} }}
             server {{ listen 127.0.0.1:{only_v1} {ssl}; realpeer_versions 1; {PAGE} }}
             server {{ listen 127.0.0.1:{only_v2} {ssl}; realpeer_versions 2; {PAGE} }}
             server {{ listen 127.0.0.1:{address_wanted} {ssl}; realpeer_no_address refuse; {PAGE} }}
             server {{ listen 127.0.0.1:{others_only} {ssl}; realpeer require 127.0.0.9; {PAGE} }}"
        ));
        let nginx = site.start();
        let authority = tls.then_some(authority);
        Self { nginx, authority, ordinary, hasty, only_v1, only_v2, address_wanted, others_only }
    }

    /// What a client gets that sends `header` and then asks properly.
    fn page(&self, port: u16, header: &[u8]) -> (Response, SocketAddr) {
        let mut client = Client::connect(port);
        let own = client.local();
        client.send(header);
        let answer = match &self.authority {
            Some(authority) => TlsClient::over(client, authority).get("/"),
            None => client.get("/"),
        };
        assert_eq!(answer.status, 200);
        (answer, own)
    }

    fn worker(&self) -> String {
        self.page(self.ordinary, &v1(VISITOR, LISTENER)).0.var("pid")
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

struct Case {
    result: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
}

fn case(result: &'static str, name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case { result, name, bytes: bytes.as_ref().to_vec() }
}

fn visitor() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

/// Headers that the ordinary listener refuses at once. Each is whole, so that
/// it is not the want of more bytes that gets it refused.
fn bad_headers() -> Vec<Case> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 16, 225, 1, 187];
    let mut bad_sum = visitor().checksum().build();
    let last = bad_sum.len() - 1;
    bad_sum[last] ^= 1;
    let mut swapped_sum = visitor().checksum().build();
    swapped_sum[last - 3..].reverse();
    vec![
        case("no_header", "a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        case("no_header", "a TLS record", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        case("no_header", "lower case", "proxy TCP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        case("no_header", "a v2 signature off by one", b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c"),
        case("bad_v1", "PROXYX", "PROXYX TCP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        case("bad_v1", "octal", "PROXY TCP4 010.0.0.1 198.51.100.1 4321 443\r\n"),
        case("bad_v1", "a port too high", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n"),
        case("bad_v1", "a port and more", "PROXY TCP4 192.0.2.7 198.51.100.1 80abc 443\r\n"),
        case("bad_v1", "IPv6 in TCP4", "PROXY TCP4 2001:db8::1 2001:db8::2 4321 443\r\n"),
        case("bad_v1", "LF alone", "PROXY TCP4 192.0.2.7 198.51.100.1 4321 443\n"),
        case("bad_v1", "UDP4", "PROXY UDP4 192.0.2.7 198.51.100.1 4321 443\r\n"),
        case("bad_v1", "108 bytes", format!("PROXY UNKNOWN {}\r\n", "x".repeat(92))),
        case("bad_version", "version 1 in v2", visitor().command(0x11).build()),
        case("bad_version", "version 3", visitor().command(0x31).build()),
        case("bad_command", "command 2", visitor().command(0x22).build()),
        case("bad_command", "command 15", visitor().command(0x2F).build()),
        case("bad_family", "transport 3", visitor().family(0x13).build()),
        case("bad_family", "family 4", visitor().family(0x41).build()),
        case("short_address", "no address", V2::raw(0x21, 0x11, &[]).build()),
        case("short_address", "11 bytes", V2::raw(0x21, 0x11, &addresses[..11]).build()),
        case("short_address", "IPv4 as IPv6", V2::raw(0x21, 0x21, &addresses).build()),
        case("short_address", "a short path", V2::raw(0x21, 0x31, &[b'x'; 215]).build()),
        case("bad_tlv", "stray bytes", visitor().bytes(&[4, 0]).build()),
        case("bad_tlv", "an overrun", visitor().bytes(&[4, 0, 2, 0]).build()),
        case("bad_tlv", "a long unique id", visitor().tlv(0x05, [b'x'; 129]).build()),
        case("bad_tlv", "a short SSL TLV", visitor().tlv(0x20, [1, 0, 0, 0]).build()),
        case(
            "bad_tlv",
            "an overrun in SSL",
            visitor().tlv(0x20, [&ssl_value(1, 0, &[])[..], &[0x21, 0, 9, b'T']].concat()).build(),
        ),
        case("bad_tlv", "a checksum of 3 bytes", visitor().tlv(0x03, [0; 3]).build()),
        case("bad_tlv", "two checksums", visitor().checksum().tlv(0x03, [0; 4]).build()),
        case("bad_checksum", "one bit", bad_sum),
        case("bad_checksum", "byte order", swapped_sum),
        case("bad_checksum", "of a LOCAL", V2::local().tlv(0x03, *b"4321").build()),
        case("too_long", "4,097 bytes", visitor().padded_to(4097).build()),
    ]
}

fn bad_headers_close_the_connection(which: Which, tls: bool) {
    let mut servers = Servers::start(which, tls);
    let worker = servers.worker();
    for bad in bad_headers() {
        // A request behind it, which must not be looked at.
        let mut bytes = bad.bytes.clone();
        bytes.extend(b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
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
        assert_eq!(servers.worker(), worker, "{}: the worker has died", bad.name);
    }
    assert_eq!(servers.nginx.new_refusals(), []);
    // One page in front and one after each, and nothing else.
    servers.nginx.quit();
    let served = servers.nginx.access_log();
    assert_eq!(served.lines().count(), 1 + bad_headers().len(), "{served}");
    assert!(!served.contains("/behind"), "{served}");
}

fn everything_else_that_refuses(which: Which, tls: bool) {
    let servers = Servers::start(which, tls);
    let worker = servers.worker();
    let whole = v1(VISITOR, LISTENER);
    let refuse = |port, bytes: &[u8], end, result: &str| {
        let refusal = servers.must_refuse(port, bytes, end, result);
        assert_eq!(servers.worker(), worker, "{result}: the worker has died");
        refusal.first_bytes
    };

    assert_eq!(refuse(servers.others_only, &[], false, "untrusted"), None);
    // Not a byte is read, so none can be told.
    assert_eq!(refuse(servers.others_only, &whole, false, "untrusted"), None);
    assert!(refuse(servers.only_v2, &whole, false, "version_disallowed").is_some());
    let v2 = visitor().build();
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

/// Valid headers that name no TCP address.
fn nameless_headers() -> Vec<Vec<u8>> {
    vec![
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 4321 443\r\n".to_vec(),
        V2::raw(0x21, 0x00, &[]).build(),
        V2::raw(0x21, 0x01, &[]).checksum().build(),
        // A datagram's address is not that of a TCP peer.
        visitor().family(0x12).build(),
        visitor().family(0x10).build(),
        V2::raw(0x21, 0x31, &[b'/'; 216]).build(),
    ]
}

fn valid_headers_are_accepted(which: Which, tls: bool) {
    let servers = Servers::start(which, tls);
    let seen = |header: &[u8]| {
        let (answer, own) = servers.page(servers.ordinary, header);
        assert_eq!(answer.var("proxy_addr"), own.ip().to_string());
        assert_eq!(answer.var("proxy_port"), own.port().to_string());
        let address = format!("{} {}", answer.var("remote_addr"), answer.var("remote_port"));
        let is_own = address == format!("{} {}", own.ip(), own.port());
        let header = format!("{} {}", answer.var("addr"), answer.var("port"));
        let server = format!("{} {}", answer.var("server_addr"), answer.var("server_port"));
        let result = format!("{} {}", answer.var("result"), answer.var("version"));
        (if is_own { "own".into() } else { address }, header, server, result)
    };
    let strings = |a: &str, b: &str, c: &str, d: &str| (a.into(), b.into(), c.into(), d.into());

    let named =
        |version: &str| strings("192.0.2.7 4321", "192.0.2.7 4321", "198.51.100.1 443", version);
    assert_eq!(seen(&v1(VISITOR, LISTENER)), named("proxy 1"));
    assert_eq!(seen(&visitor().build()), named("proxy 2"));
    assert_eq!(seen(&visitor().checksum().build()), named("proxy 2"));
    // The text is always made from the binary address.
    assert_eq!(
        seen(b"PROXY TCP6 2001:0DB8:0:0:0:0:0:7 2001:db8::0001 4321 443\r\n"),
        strings("2001:db8::7 4321", "2001:db8::7 4321", "2001:db8::1 443", "proxy 1")
    );
    assert_eq!(
        seen(&V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build()),
        strings("2001:db8::7 4321", "2001:db8::7 4321", "2001:db8::1 443", "proxy 2")
    );
    // So that logs and access lists know one form.
    let mapped = "[::ffff:192.0.2.7]:4321";
    let mapped_listener = "[::ffff:198.51.100.1]:443";
    assert_eq!(seen(&V2::proxy(mapped, mapped_listener).build()), named("proxy 2"));
    assert_eq!(seen(&v1(mapped, mapped_listener)), named("proxy 1"));
    // Port 0 is a port, though nginx's own variable does not show it.
    assert_eq!(
        seen(&v1("192.0.2.7:0", "198.51.100.1:0")),
        strings("192.0.2.7 ", "192.0.2.7 0", "198.51.100.1 0", "proxy 1")
    );

    let own = |result: &str| strings("own", " ", " ", result);
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 16, 225, 1, 187];
    assert_eq!(seen(&V2::local().build()), own("local 2"));
    assert_eq!(seen(&V2::local().checksum().padded_to(100).build()), own("local 2"));
    assert_eq!(seen(&V2::raw(0x20, 0x11, &addresses).build()), own("local 2"));
    // The family of a LOCAL is ignored, even one that there is not.
    assert_eq!(seen(&V2::raw(0x20, 0xFF, &addresses).build()), own("local 2"));
    for nameless in nameless_headers() {
        let (address, _, _, result) = seen(&nameless);
        assert_eq!(address, "own");
        assert!(result.starts_with("no_address "), "{result}");
    }
    assert_eq!(servers.nginx.refusals(), []);
}

on_each_nginx! {
    fn bad_headers_close_the_connection_before_http(which) {
        bad_headers_close_the_connection(which, false);
    }

    fn bad_headers_close_the_connection_before_tls(which) {
        bad_headers_close_the_connection(which, true);
    }

    fn everything_else_that_refuses_a_connection_to_http(which) {
        everything_else_that_refuses(which, false);
    }

    fn everything_else_that_refuses_a_connection_to_tls(which) {
        everything_else_that_refuses(which, true);
    }

    fn valid_headers_are_accepted_on_http(which) {
        valid_headers_are_accepted(which, false);
    }

    fn valid_headers_are_accepted_on_tls(which) {
        valid_headers_are_accepted(which, true);
    }

    /// A balancer's check of layer 4 ends with a reset, before or after its
    /// header; neither may disturb anything or fill the error log.
    fn resets_are_quiet(which) {
        let servers = Servers::start(which, false);
        let worker = servers.worker();
        for bytes in [&b""[..], b"PROXY TCP4 1", &v1(VISITOR, LISTENER)] {
            let mut client = Client::connect(servers.ordinary);
            client.send(bytes);
            client.reset();
        }
        assert_eq!(servers.worker(), worker);
        let loud: Vec<_> = servers
            .nginx
            .refusals()
            .into_iter()
            .filter(|refusal| refusal.level == "error" && refusal.result != "truncated")
            .collect();
        assert_eq!(loud, []);
    }

    fn what_comes_from_a_sender_cannot_break_the_log_line(which) {
        let servers = Servers::start(which, false);
        let nasty = b"\"\\ \r\n[emerg] 1#1: *1 realpeer: refused proxy (x), peer: 1\n\x1b[2J\xff";
        let refusal = servers.must_refuse(servers.ordinary, nasty, false, "no_header");
        let first = refusal.first_bytes.expect("bytes");
        assert!(first.starts_with(r"\x22\x5C \x0D\x0A[emerg] "), "{first}");
        assert!(first.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{first}");
        assert_eq!(servers.nginx.refusals().len(), 1);
    }
}
