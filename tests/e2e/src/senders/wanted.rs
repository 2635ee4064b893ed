//! What a server must have read from a sender, and whether it has.

use std::net::SocketAddr;

use super::visit::Visited;
use crate::page::Vars;

/// Whose address it is that the server takes for its client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// That of who connected to the sender, or whom the sender names.
    Visitors,
    /// The sender's own, named by its header.
    SendersNamed,
    /// The sender's own, as its header names nobody.
    Senders,
}

/// The value of a TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tlv {
    Is(&'static str),
    /// So many characters, of which any will do: they hang on ports and keys.
    Long(usize),
    /// Something.
    Some,
}

/// What must come of it.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// Every connection is served, and logged like this.
    Read(Read),
    /// There is no request, and no word about it either.
    Quiet,
    /// The header is wrong, for this reason.
    Refused(&'static str),
}

/// What must be read. A TLV that is not listed must not be there.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    pub result: &'static str,
    /// None where nothing was looked for.
    pub version: Option<&'static str>,
    pub client: Whose,
    pub tlvs: &'static [(&'static str, Tlv)],
}

/// What the servers are asked for; named as their variables are.
pub(super) const TLVS: [&str; 17] = [
    "alpn",
    "authority",
    "unique_id",
    "netns",
    "ssl_version",
    "ssl_cn",
    "ssl_cipher",
    "ssl_sig_alg",
    "ssl_key_alg",
    "ssl_group",
    "ssl_sig_scheme",
    "ssl_verified",
    "aws_vpce_id",
    "azure_link_id",
    "gcp_psc_id",
    // The checksum, and what each sender uses for something else.
    "hex_0x03",
    "hex_0xe0",
];

impl Wanted {
    pub(super) const fn v1(client: Whose) -> Self {
        Self::Read(Read::v1(client))
    }

    pub(super) const fn v2(client: Whose, tlvs: &'static [(&'static str, Tlv)]) -> Self {
        Self::Read(Read { version: Some("2"), tlvs, ..Read::v1(client) })
    }
}

impl Read {
    /// A sender that names nobody says LOCAL in version 2, and UNKNOWN in
    /// version 1.
    pub(super) const fn v1(client: Whose) -> Self {
        let result = if matches!(client, Whose::Senders) { "local" } else { "proxy" };
        Self { result, version: Some("1"), client, tlvs: &[] }
    }

    /// What is wrong with one connection as the server has logged it.
    pub(super) fn faults(&self, visited: &Visited, seen: &Vars) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |name: &str, wanted: &str| {
            // Mail tells its login server no more than the addresses.
            let Some(have) = seen.find(name) else { return };
            if have != wanted {
                faults.push(format!("{name} is {have:?} and not {wanted:?}"));
            }
        };
        must("result", self.result);
        must("version", self.version.unwrap_or_default());
        must("proxy_addr", &visited.sender);
        let own = socket(seen, "proxy_addr", "proxy_port");
        let client = match self.client {
            Whose::Visitors => visited.visitor.map(text),
            Whose::SendersNamed | Whose::Senders => own,
        };
        let named = (self.client != Whose::Senders).then_some(());
        if let Some([address, port]) = client {
            must("remote_addr", &address);
            must("remote_port", &port);
            must("addr", named.map_or("", |()| &address));
            must("port", named.map_or("", |()| &port));
        }
        if let (Some(listener), true) = (visited.listener, named.is_some()) {
            let [address, port] = text(listener);
            must("server_addr", &address);
            must("server_port", &port);
        }
        for name in TLVS {
            let Some(have) = seen.find(&format!("tlv_{name}")) else { continue };
            let tlv = self.tlvs.iter().find(|(wanted, _)| *wanted == name);
            let right = match tlv {
                Some((_, Tlv::Is(value))) => have == *value,
                Some((_, Tlv::Long(length))) => have.len() == *length,
                Some((_, Tlv::Some)) => !have.is_empty(),
                None => have.is_empty(),
            };
            if !right {
                faults.push(format!("TLV {name} is {have:?}, wanted {tlv:?}"));
            }
        }
        faults
    }
}

fn text(address: SocketAddr) -> [String; 2] {
    [address.ip().to_canonical().to_string(), address.port().to_string()]
}

fn socket(seen: &Vars, address: &str, port: &str) -> Option<[String; 2]> {
    Some([seen.find(address)?, seen.find(port)?])
}
