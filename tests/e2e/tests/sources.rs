//! Who may say what: every kind of source on one port, against everything a
//! source can send. DESIGN: the table of policies.

use std::net::SocketAddr;

use realpeer_e2e::{
    Authority, Client, Ending, Nginx, PAGE, Site, TlsClient, V2, Which, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

const RULES: &str = "realpeer require 127.0.0.1; realpeer direct 127.0.0.2; \
                     realpeer optional 127.0.0.3; realpeer strip 127.0.0.4; \
                     realpeer refuse 127.0.0.5;";
const SOURCES: [&str; 6] =
    ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"];

/// What a source sends before its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    V1,
    V2,
    NoHeader,
    Broken,
    Local,
    /// Nothing at all, until a timeout passes.
    Silence,
    /// Nothing at all, and then the end of the stream.
    SilentEnd,
}

const SENT: [Sent; 7] =
    [Sent::V1, Sent::V2, Sent::NoHeader, Sent::Broken, Sent::Local, Sent::Silence, Sent::SilentEnd];

impl Sent {
    fn header(self) -> Vec<u8> {
        match self {
            Self::V1 => v1(VISITOR, LISTENER),
            Self::V2 => V2::proxy(VISITOR, LISTENER).checksum().build(),
            Self::Broken => b"PROXY TCP4 192.0.2.256 198.51.100.1 4321 443\r\n".to_vec(),
            Self::Local => V2::local().build(),
            Self::NoHeader | Self::Silence | Self::SilentEnd => Vec::new(),
        }
    }

    fn silent(self) -> bool {
        matches!(self, Self::Silence | Self::SilentEnd)
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The page, with the visitor's address.
    Visitor { result: String, policy: String },
    /// The page, with the address of the source itself.
    Own { result: String, policy: String },
    /// The header reached HTTP, which did not understand it.
    BadRequest,
    /// Closed without a byte, one line with this result in the log.
    Refused(String),
    /// Closed by nginx itself, which was waiting for a request.
    LeftToNginx,
}

fn expected(source: &str, sent: Sent) -> Outcome {
    let refused = |result: &str| Outcome::Refused(result.into());
    let visitor = |policy: &str| Outcome::Visitor { result: "proxy".into(), policy: policy.into() };
    let own =
        |result: &str, policy: &str| Outcome::Own { result: result.into(), policy: policy.into() };
    match (source, sent) {
        ("127.0.0.1", Sent::V1 | Sent::V2) => visitor("require"),
        ("127.0.0.1", Sent::NoHeader) => refused("no_header"),
        ("127.0.0.1", Sent::Local) => own("local", "require"),
        ("127.0.0.1", Sent::Silence) => refused("timeout"),
        ("127.0.0.1", Sent::SilentEnd) => refused("silent"),

        ("127.0.0.2", Sent::NoHeader) => own("direct", "direct"),
        ("127.0.0.2", Sent::Silence | Sent::SilentEnd) => Outcome::LeftToNginx,
        ("127.0.0.2", _) => Outcome::BadRequest,

        ("127.0.0.3", Sent::V1 | Sent::V2) => visitor("optional"),
        ("127.0.0.3", Sent::NoHeader) => own("absent", "optional"),
        ("127.0.0.3", Sent::Local) => own("local", "optional"),
        ("127.0.0.3" | "127.0.0.4", Sent::Silence | Sent::SilentEnd) => Outcome::LeftToNginx,

        ("127.0.0.4", Sent::V1 | Sent::V2 | Sent::Local) => own("stripped", "strip"),
        ("127.0.0.4", Sent::NoHeader) => own("absent", "strip"),

        (_, Sent::Broken) if source < "127.0.0.5" => refused("bad_v1"),
        _ => refused("untrusted"),
    }
}

/// A server under test with a patient and a hasty listener: silence is only
/// waited for on the hasty one, and nothing else can be too late there.
struct Servers {
    nginx: Nginx,
    authority: Authority,
    tls: bool,
    patient: u16,
    hasty: u16,
}

impl Servers {
    fn start(which: Which, tls: bool) -> Self {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let (patient, hasty) = (site.port(), site.port());
        let ssl = if tls { "ssl" } else { "" };
        let certificate = if tls { site.certificate(&authority) } else { String::new() };
        site.http(format!(
            "{certificate} {RULES} lingering_timeout 200ms;
             server {{ listen 127.0.0.1:{patient} {ssl}; realpeer_timeout 30s; {PAGE} }}
             server {{ listen 127.0.0.1:{hasty} {ssl}; realpeer_timeout 300ms;
                       client_header_timeout 700ms; {PAGE} }}"
        ));
        Self { nginx: site.start(), authority, tls, patient, hasty }
    }

    fn outcome(&self, source: &str, sent: Sent) -> Outcome {
        let port = if sent == Sent::Silence { self.hasty } else { self.patient };
        let mut client = Client::from(source, port);
        let peer = client.local();
        if sent.silent() {
            if sent == Sent::SilentEnd {
                client.finish();
            }
            assert_eq!(client.ending(), Ending::Unanswered);
            return self.after_the_end(peer);
        }
        client.send(sent.header());
        if !self.tls {
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
            return self.answered(&client.ending(), peer);
        }
        let mut tls = TlsClient::over(client, &self.authority);
        let may_speak_tls =
            !matches!(expected(source, sent), Outcome::Refused(_) | Outcome::BadRequest);
        if may_speak_tls {
            return page(&tls.get("/"), peer);
        }
        self.answered(&tls.raw_ending_after_hello(), peer)
    }

    fn answered(&self, ending: &Ending, peer: SocketAddr) -> Outcome {
        if *ending == Ending::Unanswered {
            return self.after_the_end(peer);
        }
        let answer = ending.response();
        if answer.status == 400 {
            return Outcome::BadRequest;
        }
        page(&answer, peer)
    }

    /// What the logs say about a connection that was closed without a byte.
    fn after_the_end(&self, peer: SocketAddr) -> Outcome {
        match &self.nginx.new_refusals()[..] {
            [] => Outcome::LeftToNginx,
            [refusal] => {
                let level = if refusal.result == "silent" { "info" } else { "error" };
                assert_eq!(refusal.level, level, "{refusal:?}");
                assert_eq!(refusal.peer, peer.to_string());
                Outcome::Refused(refusal.result.clone())
            }
            many => panic!("one line per refused connection: {many:#?}"),
        }
    }
}

fn page(answer: &realpeer_e2e::Response, peer: SocketAddr) -> Outcome {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.var("proxy_addr"), peer.ip().to_string());
    assert_eq!(answer.var("proxy_port"), peer.port().to_string());
    let (result, policy) = (answer.var("result"), answer.var("policy"));
    let seen = format!("{}:{}", answer.var("remote_addr"), answer.var("remote_port"));
    if seen == VISITOR {
        Outcome::Visitor { result, policy }
    } else {
        assert_eq!(seen, peer.to_string());
        Outcome::Own { result, policy }
    }
}

fn every_source_gets_what_its_policy_says(which: Which, tls: bool) {
    let mut servers = Servers::start(which, tls);
    let (mut wrong, mut served) = (Vec::new(), 0);
    for source in SOURCES {
        for sent in SENT {
            let (got, wanted) = (servers.outcome(source, sent), expected(source, sent));
            served += usize::from(!matches!(got, Outcome::Refused(_) | Outcome::LeftToNginx));
            if got != wanted {
                wrong.push(format!("{source} {sent:?}: {got:?} instead of {wanted:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(servers.nginx.new_refusals(), []);
    servers.nginx.quit();
    let log = servers.nginx.access_log();
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
