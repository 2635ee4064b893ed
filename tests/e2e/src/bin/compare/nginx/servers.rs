//! The servers: for each version one nginx that has only its own
//! `proxy_protocol`, and one with realpeer. Each listens for all four kinds.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use realpeer_e2e::{Authority, Client, Nginx, Request, Site, Subsystem, Upstream, Which};
use socket2::SockRef;

use crate::inputs::Limits;
use crate::talk::{Kind, PEER, Pace};

fn subsystem(kind: Kind) -> Subsystem {
    match kind {
        Kind::Http | Kind::Https => Subsystem::Http,
        Kind::Stream => Subsystem::Stream,
        Kind::Mail => Subsystem::Mail,
    }
}

pub fn version(which: Which) -> &'static str {
    match which {
        Which::Debian => "1.22.1",
        Which::Built => "1.28.3",
    }
}

/// All four kinds of server say what they take for the client, and what the
/// header's address is in nginx's own variable: `<ADDRESS|PORT|ADDRESS>`.
const SEEN: &str = "<$remote_addr|$remote_port|$proxy_protocol_addr>";

/// One nginx.
#[derive(Debug)]
pub struct Server {
    page: u16,
    ports: BTreeMap<(Kind, Limits), u16>,
}

impl Server {
    pub fn port(&self, kind: Kind, limits: &Limits) -> u16 {
        self.ports[&(kind, limits.clone())]
    }

    pub fn page(&self) -> Page {
        Page(Client::connect(self.page))
    }
}

/// A page of a server that is asked in the meantime. A server has one worker:
/// once it has answered here, it has seen what came before.
#[derive(Debug)]
pub struct Page(Client);

impl Pace for Page {
    /// The first time the worker may just have accepted the connection that is
    /// waited for; the second time it has read what came on it.
    fn looked(&mut self, _stream: &TcpStream) {
        self.visit();
        self.visit();
    }
}

impl Page {
    fn visit(&mut self) {
        self.0.send("GET / HTTP/1.1\r\nHost: page\r\n\r\n");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 1024];
            let length = self.0.read(&mut bytes).expect("a page");
            assert_ne!(length, 0, "the page's connection is closed");
            answer.extend(&bytes[..length]);
        }
    }
}

/// The servers of one version.
#[derive(Debug)]
pub struct Servers {
    pub native: Server,
    pub realpeer: Server,
    pub authority: Authority,
}

/// As long as this lives they run.
#[derive(Debug)]
pub struct Running {
    _nginx: [Nginx; 2],
    _auth_http: Upstream,
}

impl Servers {
    pub fn start(which: Which, limits: impl IntoIterator<Item = Limits>) -> (Self, Running) {
        let limits: Vec<_> = limits.into_iter().collect();
        let authority = Authority::new();
        let auth_http = auth_http();
        let start = |mut site: Site, is_native: bool| {
            let certificate = site.certificate(&authority);
            let page = site.port();
            site.http(format!(
                "keepalive_requests 100000000; keepalive_timeout 600s; access_log off;
                 server {{ listen 127.0.0.1:{page}; return 204; }}"
            ));
            site.stream("access_log off;");
            site.mail(format!("auth_http 127.0.0.1:{}/;", auth_http.port()));
            let mut ports = BTreeMap::new();
            for kind in Kind::ALL {
                // nginx's own has no limits to be set.
                let shared = is_native.then(|| listener(&mut site, kind, &certificate, None));
                for limits in &limits {
                    let port = shared
                        .unwrap_or_else(|| listener(&mut site, kind, &certificate, Some(limits)));
                    ports.insert((kind, limits.clone()), port);
                }
            }
            (Server { page, ports }, site.start())
        };
        let (native, first) = start(Site::native(which), true);
        let (realpeer, second) = start(Site::new(which), false);
        let running = Running { _nginx: [first, second], _auth_http: auth_http };
        (Self { native, realpeer, authority }, running)
    }
}

/// Adds a server to a site: realpeer's with these limits, or nginx's own.
fn listener(site: &mut Site, kind: Kind, certificate: &str, limits: Option<&Limits>) -> u16 {
    let port = site.port();
    let (listen, directives) = match limits {
        None => {
            let header = match kind {
                Kind::Http | Kind::Https => "real_ip_header proxy_protocol;",
                Kind::Stream | Kind::Mail => "",
            };
            ("proxy_protocol", format!("set_real_ip_from {PEER}; {header}"))
        }
        Some((max_header, versions)) => {
            let versions: String = versions.iter().map(|version| format!(" {version}")).collect();
            let policy = "realpeer require all; realpeer_timeout 600s; realpeer_log_limit off;";
            let limits = format!("realpeer_max_header {max_header}; realpeer_versions{versions};");
            ("", format!("{policy} {limits}"))
        }
    };
    let (tls, serve) = match kind {
        Kind::Http => ("", format!("return 200 '{SEEN}';")),
        Kind::Https => ("ssl", format!("{certificate} return 200 '{SEEN}';")),
        Kind::Stream => ("", format!("return '{SEEN}';")),
        Kind::Mail => ("", "protocol smtp; smtp_auth plain;".into()),
    };
    site.block(
        subsystem(kind),
        format!("server {{ listen 127.0.0.1:{port} {tls} {listen}; {directives} {serve} }}"),
    );
    port
}

/// Refuses every login with what mail has no variables for.
fn auth_http() -> Upstream {
    Upstream::start(|mut stream| {
        let request = Request::read(&mut stream);
        let header = |name| request.header(name).unwrap_or_default();
        let (client, named) = (header("client-ip"), header("proxy-protocol-addr"));
        let answer = format!("HTTP/1.0 200 OK\r\nAuth-Status: <{client}||{named}>\r\n\r\n");
        // nginx ends a connection when its client does, and this one when it
        // has its answer; a reset then leaves nothing for the kernel to keep.
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.read(&mut [0]);
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    })
}
