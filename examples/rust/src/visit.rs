//! What is kept of a decision as long as the connection lives.

use std::net::SocketAddr;

use realpeer::{Decision, TlvField, Tlvs, Version, canonical};

use crate::page;

/// Who is there. Unlike a [`Decision`] it does not borrow the header.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The client: as the header says, or whoever has connected.
    pub visitor: SocketAddr,
    /// The peer of the connection, if that is somebody else.
    pub balancer: Option<SocketAddr>,
    /// Our own end of it.
    pub here: SocketAddr,
    /// What there is to say of the header, by names.
    pub header: Vec<(&'static str, String)>,
}

impl Visit {
    /// A connection from `peer` to `here` that may go on.
    #[must_use]
    pub fn new(decision: &Decision<'_>, peer: SocketAddr, here: SocketAddr) -> Self {
        let mut rows = vec![("result", decision.outcome.name().to_owned())];
        if let Some(header) = decision.header {
            let version = match header.version() {
                Version::V1 => "1",
                Version::V2 => "2",
            };
            rows.push(("version", version.to_owned()));
            let named = TlvField::names().filter_map(|name| {
                let field = TlvField::from_name(name.as_bytes())?;
                Some((name, text(field, header.tlvs())?))
            });
            rows.extend(named);
            if header.checksum_verified() {
                rows.push(("CRC32c", "verified".to_owned()));
            }
        }
        let peer = canonical(peer);
        Visit {
            visitor: decision.client.unwrap_or(peer),
            balancer: decision.client.map(|_| peer),
            here: canonical(here),
            header: rows,
        }
    }

    /// The page, with what the server itself has to say at its end.
    #[must_use]
    pub fn page(&self, server: &str, request: &[(&'static str, String)]) -> String {
        page::page(self, server, request)
    }
}

/// The text of a field, if the header has it. It is without control characters.
fn text(field: TlvField, tlvs: Tlvs<'_>) -> Option<String> {
    let mut text = vec![0; field.text(tlvs, &mut [])?];
    field.text(tlvs, &mut text)?;
    String::from_utf8(text).ok()
}
