//! Listeners of one family, clients of another: what a header says of an IPv6
//! client comes to an IPv4 listener, to a Unix socket, and the other way round.
//! What nginx writes to its backends stays a valid header with that client in it,
//! and everything else says something true.
//!
//! Each pair of listener and header is a row of [`ROWS`].

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use realpeer::{Limits, Progress, canonical, parse};
use realpeer_e2e::{
    ApacheSite, AuthHttp, Authority, Client, Dialogue, FastCgi, MailBackend, MailProtocol, Mpm,
    Nginx, PATIENCE, Response, Site, TlsClient, Upstream, V2, Which, get_on_unix_socket, location,
    on_each_nginx, v1, wait_until,
};

use Listen::{Any, Ipv4, Ipv6, Mapped, Unix};

/// Where a connection comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listen {
    Ipv4,
    Ipv6,
    /// `[::]`, for both families.
    Any,
    /// An IPv4 address on a socket of IPv6.
    Mapped,
    Unix,
}

/// What the client is by a header, and what the next server is told.
struct Row {
    /// What came, source and destination; nothing: a LOCAL header.
    header: Option<[&'static str; 2]>,
    /// The client that everything sees; nothing: the peer.
    client: Option<&'static str>,
    /// What nginx's own sender writes. `PEER` stands for the peer's
    /// port, `PORT` for the listener's.
    sent: &'static [(&'static [Listen], &'static str)],
}

const ALL: &[Listen] = &[Ipv4, Ipv6, Any, Mapped, Unix];
const V4: &str = "203.0.113.7";
const V6: &str = "2001:db8::7";

const ROWS: &[Row] = &[
    // What nginx writes by itself stays where it is a line: with its own end.
    Row {
        header: Some(["203.0.113.7:4321", "198.51.100.1:443"]),
        client: Some(V4),
        sent: &[
            (&[Ipv4], "TCP4 203.0.113.7 127.0.0.1 4321 PORT"),
            (&[Ipv6, Any, Mapped, Unix], "TCP4 203.0.113.7 198.51.100.1 4321 443"),
        ],
    },
    Row {
        header: Some(["[2001:db8::7]:4321", "[2001:db8::1]:443"]),
        client: Some(V6),
        sent: &[
            (&[Ipv6], "TCP6 2001:db8::7 ::1 4321 PORT"),
            (&[Ipv4, Any, Mapped, Unix], "TCP6 2001:db8::7 2001:db8::1 4321 443"),
        ],
    },
    Row {
        header: Some(["[::ffff:203.0.113.7]:4321", "[::ffff:198.51.100.1]:443"]),
        client: Some(V4),
        sent: &[
            (&[Ipv4], "TCP4 203.0.113.7 127.0.0.1 4321 PORT"),
            (&[Ipv6, Any, Mapped, Unix], "TCP4 203.0.113.7 198.51.100.1 4321 443"),
        ],
    },
    // Destinations that are not of the client's family: nginx's own address, if
    // that is, or else both as IPv6.
    Row {
        header: Some(["[::ffff:203.0.113.7]:4321", "[2001:db8::1]:443"]),
        client: Some(V4),
        sent: &[
            (&[Ipv4, Any, Mapped], "TCP4 203.0.113.7 127.0.0.1 4321 PORT"),
            (&[Ipv6, Unix], "TCP6 ::ffff:203.0.113.7 2001:db8::1 4321 443"),
        ],
    },
    Row {
        header: Some(["[2001:db8::7]:4321", "[::ffff:198.51.100.1]:443"]),
        client: Some(V6),
        sent: &[
            (&[Ipv6], "TCP6 2001:db8::7 ::1 4321 PORT"),
            (&[Ipv4, Any, Mapped, Unix], "TCP6 2001:db8::7 ::ffff:198.51.100.1 4321 443"),
        ],
    },
    // Destinations that are none: nginx would put the socket's address there.
    Row {
        header: Some(["203.0.113.7:4321", "0.0.0.0:443"]),
        client: Some(V4),
        sent: &[
            (&[Ipv4, Any, Mapped], "TCP4 203.0.113.7 127.0.0.1 4321 PORT"),
            (&[Ipv6], "TCP6 ::ffff:203.0.113.7 ::1 4321 PORT"),
            (&[Unix], "TCP6 ::ffff:203.0.113.7 ::ffff:0.0.0.0 4321 443"),
        ],
    },
    Row {
        header: Some(["[2001:db8::7]:4321", "[::]:443"]),
        client: Some(V6),
        sent: &[
            (&[Ipv6], "TCP6 2001:db8::7 ::1 4321 PORT"),
            (&[Ipv4, Any, Mapped], "TCP6 2001:db8::7 ::ffff:127.0.0.1 4321 PORT"),
            (&[Unix], "TCP6 2001:db8::7 ::ffff:0.0.0.0 4321 443"),
        ],
    },
    // Nothing is replaced, and nginx writes what it always does.
    Row {
        header: None,
        client: None,
        sent: &[
            (&[Ipv4], "TCP4 127.0.0.1 127.0.0.1 PEER PORT"),
            (&[Ipv6], "TCP6 ::1 ::1 PEER PORT"),
            (&[Any, Mapped], "TCP6 ::ffff:127.0.0.1 ::ffff:127.0.0.1 PEER PORT"),
            (&[Unix], "UNKNOWN"),
        ],
    },
];

impl Row {
    fn bytes(&self) -> Vec<u8> {
        match self.header {
            Some([source, target]) => v1(source, target),
            None => V2::local().build(),
        }
    }

    fn sent(&self, listener: &Listener, peer: Option<SocketAddr>) -> String {
        let found = self.sent.iter().find(|(listens, _)| listens.contains(&listener.listen));
        let (_, line) = found.expect("a line for each listener");
        let peer = peer.map(|peer| peer.port().to_string()).unwrap_or_default();
        format!("PROXY {line}").replace("PEER", &peer).replace("PORT", &listener.port.to_string())
    }

    /// As `$remote_addr` has it.
    fn remote_addr(&self, listener: &Listener) -> &'static str {
        self.client.unwrap_or(match listener.listen {
            Ipv4 => "127.0.0.1",
            Ipv6 => "::1",
            Any | Mapped => "::ffff:127.0.0.1",
            Unix => "unix:",
        })
    }

    /// As `$remote_port` has it.
    fn remote_port(&self, peer: Option<SocketAddr>) -> String {
        match self.client {
            Some(_) => "4321".into(),
            None => peer.map(|peer| peer.port().to_string()).unwrap_or_default(),
        }
    }
}

/// One that a server has.
struct Listener {
    listen: Listen,
    port: u16,
    socket: PathBuf,
}

impl Listener {
    /// One of each kind that this machine has.
    fn of_each(site: &mut Site) -> Vec<Self> {
        let each = ALL.iter().filter(|listen| **listen != Ipv6 || has_ipv6());
        each.map(|listen| Self::new(site, *listen)).collect()
    }

    fn new(site: &mut Site, listen: Listen) -> Self {
        // A port that is claimed has to be listened on.
        let port = if listen == Unix { 0 } else { site.port() };
        Self { listen, port, socket: site.dir().join("front.sock") }
    }

    fn directive(&self, words: &str) -> String {
        let port = self.port;
        match self.listen {
            Ipv4 => format!("listen 127.0.0.1:{port} {words}; "),
            Ipv6 => format!("listen [::1]:{port} {words}; "),
            Any => format!("listen [::]:{port} ipv6only=off {words}; "),
            Mapped => format!("listen [::ffff:127.0.0.1]:{port} ipv6only=off {words}; "),
            Unix => format!("listen unix:{} {words}; ", self.socket.display()),
        }
    }

    fn connect(&self) -> Wire {
        match self.listen {
            Ipv6 => Wire::Tcp(Client::from("::1", self.port)),
            Ipv4 | Any | Mapped => Wire::Tcp(Client::connect(self.port)),
            Unix => Wire::unix(&self.socket),
        }
    }

    /// As `$server_addr` has it.
    fn server_addr(&self) -> String {
        match self.listen {
            Ipv4 => "127.0.0.1".into(),
            Ipv6 => "::1".into(),
            Any | Mapped => "::ffff:127.0.0.1".into(),
            Unix => format!("unix:{}", self.socket.display()),
        }
    }

    /// As `$server_port` has it.
    fn server_port(&self) -> String {
        if self.listen == Unix { String::new() } else { self.port.to_string() }
    }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

/// A connection of either kind.
enum Wire {
    Tcp(Client),
    Unix(UnixStream),
}

impl Wire {
    fn unix(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a listener");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self::Unix(stream)
    }

    fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(client) => Some(client.local()),
            Self::Unix(_) => None,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(client) => client.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(client) => client.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A backend that tells the first line of each connection, and closes.
fn lines() -> (Upstream, Receiver<String>) {
    let (tell, told) = channel();
    let upstream = Upstream::start(move |mut stream| {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && matches!(stream.read(&mut byte), Ok(1)) {
            line.push(byte[0]);
        }
        let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
    });
    (upstream, told)
}

/// Whether the line is one for a strict receiver, and what it says of the client.
fn check(line: &str, row: &Row, seen: &str) -> Result<(), String> {
    let header = match parse(line.as_bytes(), &Limits::default()) {
        Ok(Progress::Done(header)) => header,
        other => return Err(format!("{seen}: {other:?}")),
    };
    let said = header.source().map(|source| canonical(source).ip());
    let client = row.client.map(|client| client.parse::<IpAddr>().expect("an address"));
    if client.is_some() && said != client {
        return Err(format!("{seen}: {said:?} instead of {client:?}"));
    }
    Ok(())
}

/// Fails with all that is wrong, rather than with the first of it.
fn must_be_empty(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn each_pair(listeners: &[Listener]) -> impl Iterator<Item = (&Listener, &Row)> {
    listeners.iter().flat_map(|listener| ROWS.iter().map(move |row| (listener, row)))
}

fn named(listener: &Listener, row: &Row) -> String {
    format!(
        "{:?} at {:?}",
        row.header.map_or("LOCAL".into(), |both| both.join(" to ")),
        listener.listen
    )
}

/// What one log line of these tests consists of.
fn wait_for_line(nginx: &Nginx, log: &str, number: usize) -> String {
    wait_until("a line of a log", || nginx.log(log).lines().nth(number).map(str::to_owned))
}

on_each_nginx! {
    /// And what that server says of itself meanwhile.
    fn stream_sends_on_a_valid_line_for_each_pair(which) {
        let (upstream, told) = lines();
        let mut site = Site::new(which);
        let log = site.dir().join("pairs.log").display().to_string();
        let listeners = Listener::of_each(&mut site);
        let listen: String = listeners.iter().map(|listener| listener.directive("")).collect();
        site.stream(format!(
            "geo $place {{ default peer; 203.0.113.7 four; 2001:db8::/32 six; }}
             map $binary_remote_addr $width {{ default none; '~^.{{4}}$' 4; '~^.{{16}}$' 16; }}
             log_format pairs '$remote_addr $remote_port $server_addr $server_port $place $width';
             server {{ {listen} realpeer require all; access_log {log} pairs;
                       allow 203.0.113.7; allow 2001:db8::/32; allow 127.0.0.0/8; allow ::1;
                       allow unix:; deny all;
                       proxy_protocol on; proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let nginx = site.start();
        let mut faults = Vec::new();
        for (number, (listener, row)) in each_pair(&listeners).enumerate() {
            let seen = named(listener, row);
            let mut wire = listener.connect();
            let peer = wire.local();
            wire.write_all(&row.bytes()).expect("a server that reads");
            let line = told.recv_timeout(PATIENCE).expect("a line");
            faults.extend(check(&line, row, &seen).err());
            let wanted = row.sent(listener, peer);
            if line.trim_end() != wanted {
                faults.push(format!("{seen}: {:?} instead of {wanted:?}", line.trim_end()));
            }
            drop(wire);
            let logged = wait_for_line(&nginx, "pairs.log", number);
            let (place, width) = match row.client {
                Some(V4) => ("four", "4"),
                Some(_) => ("six", "16"),
                None => ("peer", match listener.listen {
                    Ipv4 => "4",
                    Unix => "none",
                    Ipv6 | Any | Mapped => "16",
                }),
            };
            let wanted = format!(
                "{} {} {} {} {place} {width}",
                row.remote_addr(listener), row.remote_port(peer),
                listener.server_addr(), listener.server_port(),
            );
            if logged != wanted {
                faults.push(format!("{seen}: logged {logged:?} instead of {wanted:?}"));
            }
        }
        must_be_empty(&faults);
    }

    /// The header before TLS towards the backend is written in another place.
    fn stream_sends_on_a_valid_line_before_tls(which) {
        let (upstream, told) = lines();
        let mut site = Site::new(which);
        let listeners = Listener::of_each(&mut site);
        let listen: String = listeners.iter().map(|listener| listener.directive("")).collect();
        site.stream(format!(
            "server {{ {listen} realpeer require all; proxy_protocol on; proxy_ssl on;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let _nginx = site.start();
        let mut faults = Vec::new();
        for (listener, row) in each_pair(&listeners) {
            let mut wire = listener.connect();
            let peer = wire.local();
            wire.write_all(&row.bytes()).expect("a server that reads");
            let line = told.recv_timeout(PATIENCE).expect("a line");
            if line.trim_end() != row.sent(listener, peer) {
                faults.push(format!("{}: {line:?}", named(listener, row)));
            }
        }
        must_be_empty(&faults);
    }

    fn mail_sends_on_a_valid_line_for_each_pair(which) {
        let backend = MailBackend::start(MailProtocol::Smtp);
        let auth = AuthHttp::passing_to(backend.port());
        let mut site = Site::new(which);
        let listeners = Listener::of_each(&mut site);
        let servers: String = listeners
            .iter()
            .map(|listener| format!("server {{ {} protocol smtp; }}\n", listener.directive("")))
            .collect();
        site.mail(format!(
            "{} server_name mail.example; realpeer require all; proxy_protocol on; {servers}",
            auth.directive()
        ));
        let _nginx = site.start();
        let mut faults = Vec::new();
        for (listener, row) in each_pair(&listeners) {
            let seen = named(listener, row);
            let mut wire = listener.connect();
            let peer = wire.local();
            wire.write_all(&row.bytes()).expect("a server that reads");
            let mut dialogue = Dialogue::over(wire);
            assert!(dialogue.line().starts_with("220 "), "no greeting");
            assert!(dialogue.say("EHLO visitor.example").starts_with("250"), "no welcome");
            // "a" with the password "b".
            assert!(dialogue.say("AUTH PLAIN AGEAYg==").starts_with("235"), "not let in");
            let lines = backend.lines();
            let line = lines.iter().rfind(|line| line.starts_with("PROXY ")).expect("a line");
            faults.extend(check(&format!("{line}\r\n"), row, &seen).err());
            let wanted = row.sent(listener, peer);
            if *line != wanted {
                faults.push(format!("{seen}: {line:?} instead of {wanted:?}"));
            }
            let asked = auth.requests().pop().expect("a question");
            if asked.header("client-ip") != Some(row.remote_addr(listener)) {
                faults.push(format!("{seen}: asked for {:?}", asked.header("client-ip")));
            }
        }
        must_be_empty(&faults);
    }

    /// A mail session that ends before it has begun leaves nothing to be changed.
    fn mail_that_ends_with_its_header_is_only_closed(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let certificate = site.certificate(&authority);
        let listener = Listener::new(&mut site, Ipv4);
        site.mail(format!(
            "{} server_name mail.example; realpeer require all; proxy_protocol on; {certificate}
             server {{ {} protocol smtp; }}",
            AuthHttp::refusing().directive(), listener.directive("ssl")
        ));
        let nginx = site.start();
        for row in ROWS {
            let mut client = Client::connect(listener.port);
            client.send([&row.bytes()[..], b"no handshake at all\r\n"].concat()).finish();
            client.ending();
        }
        assert_eq!(nginx.workers().len(), 1);
        assert_eq!(nginx.refusals(), []);
    }

    fn http_says_what_is_true_for_each_pair(which) {
        let responder = FastCgi::start();
        let mut site = Site::new(which);
        let listeners = Listener::of_each(&mut site);
        let listen: String = listeners.iter().map(|listener| listener.directive("")).collect();
        let names = ["remote_addr", "remote_port", "server_addr", "server_port",
                     "realpeer_server_addr", "realpeer_server_port", "place"];
        let page = location("/", &names);
        site.http(format!(
            "geo $place {{ default peer; 203.0.113.7 four; 2001:db8::/32 six; }}
             server {{ {listen} realpeer require all; {page}
                       location /private {{ allow 203.0.113.7; allow 2001:db8::/32; deny all;
                                            root /nowhere; }}
                       location /fastcgi {{
                           fastcgi_pass 127.0.0.1:{};
                           fastcgi_param REMOTE_ADDR $remote_addr;
                           fastcgi_param REMOTE_PORT $remote_port;
                           fastcgi_param SERVER_ADDR $server_addr;
                           fastcgi_param SERVER_PORT $server_port; }} }}",
            responder.port()
        ));
        let nginx = site.start();
        let mut faults = Vec::new();
        for (listener, row) in each_pair(&listeners) {
            let seen = named(listener, row);
            let mut wire = listener.connect();
            let peer = wire.local();
            wire.write_all(&row.bytes()).expect("a server that reads");
            let own = [
                row.remote_addr(listener).to_owned(), row.remote_port(peer),
                listener.server_addr(), listener.server_port(),
            ];
            let page = get(&mut wire, "/");
            let said = ["remote_addr", "remote_port", "server_addr", "server_port"]
                .map(|name| page.var(name));
            if said != own {
                faults.push(format!("{seen}: {said:?} instead of {own:?}"));
            }
            let place = match row.client { Some(V4) => "four", Some(_) => "six", None => "peer" };
            if page.var("place") != place {
                faults.push(format!("{seen}: geo says {}", page.var("place")));
            }
            // The destination is the header's, whatever the listener is.
            let target = row.header.map_or((String::new(), String::new()), |[_, target]| {
                let target = canonical(target.parse().expect("an address"));
                (target.ip().to_string(), target.port().to_string())
            });
            let said = (page.var("realpeer_server_addr"), page.var("realpeer_server_port"));
            if said != target {
                faults.push(format!("{seen}: {said:?} instead of {target:?}"));
            }
            let script = get(&mut wire, "/fastcgi");
            let said = ["REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR", "SERVER_PORT"]
                .map(|name| script.var(name));
            if said != own {
                faults.push(format!("{seen}: FastCGI {said:?} instead of {own:?}"));
            }
            let allowed = if row.client.is_some() { 404 } else { 403 };
            let status = get(&mut wire, "/private").status;
            if status != allowed {
                faults.push(format!("{seen}: {status} instead of {allowed}"));
            }
        }
        must_be_empty(&faults);
        assert_eq!(nginx.refusals(), []);
    }

    /// Stream sees where TLS is to go, http ends it, and both are nginx.
    fn two_nginx_in_a_row_serve_visitors_of_both_families(which) {
        let authority = Authority::new();
        let mut site = Site::new(which);
        let certificate = site.certificate(&authority);
        let socket = site.dir().join("http.sock").display().to_string();
        let fronts = [Listener::new(&mut site, Ipv4), Listener::new(&mut site, Any)];
        let listen: String = fronts.iter().map(|front| front.directive("")).collect();
        site.stream(format!(
            "server {{ {listen} realpeer require 127.0.0.1; ssl_preread on;
                       proxy_protocol on; proxy_pass unix:{socket}; }}"
        ));
        let page = location("/", &["remote_addr", "remote_port", "realpeer_server_addr", "realpeer_server_port"]);
        site.http(format!(
            "server {{ listen unix:{socket} ssl; {certificate} realpeer require unix:; {page} }}"
        ));
        let nginx = site.start();
        for front in &fronts {
            for (from, to) in [
                ("[2001:db8::7]:4321", "[2001:db8::1]:443"),
                ("203.0.113.7:4321", "198.51.100.1:443"),
            ] {
                for header in [v1(from, to), V2::proxy(from, to).build()] {
                    let client = Client::connect(front.port);
                    let answer = TlsClient::fused(client, &authority, &header).get("/");
                    let [from, to]: [SocketAddr; 2] =
                        [from, to].map(|end| end.parse().expect("an address"));
                    assert_eq!(answer.var("remote_addr"), from.ip().to_string());
                    assert_eq!(answer.var("remote_port"), "4321");
                    // nginx's own end, where it is of the client's family.
                    let own = front.listen == Ipv4 && from.is_ipv4();
                    let to = if own { ([127, 0, 0, 1], front.port).into() } else { to };
                    assert_eq!(answer.var("realpeer_server_addr"), to.ip().to_string());
                    assert_eq!(answer.var("realpeer_server_port"), to.port().to_string());
                }
            }
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// As docs/troubleshooting.md says of `bad_v1`: the first of the two is stock.
    fn stock_nginx_in_the_row_is_refused_with_the_line_that_it_wrote(which) {
        let mut back = Site::new(which);
        let backend = back.port();
        let page = location("/", &["remote_addr"]);
        back.http(format!(
            "server {{ listen 127.0.0.1:{backend}; realpeer require 127.0.0.1; {page} }}"
        ));
        let back = back.start();
        let mut front = Site::native(which);
        let port = front.port();
        front.stream(format!(
            "server {{ listen 127.0.0.1:{port} proxy_protocol; set_real_ip_from 127.0.0.0/8;
                       proxy_protocol on; proxy_pass 127.0.0.1:{backend}; }}"
        ));
        let _front = front.start();
        Client::connect(port)
            .send(v1("[2001:db8::7]:4321", "[2001:db8::1]:443"))
            .send("GET / HTTP/1.0\r\n\r\n")
            .must_be_closed();
        let line = back.wait_for_error("realpeer: refused bad_v1 ");
        let written = "first bytes: \"PROXY TCP6 2001:db8::7 127.0.0.1 4321 ";
        assert!(line.contains(written), "{line}");
    }

    /// A Unix socket on the way in as well.
    fn a_unix_listener_that_relays_gives_the_client(which) {
        let mut site = Site::new(which);
        let front = Listener::new(&mut site, Unix);
        let back = Listener { socket: site.dir().join("back.sock"), ..Listener::new(&mut site, Unix) };
        site.stream(format!(
            "server {{ {} realpeer require unix:; proxy_protocol on; proxy_pass unix:{}; }}",
            front.directive(""), back.socket.display()
        ));
        let page = location("/", &["remote_addr", "remote_port"]);
        site.http(format!("server {{ {} realpeer require unix:; {page} }}", back.directive("")));
        let nginx = site.start();
        for (header, client) in [
            (v1("203.0.113.7:4321", "198.51.100.1:443"), V4),
            (v1("[2001:db8::7]:4321", "[2001:db8::1]:443"), V6),
        ] {
            let answer = get_on_unix_socket(&front.socket, &header, "/");
            assert_eq!(answer.var("remote_addr"), client);
            assert_eq!(answer.var("remote_port"), "4321");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// A limit counts one client once, however the header wrote its address.
    fn limit_conn_counts_a_client_of_each_writing_once(which) {
        let upstream = Upstream::mirror();
        let mut site = Site::new(which);
        let listeners = Listener::of_each(&mut site);
        let listen: String = listeners.iter().map(|listener| listener.directive("")).collect();
        site.stream(format!(
            "limit_conn_zone $binary_remote_addr zone=clients:1m;
             server {{ {listen} realpeer require all; limit_conn clients 1; proxy_protocol on;
                       proxy_pass 127.0.0.1:{}; }}",
            upstream.port()
        ));
        let _nginx = site.start();
        for listener in &listeners {
            let four = ROWS.iter().filter(|row| row.client == Some(V4));
            let mut first = None;
            for row in four {
                let mut wire = listener.connect();
                wire.write_all(&row.bytes()).expect("a server that reads");
                let answered = matches!(wire.read(&mut [0; 6]), Ok(1..));
                assert_eq!(answered, first.is_none(), "{}", named(listener, row));
                first.get_or_insert(wire);
            }
            drop(first);
            // nginx has seen the end when the next one has room.
            wait_until("room for the client", || {
                let mut wire = listener.connect();
                wire.write_all(&ROWS[0].bytes()).expect("a server that reads");
                matches!(wire.read(&mut [0; 6]), Ok(1..)).then_some(())
            });
        }
    }

    fn a_listener_that_can_only_write_unknown_is_warned_of(which) {
        let warnings = |policy: &str, listen: &str, directives: &str| {
            let mut site = Site::new(which);
            let port = site.port();
            let listen = listen
                .replace("UNIX", &format!("unix:{}", site.dir().join("a.sock").display()))
                .replace("PORT", &port.to_string());
            let auth = AuthHttp::refusing().directive();
            site.stream(format!("server {{ listen {listen};\nrealpeer {policy};\n{directives}\nproxy_pass 127.0.0.1:1; }}"));
            let stream = site.check();
            site.clear(realpeer_e2e::Subsystem::Stream);
            site.mail(format!("{auth} server_name a; server {{ protocol smtp; listen {listen};\nrealpeer {policy};\n{directives} }}"));
            let mail = site.check();
            assert!(stream.passed && mail.passed, "{stream:?} {mail:?}");
            assert_eq!(stream.of_level("warn"), mail.of_level("warn"));
            stream.of_level("warn").into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        for policy in ["direct", "strip"] {
            assert_eq!(
                warnings(&format!("{policy} unix:"), "UNIX", "proxy_protocol on;"),
                [format!(
                    "\"proxy_protocol\" can only write \"PROXY UNKNOWN\" for connections to \
                     unix:a.sock, which \"realpeer {policy}\" gives no client in nginx.conf:3"
                )]
            );
        }
        for (policy, listen, directives) in [
            ("require unix:", "UNIX", "proxy_protocol on;"),
            ("optional all", "UNIX", "proxy_protocol on;"),
            ("refuse unix:", "UNIX", "proxy_protocol on;"),
            ("require 127.0.0.1", "UNIX", "proxy_protocol on;"),
            ("direct unix:", "UNIX", ""),
            ("direct unix:", "UNIX", "proxy_protocol off;"),
            ("direct all", "127.0.0.1:PORT", "proxy_protocol on;"),
        ] {
            let none: [String; 0] = [];
            assert_eq!(warnings(policy, listen, directives), none, "{policy} {listen} {directives}");
        }
    }
}

/// A connection that stream has passed on to another listener, twice: each time the
/// local end is another one, and what is sent names what the header has. `pass` is
/// younger than Debian's nginx.
#[test]
fn what_stream_passes_on_is_sent_on_as_the_header_has_it() {
    let (upstream, told) = lines();
    let mut site = Site::new(Which::Built);
    let log = site.dir().join("passed.log").display().to_string();
    let front = Listener::new(&mut site, Ipv4);
    let [middle, last] =
        ["middle.sock", "last.sock"].map(|name| site.dir().join(name).display().to_string());
    site.stream(format!(
        "log_format own '$remote_addr $remote_port $server_addr';
         proxy_protocol on; access_log {log} own;
         server {{ {} realpeer require all; pass unix:{middle}; }}
         server {{ listen unix:{middle}; pass unix:{last}; }}
         server {{ listen unix:{last}; proxy_pass 127.0.0.1:{}; }}",
        front.directive(""),
        upstream.port()
    ));
    let nginx = site.start();
    let mut faults = Vec::new();
    for (number, row) in ROWS.iter().filter(|row| row.header.is_some()).enumerate() {
        let mut wire = front.connect();
        wire.write_all(&row.bytes()).expect("a server that reads");
        let line = told.recv_timeout(PATIENCE).expect("a line");
        drop(wire);
        // As on a Unix socket, which the last one is.
        let at = Listener { listen: Unix, port: 0, socket: PathBuf::new() };
        if line.trim_end() != row.sent(&at, None) {
            faults.push(format!("{}: {line:?}", named(&at, row)));
        }
        let logged = wait_for_line(&nginx, "passed.log", number);
        let wanted = format!("{} 4321 unix:{last}", row.remote_addr(&at));
        if logged != wanted {
            faults.push(format!("{}: logged {logged:?} instead of {wanted:?}", named(&at, row)));
        }
    }
    must_be_empty(&faults);
}

/// Asks on a connection of either kind.
fn get(wire: &mut Wire, path: &str) -> Response {
    wire.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
        .expect("a server that reads");
    Response::read(wire)
}

/// The same rows in Apache, which has no Unix sockets, and sends no header of its
/// own. What it says does not depend on how it waits, so one module does.
#[test]
fn apache_says_what_is_true_for_each_pair() {
    let responder = FastCgi::start();
    let mut site = ApacheSite::new(Mpm::Event);
    site.cgi();
    site.load("proxy");
    site.load("proxy_fcgi");
    site.load("proxy_http");
    let echo = Upstream::echo();
    let [four, any] = [site.port(), site.port()];
    let six = has_ipv6().then(|| site.port());
    if let Some(six) = six {
        site.config(format!("Listen [::1]:{six}"));
    }
    let log = site.dir().join("pairs.log").display().to_string();
    site.config(format!(
        "Listen 127.0.0.1:{four}\nListen [::]:{any}\nRealPeer require all\n\
         LogFormat \"%a %{{c}}a %h %{{remote}}p %A %{{local}}p\" pairs\nCustomLog {log} pairs\n\
         ProxyPass /fastcgi fcgi://127.0.0.1:{}/\nProxyPass /http http://127.0.0.1:{}/\n\
         <Location /private>\nRequire ip {V4} 2001:db8::/32\n</Location>",
        responder.port(),
        echo.port(),
    ));
    let apache = site.start();
    let listeners = [(Ipv4, Some(four)), (Any, Some(any)), (Ipv6, six)];
    let mut faults = Vec::new();
    let mut number = 0;
    for (listen, port) in listeners {
        let Some(port) = port else { continue };
        for row in ROWS {
            let listener = Listener { listen, port, socket: PathBuf::new() };
            let seen = named(&listener, row);
            let mut wire = listener.connect();
            let peer = wire.local();
            wire.write_all(&row.bytes()).expect("a server that reads");
            // Apache unmaps by itself what comes to its socket of both families.
            let unmapped = |ip: &str| ip.trim_start_matches("::ffff:").to_owned();
            let client = unmapped(row.remote_addr(&listener));
            let own = [client.clone(), row.remote_port(peer), unmapped(&listener.server_addr())];
            for path in ["/cgi/env", "/fastcgi"] {
                let script = get(&mut wire, path);
                let said =
                    ["REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR"].map(|name| script.var(name));
                if said != own {
                    faults.push(format!("{seen}: {path} {said:?} instead of {own:?}"));
                }
            }
            let forwarded = get(&mut wire, "/http/").text();
            if !forwarded.contains(&format!("X-Forwarded-For: {client}\r\n")) {
                faults.push(format!("{seen}: {forwarded:?}"));
            }
            let allowed = if row.client.is_some() { 404 } else { 403 };
            let status = get(&mut wire, "/private").status;
            if status != allowed {
                faults.push(format!("{seen}: {status} instead of {allowed}"));
            }
            drop(wire);
            let [_, client_port, server] = &own;
            let wanted = format!("{client} {client} {client} {client_port} {server} {port}");
            let logged = wait_until("four lines of a log", || {
                let log = apache.log("pairs.log");
                let lines: Vec<_> = log.lines().skip(number).map(str::to_owned).collect();
                (lines.len() == 4).then_some(lines)
            });
            number += 4;
            if logged.iter().any(|line| *line != wanted) {
                faults.push(format!("{seen}: logged {logged:?} instead of {wanted:?}"));
            }
        }
    }
    must_be_empty(&faults);
    assert_eq!(apache.refusals(), []);
}
