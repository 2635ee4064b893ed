//! The servers that senders are pointed at. Each logs every connection whole.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::UdpSocket;

use super::datagrams;
use super::wanted::TLVS;
use crate::apache::Apache;
use crate::apache_site::ApacheSite;
use crate::auth_http::AuthHttp;
use crate::certificates::Authority;
use crate::logs::Logs;
use crate::mpm::Mpm;
use crate::nginx::Nginx;
use crate::page::Vars;
use crate::site::Site;
use crate::subsystem::Subsystem;
use crate::wait::{PATIENCE, wait_until};
use crate::which::Which;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Http(Which),
    Stream(Which),
    Mail(Which),
    /// With TLS and HTTP/2.
    Https(Which),
    Apache,
    ApacheTls,
    /// A socket of the test's own, and the library.
    Datagrams,
}

impl Place {
    /// As tests and documents call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http(Which::Debian) => "nginx 1.22.1",
            Self::Http(Which::Built) => "nginx 1.28.3",
            Self::Stream(Which::Debian) => "nginx 1.22.1, stream",
            Self::Stream(Which::Built) => "nginx 1.28.3, stream",
            Self::Mail(Which::Debian) => "nginx 1.22.1, mail",
            Self::Mail(Which::Built) => "nginx 1.28.3, mail",
            Self::Https(Which::Debian) => "nginx 1.22.1, HTTP/2",
            Self::Https(Which::Built) => "nginx 1.28.3, HTTP/2",
            Self::Apache => "Apache",
            Self::ApacheTls => "Apache, HTTP/2",
            Self::Datagrams => "the library",
        }
    }

    /// One of those that are tried in two versions.
    pub fn is_older_nginx(self) -> bool {
        match self {
            Self::Http(which) | Self::Https(which) | Self::Stream(which) | Self::Mail(which) => {
                which == Which::Debian
            }
            Self::Apache | Self::ApacheTls | Self::Datagrams => false,
        }
    }

    pub(super) fn start(self) -> Receiver {
        match self {
            Self::Http(which) => nginx(which, Subsystem::Http),
            Self::Https(which) => nginx_with_tls(which),
            Self::Stream(which) => nginx(which, Subsystem::Stream),
            Self::Mail(which) => nginx(which, Subsystem::Mail),
            Self::Apache => apache(false),
            Self::ApacheTls => apache(true),
            Self::Datagrams => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                socket.set_read_timeout(Some(PATIENCE)).expect("an option");
                let port = socket.local_addr().expect("a bound socket").port();
                Receiver::new(port, Server::Socket(socket, RefCell::default()))
            }
        }
    }
}

fn nginx(which: Which, subsystem: Subsystem) -> Receiver {
    let mut site = Site::new(which);
    let port = site.port();
    let login = AuthHttp::refusing();
    let (log, serve) = match subsystem {
        Subsystem::Http => (log(&site, HTTP), "location / { return 200 here; }".to_owned()),
        Subsystem::Stream => (log(&site, STREAM), "return here;".to_owned()),
        Subsystem::Mail => (login.directive(), "protocol smtp; smtp_auth plain;".to_owned()),
    };
    site.block(subsystem, log);
    site.block(
        subsystem,
        format!("server {{ listen 127.0.0.1:{port}; listen [::1]:{port}; {POLICY} {serve} }}"),
    );
    let nginx = site.start();
    let server = match subsystem {
        Subsystem::Mail => Server::Mail(nginx, login),
        _ => Server::Nginx(nginx),
    };
    Receiver::new(port, server)
}

fn nginx_with_tls(which: Which) -> Receiver {
    let mut site = Site::new(which);
    let port = site.port();
    let certificate = site.certificate(&Authority::new());
    site.http(log(&site, HTTP));
    let listen = which.http2(&format!("127.0.0.1:{port} ssl"));
    site.http(format!(
        "server {{ {listen} {certificate} {POLICY} location / {{ return 200 here; }} }}"
    ));
    Receiver::new(port, Server::Nginx(site.start()))
}

fn apache(tls: bool) -> Receiver {
    let mut site = ApacheSite::new(Mpm::Event);
    site.config(format!(
        "LogFormat \"{}\" seen\nCustomLog {}/seen.log seen\n\
         RealPeerTLV hex_0x03 hex_0xe0\n\
         RealPeer require 127.0.0.1 ::1\nRealPeer direct 127.0.0.2",
        apache_format(),
        site.dir().display()
    ));
    let port = if tls {
        site.load("http2");
        site.tls_host(&Authority::new(), "Protocols h2 http/1.1")
    } else {
        site.port()
    };
    if !tls {
        site.config(format!("Listen 127.0.0.1:{port}\nListen [::1]:{port}"));
    }
    Receiver::new(port, Server::Apache(site.start()))
}

/// Who connects from the second comes without a header.
const POLICY: &str = "realpeer require 127.0.0.1 ::1; realpeer direct 127.0.0.2;";

const HTTP: &str = "$status $request";
const STREAM: &str = "$status";

/// What stands between connections in the log.
const END: &str = "end";

/// Names that the servers' variables share.
const NAMES: [&str; 8] =
    ["result", "version", "addr", "port", "server_addr", "server_port", "proxy_addr", "proxy_port"];

fn log(site: &Site, what: &str) -> String {
    let mut format = String::from("remote_addr=$remote_addr\\nremote_port=$remote_port\\n");
    for name in NAMES {
        write!(format, "{name}=$realpeer_{name}\\n").expect("memory");
    }
    for name in TLVS {
        write!(format, "tlv_{name}=$realpeer_tlv_{name}\\n").expect("memory");
    }
    let dir = site.dir().display();
    format!("log_format seen '{format}what={what}\\n{END}'; access_log {dir}/seen.log seen;\n")
}

fn apache_format() -> String {
    let mut format = String::from("remote_addr=%a\\nremote_port=%{remote}p\\n");
    for name in NAMES {
        write!(format, "{name}=%{{REALPEER_{}}}e\\n", name.to_uppercase()).expect("memory");
    }
    for name in TLVS {
        write!(format, "tlv_{name}=%{{REALPEER_TLV_{}}}e\\n", name.to_uppercase()).expect("memory");
    }
    format!("{format}what=%>s %r\\n{END}")
}

/// A server that listens on a port of 127.0.0.1.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) port: u16,
    server: Server,
    /// How long its log was when it had started.
    begun: usize,
}

#[derive(Debug)]
enum Server {
    Nginx(Nginx),
    Mail(Nginx, AuthHttp),
    Apache(Apache),
    Socket(UdpSocket, RefCell<Vec<Vars>>),
}

impl Receiver {
    fn new(port: u16, server: Server) -> Self {
        let mut receiver = Self { port, server, begun: 0 };
        receiver.begun = receiver.error_log().len();
        receiver
    }

    fn error_log(&self) -> String {
        self.logs().map(|logs| logs.error_log()).unwrap_or_default()
    }

    /// What it has logged, connection by connection.
    pub(super) fn seen(&self) -> Vec<Vars> {
        match &self.server {
            Server::Mail(_, login) => return login.requests().iter().map(mail_page).collect(),
            Server::Socket(_, seen) => return seen.borrow().clone(),
            Server::Nginx(_) | Server::Apache(_) => {}
        }
        let log = self.logs().map(|logs| logs.log("seen.log")).unwrap_or_default();
        let log = log.replace("=-\n", "=\n");
        let end = format!("\n{END}\n");
        // What stands behind the last end is not whole.
        let mut pages: Vec<_> = log.split(&end).collect();
        pages.pop();
        pages.iter().map(|page| Vars::new(page.as_bytes())).collect()
    }

    fn logs(&self) -> Option<&Logs> {
        match &self.server {
            Server::Nginx(nginx) | Server::Mail(nginx, _) => Some(nginx),
            Server::Apache(apache) => Some(apache),
            Server::Socket(..) => None,
        }
    }

    #[track_caller]
    pub(super) fn wait_for_refusal(&self) {
        wait_until("a refusal in the log", || {
            self.logs().is_some_and(|logs| !logs.refusals().is_empty()).then_some(())
        });
    }

    #[track_caller]
    pub(super) fn wait_for(&self, connections: usize) {
        wait_until("connections in the log", || (self.seen().len() >= connections).then_some(()));
    }

    /// The payload of the next datagram; its header is logged.
    #[track_caller]
    pub(super) fn datagram(&self) -> Vec<u8> {
        let Server::Socket(socket, seen) = &self.server else {
            panic!("{:?} takes no datagrams", self.server)
        };
        let mut bytes = vec![0; 65_536];
        let (length, peer) = socket.recv_from(&mut bytes).expect("a datagram");
        let (page, payload) = datagrams::read(peer, &bytes[..length]);
        seen.borrow_mut().push(page);
        payload
    }

    /// Ends it, and gives what it complained about.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        let mut served = self.error_log().len();
        match &mut self.server {
            Server::Nginx(nginx) | Server::Mail(nginx, _) => {
                nginx.quit();
                served = usize::MAX;
            }
            // It ends in the middle of what it does, and may complain of that.
            Server::Apache(apache) => {
                apache.stop();
            }
            Server::Socket(..) => {}
        }
        let log = self.error_log();
        let (served, ending) = log.split_at(served.min(log.len()));
        let complaints = served[self.begun..].lines().filter(|line| is_complaint(line));
        let ours = ending.lines().filter(|line| line.contains("[realpeer:") && is_complaint(line));
        complaints.chain(ours).map(str::to_owned).collect()
    }
}

/// The login server is told only who the client is.
fn mail_page(request: &crate::upstream::Request) -> Vars {
    let header = |name| request.header(name).unwrap_or_default();
    let text = format!(
        "remote_addr={}\naddr={}\nport={}\nserver_addr={}\nserver_port={}\n",
        header("client-ip"),
        header("proxy-protocol-addr"),
        header("proxy-protocol-port"),
        header("proxy-protocol-server-addr"),
        header("proxy-protocol-server-port"),
    );
    Vars::new(text.as_bytes())
}

/// What nobody wants to read about a connection that is in order.
fn is_complaint(line: &str) -> bool {
    let loud = ["warn", "error", "crit", "alert", "emerg"];
    let said = |level: &str| {
        line.contains(&format!("[{level}] ")) || line.contains(&format!(":{level}] "))
    };
    loud.iter().any(|level| said(level)) || line.contains("realpeer: refused")
}
