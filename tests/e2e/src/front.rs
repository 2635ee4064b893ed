//! One kind of server behind a listener with a policy, and a client that gets
//! from it what nginx takes for the client's address. What a policy does is
//! the same for all kinds, and is tested alike.

use std::net::SocketAddr;

use crate::auth_http::AuthHttp;
use crate::certificates::Authority;
use crate::client::Client;
use crate::dialogue::Dialogue;
use crate::nginx::Nginx;
use crate::page::{PAGE, STREAM_PAGE, Vars};
use crate::site::Site;
use crate::subsystem::Subsystem;
use crate::tls::TlsClient;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Http,
    Https,
    Stream,
    StreamTls,
    Mail,
    MailTls,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Stream, Self::StreamTls, Self::Mail, Self::MailTls];

    /// One for each subsystem.
    pub const PLAIN: [Self; 3] = [Self::Http, Self::Stream, Self::Mail];

    pub fn subsystem(self) -> Subsystem {
        match self {
            Self::Http | Self::Https => Subsystem::Http,
            Self::Stream | Self::StreamTls => Subsystem::Stream,
            Self::Mail | Self::MailTls => Subsystem::Mail,
        }
    }

    pub fn tls(self) -> bool {
        matches!(self, Self::Https | Self::StreamTls | Self::MailTls)
    }

    /// What a client says that gets an answer and an entry in a log, on a
    /// connection that is not refused.
    pub fn words(self) -> &'static str {
        match self.subsystem() {
            Subsystem::Http => "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Subsystem::Stream => "words\r\n",
            Subsystem::Mail => "USER a\r\nPASS b\r\n",
        }
    }
}

/// The server behind the listeners of one kind.
#[derive(Debug)]
pub struct Front {
    kind: Kind,
    authority: Authority,
    auth_http: AuthHttp,
}

/// What a client got to see.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The client's own end, which is nginx's peer.
    pub peer: SocketAddr,
    /// What nginx takes for the client, without the port.
    pub client: String,
    /// None from mail, which has no variables.
    pub vars: Option<Vars>,
}

impl Seen {
    /// The result of the connection, where that can be seen.
    pub fn var(&self, name: &str) -> Option<String> {
        self.vars.as_ref().map(|vars| vars.var(name))
    }
}

impl Front {
    pub fn new(kind: Kind) -> Self {
        Self { kind, authority: Authority::new(), auth_http: AuthHttp::refusing() }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A server that listens as `listen` says, e.g. `127.0.0.1:80 reuseport`.
    pub fn server(&self, site: &Site, listen: &str, directives: &str) -> String {
        let (ssl, certificate) = if self.kind.tls() {
            ("ssl", site.certificate(&self.authority))
        } else {
            ("", String::new())
        };
        let serve = match self.kind.subsystem() {
            Subsystem::Http => PAGE.to_owned(),
            Subsystem::Stream => STREAM_PAGE.to_owned(),
            Subsystem::Mail => format!("protocol pop3; {}", self.auth_http.directive()),
        };
        format!("server {{ listen {listen} {ssl}; {certificate} {directives} {serve} }}\n")
    }

    /// Adds a server to a site.
    pub fn add(&self, site: &mut Site, listen: &str, directives: &str) {
        let server = self.server(site, listen, directives);
        site.block(self.kind.subsystem(), server);
    }

    /// Adds a server for 127.0.0.1 on a port of its own.
    pub fn add_port(&self, site: &mut Site, directives: &str) -> u16 {
        let port = site.port();
        self.add(site, &format!("127.0.0.1:{port}"), directives);
        port
    }

    /// Sends a header in a piece of its own, and asks.
    #[track_caller]
    pub fn visit(&self, port: u16, header: &[u8]) -> Seen {
        let mut client = Client::connect(port);
        client.send(header);
        self.ask(client)
    }

    /// What a client gets that has sent all it has to, or nothing.
    #[track_caller]
    pub fn ask(&self, mut client: Client) -> Seen {
        let peer = client.local();
        if self.kind.subsystem() == Subsystem::Mail {
            let client = self.ask_mail(client);
            return Seen { peer, client, vars: None };
        }
        let vars = match self.kind {
            Kind::Http => client.get("/").vars(),
            Kind::Https => TlsClient::over(client, &self.authority).get("/").vars(),
            Kind::Stream => client.ending().vars(),
            _ => TlsClient::over(client, &self.authority).ending().vars(),
        };
        Seen { peer, client: vars.var("remote_addr"), vars: Some(vars) }
    }

    #[track_caller]
    fn ask_mail(&self, client: Client) -> String {
        let answer = if self.kind.tls() {
            log_in(Dialogue::over(TlsClient::over(client, &self.authority)))
        } else {
            log_in(Dialogue::over(client))
        };
        answer.strip_prefix("-ERR client ").expect("an address").to_owned()
    }

    /// How many connections have got through to the server, once nginx has
    /// ended.
    pub fn served(&self, nginx: &Nginx) -> usize {
        match self.kind.subsystem() {
            Subsystem::Http => nginx.access_log().lines().count(),
            Subsystem::Stream => nginx.log("stream.log").lines().count(),
            Subsystem::Mail => self.auth_http.requests().len(),
        }
    }
}

#[track_caller]
fn log_in<S: std::io::Read + std::io::Write>(mut dialogue: Dialogue<S>) -> String {
    assert!(dialogue.line().starts_with("+OK"), "no greeting");
    assert!(dialogue.say("USER a").starts_with("+OK"), "no user wanted");
    dialogue.say("PASS b")
}
