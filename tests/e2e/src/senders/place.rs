//! The servers that senders are pointed at. Each logs every connection whole.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::UdpSocket;

use super::datagrams;
use super::wanted::TLVS;
use crate::apache::Apache;
use crate::apache_site::ApacheSite;
use crate::auth_http::AuthHttp;
use crate::logs::Logs;
use crate::mpm::Mpm;
use crate::nginx::Nginx;
use crate::page::Vars;
use crate::site::Site;
use crate::wait::{PATIENCE, wait_until};
use crate::which::Which;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Http(Which),
    Stream(Which),
    Mail(Which),
    Apache,
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
            Self::Apache => "Apache",
            Self::Datagrams => "the library",
        }
    }

    pub(super) fn start(self) -> Receiver {
        match self {
            Self::Http(which) => {
                let mut site = Site::new(which);
                let port = site.port();
                site.http(log(&site, HTTP));
                site.http(format!(
                    "server {{ listen 127.0.0.1:{port}; {POLICY} location / {{ return 200 here; }} }}"
                ));
                Receiver { port, server: Server::Nginx(site.start()) }
            }
            Self::Stream(which) => {
                let mut site = Site::new(which);
                let port = site.port();
                site.stream(log(&site, STREAM));
                site.stream(format!(
                    "server {{ listen 127.0.0.1:{port}; {POLICY} return here; }}"
                ));
                Receiver { port, server: Server::Nginx(site.start()) }
            }
            Self::Mail(which) => {
                let mut site = Site::new(which);
                let port = site.port();
                let login = AuthHttp::refusing();
                site.mail(login.directive());
                site.mail(format!(
                    "server {{ listen 127.0.0.1:{port}; {POLICY} protocol smtp; smtp_auth plain; }}"
                ));
                Receiver { port, server: Server::Mail(site.start(), login) }
            }
            Self::Apache => {
                let mut site = ApacheSite::new(Mpm::Event);
                site.config(format!(
                    "LogFormat \"{}\" seen\nCustomLog {}/seen.log seen\n\
                     RealPeerTLV hex_0x03 hex_0xe0",
                    apache_format(),
                    site.dir().display()
                ));
                // The page of every test is there; nothing is asked of it.
                let port =
                    site.host("RealPeer require 127.0.0.1\nRealPeer direct 127.0.0.2");
                Receiver { port, server: Server::Apache(site.start()) }
            }
            Self::Datagrams => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                socket.set_read_timeout(Some(PATIENCE)).expect("an option");
                let port = socket.local_addr().expect("a bound socket").port();
                Receiver { port, server: Server::Socket(socket, RefCell::default()) }
            }
        }
    }
}

/// Who connects from the second comes without a header.
const POLICY: &str = "realpeer require 127.0.0.1; realpeer direct 127.0.0.2;";

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
        write!(format, "tlv_{name}=%{{REALPEER_TLV_{}}}e\\n", name.to_uppercase())
            .expect("memory");
    }
    format!("{format}what=%>s %r\\n{END}")
}

/// A server that listens on a port of 127.0.0.1.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) port: u16,
    server: Server,
}

#[derive(Debug)]
enum Server {
    Nginx(Nginx),
    Mail(Nginx, AuthHttp),
    Apache(Apache),
    Socket(UdpSocket, RefCell<Vec<Vars>>),
}

impl Receiver {
    /// What it has logged, connection by connection.
    pub(super) fn seen(&self) -> Vec<Vars> {
        let logs = match &self.server {
            Server::Nginx(nginx) => nginx,
            Server::Apache(apache) => apache as &Logs,
            Server::Mail(_, login) => return login.requests().iter().map(mail_page).collect(),
            Server::Socket(_, seen) => return seen.borrow().clone(),
        };
        let log = logs.log("seen.log").replace("=-\n", "=\n");
        let end = format!("\n{END}\n");
        // What stands behind the last end is not whole.
        let mut pages: Vec<_> = log.split(&end).collect();
        pages.pop();
        pages.iter().map(|page| Vars::new(page.as_bytes())).collect()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, connections: usize) {
        wait_until("connections in the log", || {
            (self.seen().len() >= connections).then_some(())
        });
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
        let logs = match &mut self.server {
            Server::Nginx(nginx) | Server::Mail(nginx, _) => {
                nginx.quit();
                &**nginx as &Logs
            }
            Server::Apache(apache) => {
                apache.stop();
                apache as &Logs
            }
            Server::Socket(..) => return Vec::new(),
        };
        logs.error_log().lines().filter(|line| is_complaint(line)).map(str::to_owned).collect()
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
    let said = |level: &&str| {
        line.contains(&format!("[{level}] ")) || line.contains(&format!(":{level}] "))
    };
    loud.iter().any(|level| said(&level)) || line.contains("realpeer: refused")
}
