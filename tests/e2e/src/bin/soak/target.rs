//! Where connections go: listeners of every kind, in three columns that are
//! counted apart.

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

/// What is counted apart: connections are shared out evenly among the three.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub targets: &'static [Target],
    /// Those on which a client that does everything right is looked for.
    pub visited: &'static [Target],
}

pub type Columns = &'static [Column; 3];

pub static NGINX: [Column; 3] = [
    Column {
        name: "http",
        targets: &[Target::Http, Target::Https, Target::HttpWide],
        visited: &[Target::Http, Target::Https],
    },
    Column {
        name: "stream",
        targets: &[
            Target::Stream,
            Target::StreamTls,
            Target::StreamPreread,
            Target::StreamPass,
            Target::StreamTlsPass,
            Target::StreamWide,
        ],
        visited: &[Target::Stream, Target::StreamTls],
    },
    Column {
        name: "mail",
        targets: &[Target::Pop3, Target::Smtp, Target::ImapTls, Target::Pop3Wide],
        visited: &[Target::Pop3],
    },
];

/// Without HTTP/2: mod_http2 of httpd 2.4.71 crashes by itself, with no module of
/// ours, at clients that leave while their requests are under way.
pub static APACHE: [Column; 3] = [
    Column { name: "http", targets: &[Target::Http], visited: &[Target::Http] },
    Column { name: "https", targets: &[Target::Https], visited: &[Target::Https] },
    Column { name: "wide", targets: &[Target::HttpWide], visited: &[Target::Http] },
];

/// Which column a target belongs to.
pub fn column_of(columns: Columns, target: Target) -> usize {
    let found = columns.iter().position(|column| column.targets.contains(&target));
    found.expect("one of all targets")
}
