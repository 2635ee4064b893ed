//! Every kind of server with realpeer in it, all running at once, and what
//! each of them makes of the first bytes of a connection.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use crate::apache::Apache;
use crate::apache_front::ApacheFront;
use crate::apache_site::ApacheSite;
use crate::auth_http::AuthHttp;
use crate::certificates::Authority;
use crate::client::Client;
use crate::front::Kind;
use crate::log::Refusal;
use crate::logs::Logs;
use crate::mpm::Mpm;
use crate::nginx::Nginx;
use crate::page::{Vars, location, stream_return};
use crate::site::Site;
use crate::subsystem::Subsystem;
use crate::tls::TlsClient;
use crate::watch::Watch;
use crate::which::Which;

/// A kind of listener of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Nginx(Which, Kind),
    /// With TLS or without.
    Apache(Mpm, bool),
}

/// The longest header and the versions that a listener accepts.
pub type HeaderLimits = (u32, Vec<u8>);

/// The limits of a listener that sets none.
pub fn usual_limits() -> HeaderLimits {
    (4096, vec![1, 2])
}

/// Kinds of nginx's listeners that are looked at.
pub const NGINX_KINDS: [Kind; 4] = [Kind::Http, Kind::Https, Kind::Stream, Kind::Mail];

impl Place {
    /// The server that this is a listener of.
    fn server(self) -> Self {
        match self {
            Self::Nginx(which, _) => Self::Nginx(which, Kind::Http),
            Self::Apache(mpm, _) => Self::Apache(mpm, false),
        }
    }

    pub fn is_apache(self) -> bool {
        matches!(self, Self::Apache(..))
    }

    pub fn has_tls(self) -> bool {
        match self {
            Self::Nginx(_, kind) => kind.tls(),
            Self::Apache(_, tls) => tls,
        }
    }

    fn is_mail(self) -> bool {
        matches!(self, Self::Nginx(_, kind) if kind.subsystem() == Subsystem::Mail)
    }

    /// Whether its page has variables; mail has none, but tells the client.
    pub fn has_variables(self) -> bool {
        !self.is_mail()
    }

    /// What its page calls a variable of nginx's.
    pub fn variable(self, name: &str) -> String {
        if self.is_apache() { name.to_uppercase() } else { name.to_owned() }
    }

    /// What a client says that gets an answer, and the end of the connection.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nginx(_, Kind::Stream | Kind::StreamTls) => "words",
            Self::Nginx(_, Kind::Mail | Kind::MailTls) => "USER a\r\nPASS b\r\n",
            _ => "GET /page/receivers HTTP/1.0\r\nHost: localhost\r\n\r\n",
        }
    }
}

/// How a server ended what a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Closed without a byte.
    Closed,
    /// Served, to this client, with these variables where there are any.
    Served { client: String, vars: Option<Vars> },
    /// Answered in another way.
    Other(String),
    /// Not closed, after a long time.
    Open,
}

#[derive(Debug)]
enum Software {
    Nginx(Nginx),
    Apache(Apache),
}

#[derive(Debug)]
struct Server {
    software: Software,
    /// A listener that knows nothing of headers.
    page: u16,
    ports: BTreeMap<(Place, HeaderLimits), u16>,
}

impl Server {
    fn logs(&self) -> &Logs {
        match &self.software {
            Software::Nginx(nginx) => nginx,
            Software::Apache(apache) => apache,
        }
    }
}

/// The servers, which run as long as this lives.
#[derive(Debug)]
pub struct Receivers {
    servers: BTreeMap<Place, Server>,
    authority: Authority,
    tls: ApacheFront,
    watch: Watch,
    _auth_http: AuthHttp,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub nginx: Vec<Which>,
    pub apache: Vec<Mpm>,
    pub limits: Vec<HeaderLimits>,
    /// TLVs that the pages show, by their names.
    pub tlvs: Vec<String>,
    /// How long a header may take.
    pub timeout: &'static str,
    pub watch: Watch,
}

impl Wanted {
    /// All servers; one of nginx and one of Apache where `REALPEER_E2E_ASAN`
    /// asks for those that were built with sanitizers.
    pub fn all(limits: Vec<HeaderLimits>, tlvs: Vec<String>) -> Self {
        let timeout = "600s";
        if std::env::var_os("REALPEER_E2E_ASAN").is_some() {
            let (nginx, apache) = (vec![Which::Built], vec![Mpm::Event]);
            return Self { nginx, apache, limits, tlvs, timeout, watch: Watch::Sanitizers };
        }
        let (nginx, apache) = (vec![Which::Debian, Which::Built], Mpm::ALL.to_vec());
        Self { nginx, apache, limits, tlvs, timeout, watch: Watch::Plain }
    }
}

impl Receivers {
    /// All servers, with the limits that are usual.
    pub fn usual() -> Self {
        Self::start(&Wanted::all(vec![usual_limits()], Vec::new()))
    }

    pub fn start(wanted: &Wanted) -> Self {
        let auth_http = AuthHttp::refusing();
        let mut receivers = Self {
            servers: BTreeMap::new(),
            authority: Authority::new(),
            tls: ApacheFront::tls(),
            watch: wanted.watch,
            _auth_http: auth_http,
        };
        for which in &wanted.nginx {
            let server = receivers.nginx(*which, wanted);
            receivers.servers.insert(Place::Nginx(*which, Kind::Http), server);
        }
        for mpm in &wanted.apache {
            let server = receivers.apache(*mpm, wanted);
            receivers.servers.insert(Place::Apache(*mpm, false), server);
        }
        receivers
    }

    fn nginx(&self, which: Which, wanted: &Wanted) -> Server {
        let mut site = Site::new(which);
        if wanted.watch != Watch::Plain {
            site.watched(wanted.watch, &wanted.watch.folder());
        }
        site.events("worker_connections 4096;");
        let certificate = site.certificate(&self.authority);
        let page = site.port();
        let variables = variables(wanted);
        let names: Vec<_> = variables.iter().map(String::as_str).collect();
        site.http(format!(
            "server {{ listen 127.0.0.1:{page}; keepalive_requests 100000000;
                       keepalive_timeout 600s; access_log off; return 204; }}"
        ));
        let mut ports = BTreeMap::new();
        for kind in NGINX_KINDS {
            let serve = match kind.subsystem() {
                Subsystem::Http => location("/", &names),
                Subsystem::Stream => stream_return(&names),
                Subsystem::Mail => format!("protocol pop3; {}", self._auth_http.directive()),
            };
            let (ssl, certificate) = if kind.tls() { ("ssl", &*certificate) } else { ("", "") };
            for limits in &wanted.limits {
                let port = site.port();
                let policy = policy(limits, wanted.timeout);
                let server = format!(
                    "server {{ listen 127.0.0.1:{port} {ssl}; {certificate} {policy} {serve} }}"
                );
                site.block(kind.subsystem(), server);
                ports.insert((Place::Nginx(which, kind), limits.clone()), port);
            }
        }
        Server { software: Software::Nginx(site.start()), page, ports }
    }

    fn apache(&self, mpm: Mpm, wanted: &Wanted) -> Server {
        let mut site = ApacheSite::new(mpm);
        if wanted.watch != Watch::Plain {
            site.watched(wanted.watch, &wanted.watch.apache_folder());
        }
        // Else the kernel keeps connections to itself on which nothing comes.
        site.config("AcceptFilter http none\nAcceptFilter https none\nTimeout 600");
        let names: Vec<_> = variables(wanted).iter().map(|name| name.to_uppercase()).collect();
        site.page("receivers", &names.iter().map(String::as_str).collect::<Vec<_>>());
        let asked_for: Vec<_> =
            wanted.tlvs.iter().filter(|name| has_to_be_asked_for(name)).collect();
        if !asked_for.is_empty() {
            let names: String = asked_for.iter().map(|name| format!(" {name}")).collect();
            site.config(format!("RealPeerTLV{names}"));
        }
        let page = site.host("");
        let mut ports = BTreeMap::new();
        for limits in &wanted.limits {
            let policy = crate::allowing::as_apache(&policy(limits, wanted.timeout));
            for front in [&ApacheFront::plain(), &self.tls] {
                let place = Place::Apache(mpm, front.authority().is_some());
                ports.insert((place, limits.clone()), front.host(&mut site, &policy));
            }
        }
        Server { software: Software::Apache(site.start()), page, ports }
    }

    /// All kinds of listeners there are.
    pub fn places(&self) -> Vec<Place> {
        let kinds = |server: &Place| match *server {
            Place::Nginx(which, _) => NGINX_KINDS.map(|kind| Place::Nginx(which, kind)).to_vec(),
            Place::Apache(mpm, _) => [false, true].map(|tls| Place::Apache(mpm, tls)).to_vec(),
        };
        self.servers.keys().flat_map(kinds).collect()
    }

    fn server(&self, place: Place) -> &Server {
        &self.servers[&place.server()]
    }

    pub fn port(&self, place: Place, limits: &HeaderLimits) -> u16 {
        self.server(place).ports[&(place, limits.clone())]
    }

    /// A connection to one of them, from an address of ours.
    pub fn connect(&self, place: Place, limits: &HeaderLimits, from: &str) -> Visit<'_> {
        let port = self.port(place, limits);
        let client = Client::from(from, port);
        // Thousands of ended connections are more than the kernel should keep.
        client.reset_at_the_end();
        Visit { receivers: self, place, port, peer: client.local(), client }
    }

    /// A page of the same server that is asked meanwhile.
    pub fn page(&self, place: Place) -> Page {
        let port = self.server(place).page;
        Page { port, client: (!place.is_apache()).then(|| Client::connect(port)) }
    }

    /// All refusals logged so far, by who was refused and where.
    pub fn refusals(&self) -> HashMap<(SocketAddr, u16), Refusal> {
        let all = self.servers.values().flat_map(|server| server.logs().refusals());
        all.map(|refusal| {
            let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
            ((address(&refusal.peer), address(&refusal.listener).port()), refusal)
        })
        .collect()
    }

    /// What the sanitizers have complained about so far.
    pub fn complaints(&self) -> Vec<String> {
        let reports = self.servers.values().flat_map(|server| {
            let folder = server.logs().dir().join("reports");
            let files = std::fs::read_dir(folder).into_iter().flatten();
            files.map(|file| crate::logs::read_lossy(&file.expect("own folder").path()))
        });
        let is_one = |report: &String| {
            report.contains("ERROR: AddressSanitizer") || report.contains("runtime error")
        };
        reports.filter(is_one).collect()
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.watch == Watch::Sanitizers {
            assert_eq!(self.complaints(), Vec::<String>::new());
        }
    }
}

/// What the pages show: nginx's names, of which Apache's are the capitals.
fn variables(wanted: &Wanted) -> Vec<String> {
    let usual = [
        "remote_addr",
        "remote_port",
        "realpeer_result",
        "realpeer_version",
        "realpeer_addr",
        "realpeer_port",
        "realpeer_server_addr",
        "realpeer_server_port",
        "realpeer_proxy_addr",
        "realpeer_proxy_port",
    ];
    let tlvs = wanted.tlvs.iter().map(|name| format!("realpeer_tlv_{name}"));
    usual.into_iter().map(str::to_owned).chain(tlvs).collect()
}

/// Apache shows these only where a directive names them.
fn has_to_be_asked_for(name: &str) -> bool {
    name.starts_with("0x") || name.starts_with("hex_") || name == "ssl_client_cert"
}

fn policy((max_header, versions): &HeaderLimits, timeout: &str) -> String {
    let versions: String = versions.iter().map(|version| format!(" {version}")).collect();
    format!(
        "realpeer require all; realpeer_timeout {timeout}; realpeer_max_header {max_header}; \
         realpeer_versions{versions}; realpeer_log_limit off;"
    )
}

/// One connection under way.
#[derive(Debug)]
pub struct Visit<'a> {
    receivers: &'a Receivers,
    place: Place,
    port: u16,
    peer: SocketAddr,
    client: Client,
}

impl Visit<'_> {
    /// Our own end, and the port of the listener: what a refusal is logged by.
    pub fn ends(&self) -> (SocketAddr, u16) {
        (self.peer, self.port)
    }

    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.client.send(bytes);
        self
    }

    /// Whether the server has said something or closed.
    pub fn has_ended(&self) -> bool {
        !self.client.is_quiet()
    }

    /// Says no more, and waits for the end.
    pub fn finish(mut self) -> Answer {
        self.client.finish();
        self.hear()
    }

    /// Waits for the end.
    pub fn hear(mut self) -> Answer {
        heard(self.place, &mut self.client)
    }

    /// Sends the rest of a header and, in the same segment, what this kind of
    /// server answers to.
    pub fn ask(mut self, rest: &[u8]) -> Answer {
        let words = self.place.words().as_bytes();
        if !self.place.has_tls() {
            self.client.send([rest, words].concat());
            return self.hear();
        }
        let authority = match self.place {
            Place::Nginx(..) => &self.receivers.authority,
            Place::Apache(..) => self.receivers.tls.authority().expect("it speaks TLS"),
        };
        let mut tls = TlsClient::fused(self.client, authority, rest);
        // One that is refused has nobody to shake hands with.
        match tls.write_all(words) {
            Ok(()) => heard(self.place, &mut tls),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Answer::Open,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Answer::Other(error.to_string())
            }
            Err(_) => Answer::Closed,
        }
    }
}

/// All that comes until the server closes.
fn heard(place: Place, stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // A server that closes with something left unread resets.
        if error.kind() == ErrorKind::WouldBlock {
            return Answer::Open;
        }
    }
    if bytes.is_empty() {
        return Answer::Closed;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let other = || Answer::Other(text.lines().next().unwrap_or_default().to_owned());
    if place.is_mail() {
        let client = text.lines().find_map(|line| line.strip_prefix("-ERR client "));
        return match client {
            Some(client) => Answer::Served { client: client.to_owned(), vars: None },
            None => other(),
        };
    }
    let page = text.rsplit_once("\r\n\r\n").map_or(&*text, |(_, page)| page);
    let name = format!("{}=", place.variable("remote_addr"));
    match page.lines().find_map(|line| line.strip_prefix(&*name)) {
        Some(client) => {
            Answer::Served { client: client.to_owned(), vars: Some(Vars::new(page.as_bytes())) }
        }
        None => other(),
    }
}

/// A page of a server. One with a single worker has seen what came before once
/// it has answered here.
#[derive(Debug)]
pub struct Page {
    port: u16,
    /// Kept open by nginx; Apache closes idle ones when it needs their threads.
    client: Option<Client>,
}

impl Page {
    /// The first time the worker may just have accepted the connection that is
    /// waited for; the second time it has read what came on it.
    pub fn visit_twice(&mut self) {
        for _ in 0..2 {
            match &mut self.client {
                Some(client) => client.get("/"),
                None => Client::connect(self.port).get("/"),
            };
        }
    }
}
