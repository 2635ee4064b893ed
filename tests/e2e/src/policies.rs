//! Who may say what: everything that a source can send, and what comes of it
//! under each policy, on whatever server. DESIGN: the table of policies.

use std::net::SocketAddr;

use crate::certificates::Authority;
use crate::client::{Client, Ending};
use crate::header::{V2, v1};
use crate::http::Response;
use crate::logs::Logs;
use crate::tls::TlsClient;

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// The policy for each source, in the words of the directive.
pub const POLICIES: [(&str, &str); 5] = [
    ("require", "127.0.0.1"),
    ("direct", "127.0.0.2"),
    ("optional", "127.0.0.3"),
    ("strip", "127.0.0.4"),
    ("refuse", "127.0.0.5"),
];

/// Those, and one that no rule names.
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

impl Sent {
    const ALL: [Self; 7] = [
        Self::V1,
        Self::V2,
        Self::NoHeader,
        Self::Broken,
        Self::Local,
        Self::Silence,
        Self::SilentEnd,
    ];

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
    /// The header reached the server, which did not understand it, and said so.
    BadRequest,
    /// Closed without a byte, one line with this result in the log.
    Refused(String),
    /// Closed by the server itself, which was waiting for a request.
    LeftToServer,
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
        ("127.0.0.2", Sent::Silence | Sent::SilentEnd) => Outcome::LeftToServer,
        ("127.0.0.2", _) => Outcome::BadRequest,

        ("127.0.0.3", Sent::V1 | Sent::V2) => visitor("optional"),
        ("127.0.0.3", Sent::NoHeader) => own("absent", "optional"),
        ("127.0.0.3", Sent::Local) => own("local", "optional"),
        ("127.0.0.3" | "127.0.0.4", Sent::Silence | Sent::SilentEnd) => Outcome::LeftToServer,

        ("127.0.0.4", Sent::V1 | Sent::V2 | Sent::Local) => own("stripped", "strip"),
        ("127.0.0.4", Sent::NoHeader) => own("absent", "strip"),

        (_, Sent::Broken) if source < "127.0.0.5" => refused("bad_v1"),
        _ => refused("untrusted"),
    }
}

/// A server with [`POLICIES`] on a patient and a hasty listener: silence is
/// only waited for on the hasty one, and nothing else can be too late there.
#[derive(Debug)]
pub struct Policed<'a> {
    pub logs: &'a Logs,
    /// What a client trusts where these listeners speak TLS.
    pub authority: Option<&'a Authority>,
    /// Whether the server says so in HTTP where that is not TLS.
    pub answers_on_tls: bool,
    pub patient: u16,
    pub hasty: u16,
}

impl Policed<'_> {
    /// Panics unless each source gets what its policy says; gives how many
    /// connections have got as far as the server.
    #[track_caller]
    pub fn must_treat_every_source_as_its_policy_says(&self) -> usize {
        let (mut wrong, mut served) = (Vec::new(), 0);
        for source in SOURCES {
            for sent in Sent::ALL {
                let (got, wanted) = (self.outcome(source, sent), self.expected(source, sent));
                served += usize::from(!matches!(got, Outcome::Refused(_) | Outcome::LeftToServer));
                if got != wanted {
                    wrong.push(format!("{source} {sent:?}: {got:?} instead of {wanted:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(self.logs.new_refusals(), []);
        served
    }

    fn expected(&self, source: &str, sent: Sent) -> Outcome {
        match expected(source, sent) {
            Outcome::BadRequest if self.authority.is_some() && !self.answers_on_tls => {
                Outcome::LeftToServer
            }
            outcome => outcome,
        }
    }

    /// What becomes of it when this source sends that.
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
        let Some(authority) = self.authority else {
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
            return self.answered(&client.ending(), peer);
        };
        let mut tls = TlsClient::over(client, authority);
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
        match &self.logs.new_refusals()[..] {
            [] => Outcome::LeftToServer,
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

fn page(answer: &Response, peer: SocketAddr) -> Outcome {
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
