//! The nginx under test: listeners of every kind, and a policy for each source.

use std::collections::BTreeMap;
use std::path::Path;

use realpeer_e2e::{
    AuthHttp, Authority, Nginx, PAGE, STREAM_PAGE, Site, Subsystem, Upstream, Watch, Which,
};

/// A listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Http,
    Https,
    /// With limits of its own: long headers, no v1, an address must be named.
    HttpWide,
    Stream,
    StreamTls,
    /// Looks at the socket itself, and goes on to a server that is told the
    /// client by a header.
    StreamPreread,
    /// Passes the connection on to `http`, header read.
    StreamPass,
    /// Ends TLS, and passes on to `Http`, which finds the header within.
    StreamTlsPass,
    StreamWide,
    Pop3,
    Smtp,
    ImapTls,
    Pop3Wide,
}

impl Target {
    pub const ALL: [Self; 13] = [
        Self::Http,
        Self::Https,
        Self::HttpWide,
        Self::Stream,
        Self::StreamTls,
        Self::StreamPreread,
        Self::StreamPass,
        Self::StreamTlsPass,
        Self::StreamWide,
        Self::Pop3,
        Self::Smtp,
        Self::ImapTls,
        Self::Pop3Wide,
    ];

    pub fn subsystem(self) -> Subsystem {
        match self {
            Self::Http | Self::Https | Self::HttpWide => Subsystem::Http,
            Self::Pop3 | Self::Smtp | Self::ImapTls | Self::Pop3Wide => Subsystem::Mail,
            _ => Subsystem::Stream,
        }
    }

    /// Whether TLS comes behind the header.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::StreamTls | Self::ImapTls)
    }

    pub fn is_wide(self) -> bool {
        matches!(self, Self::HttpWide | Self::StreamWide | Self::Pop3Wide)
    }

    /// What gets an answer from it, and after which it closes.
    pub fn words(self) -> &'static [u8] {
        match self {
            Self::Http | Self::Https | Self::HttpWide | Self::StreamPass | Self::StreamTlsPass => {
                b"GET /?1 HTTP/1.1\r\nHost: a\r\n\r\n\
                  GET /?2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            }
            Self::Pop3 | Self::Pop3Wide => b"USER a\r\nPASS b\r\nQUIT\r\n",
            Self::Smtp => b"EHLO a\r\nAUTH PLAIN AGEAYg==\r\nQUIT\r\n",
            Self::ImapTls => b"a1 LOGIN a b\r\na2 LOGOUT\r\n",
            _ => b"words\r\n",
        }
    }
}

/// Who may do what: by the third byte of the source.
const POLICIES: &str = "realpeer require 127.0.1.0/24; realpeer optional 127.0.2.0/24; \
                        realpeer strip 127.0.3.0/24; realpeer direct 127.0.4.0/24; \
                        realpeer refuse 127.0.5.0/24;";

/// The sources 127.0.N.0/24, each with how often it connects, the last of them
/// with no policy.
pub const SOURCES: [(usize, u8); 6] = [(52, 1), (15, 2), (15, 3), (8, 4), (5, 5), (5, 6)];

const WIDE: &str = "realpeer_max_header 65551; realpeer_versions 2; \
                    realpeer_no_address refuse; realpeer_timeout 200ms;";

/// Where clients find it, and what is behind it.
#[derive(Debug)]
pub struct Server {
    pub authority: Authority,
    pub status: u16,
    ports: BTreeMap<Target, u16>,
    auth: AuthHttp,
    _behind: Upstream,
}

impl Server {
    pub fn start(watch: Watch, folder: &Path) -> (Nginx, Self) {
        let mut site = Site::new(Which::Built);
        site.watched(watch, folder);
        let authority = Authority::new();
        let certificate = site.certificate(&authority);
        let auth = AuthHttp::refusing();
        let behind = Upstream::mirror();
        let ports: BTreeMap<_, _> =
            Target::ALL.into_iter().map(|target| (target, site.port())).collect();
        let (status, inner) = (site.port(), site.port());
        let dir = site.dir().display().to_string();
        let fields = "$server_port $realpeer_result $realpeer_tlv_authority \
                      $realpeer_tlv_ssl_cn $realpeer_tlv_aws_vpce_id $realpeer_tlv_hex_0xEA";
        site.http(format!(
            "{POLICIES} realpeer_timeout 2s; log_format soak '{fields}';
             client_header_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
             send_timeout 1s;
             server {{ listen 127.0.0.1:{status}; realpeer off; access_log off; stub_status; }}
             server {{ listen 127.0.0.1:{inner}; realpeer off; access_log off; {PAGE} }}"
        ));
        site.stream(format!(
            "{POLICIES} realpeer_timeout 2s; log_format soak '{fields}';
             preread_timeout 1s; proxy_timeout 1s; ssl_handshake_timeout 1s;"
        ));
        site.mail(format!("{POLICIES} realpeer_timeout 2s; timeout 1s; {}", auth.directive()));
        let to = |target| ports[&target];
        for (target, port) in &ports {
            let ssl = if target.is_tls() || *target == Target::StreamTlsPass { "ssl" } else { "" };
            let tls = if ssl.is_empty() { "" } else { &certificate };
            let wide = if target.is_wide() { WIDE } else { "" };
            let log = match target.subsystem() {
                Subsystem::Mail => String::new(),
                subsystem => format!("access_log {dir}/soak.{} soak;", subsystem.name()),
            };
            let serve = match target {
                Target::Http | Target::Https | Target::HttpWide => PAGE.to_owned(),
                Target::Stream | Target::StreamTls | Target::StreamWide => STREAM_PAGE.to_owned(),
                Target::StreamPreread => format!(
                    "ssl_preread on; proxy_pass 127.0.0.1:{}; proxy_protocol on;",
                    behind.port()
                ),
                Target::StreamPass => format!("pass 127.0.0.1:{inner};"),
                Target::StreamTlsPass => {
                    format!("realpeer off; pass 127.0.0.1:{};", to(Target::Http))
                }
                Target::Pop3 | Target::Pop3Wide => "protocol pop3;".to_owned(),
                Target::Smtp => "protocol smtp;".to_owned(),
                Target::ImapTls => "protocol imap;".to_owned(),
            };
            site.block(
                target.subsystem(),
                format!("server {{ listen 127.0.0.1:{port} {ssl}; {tls} {log} {wide} {serve} }}"),
            );
        }
        let nginx = site.start();
        (nginx, Self { authority, status, ports, auth, _behind: behind })
    }

    /// How many logins mail has asked about.
    pub fn logins(&self) -> u64 {
        self.auth.requests().len() as u64
    }

    pub fn port(&self, target: Target) -> u16 {
        self.ports[&target]
    }

    /// Which subsystem listens there; the end of an `ADDRESS:PORT` will do.
    pub fn subsystem_of(&self, port: &str) -> Option<Subsystem> {
        let port: u16 = port.rsplit(':').next()?.parse().ok()?;
        let (target, _) = self.ports.iter().find(|(_, own)| **own == port)?;
        Some(target.subsystem())
    }
}
