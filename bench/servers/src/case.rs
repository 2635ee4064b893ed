//! What is compared: ways to treat a header, and what connections do.

use realpeer_e2e::{V2, aws_header, v1};

use crate::load::Talk;

pub(crate) const VISITOR: &str = "192.0.2.7:4321";
pub(crate) const LISTENER: &str = "198.51.100.1:443";

/// What becomes of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// There is none, and nothing of the kind is set: the server alone.
    Bare,
    /// What the server comes with, and what makes of it the address of requests:
    /// `proxy_protocol` and realip in nginx, mod_remoteip in Apache.
    Native,
    Realpeer,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Native, Self::Realpeer];
}

/// A kind of header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    V1,
    V2,
    Aws,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Aws => "AWS",
        }
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::V1 => v1(VISITOR, LISTENER),
            Self::V2 => V2::proxy(VISITOR, LISTENER).build(),
            Self::Aws => aws_header(VISITOR, LISTENER),
        }
    }
}

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) talk: Talk,
    /// Whether the header comes in a segment of its own.
    pub(crate) apart: bool,
    pub(crate) stream: bool,
}

/// Requests of a connection that is kept alive.
pub(crate) const REQUESTS: usize = 100;

impl Case {
    pub(crate) const fn new(name: &'static str, talk: Talk, kind: Kind) -> Self {
        Self { name, kind, talk, apart: false, stream: matches!(talk, Talk::Bytes) }
    }

    const fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    pub(crate) fn tls(&self) -> bool {
        self.talk == Talk::Tls
    }

    /// What is sent in front.
    pub(crate) fn header(&self, way: Way) -> Vec<u8> {
        if way == Way::Bare { Vec::new() } else { self.kind.bytes() }
    }
}

pub(crate) const HTTP: [Case; 9] = [
    Case::new("http", Talk::Http(1), Kind::V1),
    Case::new("http", Talk::Http(1), Kind::V2),
    Case::new("http", Talk::Http(1), Kind::Aws),
    Case::new("http, header apart", Talk::Http(1), Kind::V1).apart(),
    Case::new("http, header apart", Talk::Http(1), Kind::V2).apart(),
    Case::new("http, 100 requests", Talk::Http(REQUESTS), Kind::V1),
    Case::new("http, 100 requests", Talk::Http(REQUESTS), Kind::V2),
    Case::new("https", Talk::Tls, Kind::V1),
    Case::new("https", Talk::Tls, Kind::V2),
];

pub(crate) const STREAM: [Case; 2] =
    [Case::new("stream", Talk::Bytes, Kind::V1), Case::new("stream", Talk::Bytes, Kind::V2)];
