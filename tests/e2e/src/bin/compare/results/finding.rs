//! All that a server finds out about a connection.

use std::collections::BTreeMap;

use realpeer_e2e::{Refusal, TLVS, Vars};
use realpeer_testdata::Vector;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The result.
    pub word: String,
    /// None where the connection was refused.
    pub served: Option<Served>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub version: String,
    /// `ADDRESS PORT`, a blank where there is none: as in the header.
    pub client: String,
    pub server: String,
    /// TLVs by their names.
    pub tlvs: BTreeMap<String, String>,
}

impl Finding {
    /// What a vector says that there is to be found.
    pub fn wanted(vector: &Vector) -> Self {
        if vector.is_refused() {
            return Self { word: vector.expect.clone(), served: None };
        }
        if vector.expect == "more" {
            let word = if vector.bytes.is_empty() { "silent" } else { "truncated" };
            return Self { word: word.into(), served: None };
        }
        let end = |address: Option<std::net::SocketAddr>| match address {
            Some(address) if vector.expect == "proxy" => {
                format!("{} {}", address.ip().to_canonical(), address.port())
            }
            _ => " ".to_owned(),
        };
        let version = if vector.bytes.starts_with(b"PROXY") { "1" } else { "2" };
        let known = |name: &String| TLVS.iter().any(|(have, ..)| have == name);
        let tlvs = vector.fields.iter().filter(|(name, text)| known(name) && !text.is_empty());
        Self {
            word: vector.expect.clone(),
            served: Some(Served {
                version: version.into(),
                client: end(vector.source),
                server: end(vector.destination),
                tlvs: tlvs.map(|(name, text)| (name.clone(), text.clone())).collect(),
            }),
        }
    }

    pub fn refused(refusal: &Refusal) -> Self {
        Self { word: refusal.result.clone(), served: None }
    }

    /// From a page; what it says by the way must fit: who the client is to all
    /// others that ask.
    pub fn served(page: &Vars, peer: &str) -> Self {
        let pair = |first, second| format!("{} {}", page.var(first), page.var(second));
        let word = page.var("result");
        let client = pair("addr", "port");
        let remote = if word == "proxy" { client.clone() } else { peer.to_owned() };
        let seen = pair("remote_addr", "remote_port");
        // nginx does not show port 0.
        let same = seen == remote || remote.strip_suffix('0') == Some(&*seen);
        let tlvs = TLVS.iter().map(|(name, ..)| ((*name).to_owned(), page.var(name)));
        Self {
            word: if same { word } else { format!("{word}, though the client is {seen}") },
            served: Some(Served {
                version: page.var("version"),
                client,
                server: pair("server_addr", "server_port"),
                tlvs: tlvs.filter(|(_, text)| !text.is_empty()).collect(),
            }),
        }
    }

    /// Whether this is what is wanted, with other TLVs perhaps, but not with
    /// those that must be absent.
    pub fn is(&self, wanted: &Self, absent: &[String]) -> bool {
        let (found, wanted_served) = match (&self.served, &wanted.served) {
            (Some(found), Some(wanted)) => (found, wanted),
            _ => return self == wanted,
        };
        let tlvs = wanted_served.tlvs.iter().all(|(name, text)| found.tlvs.get(name) == Some(text))
            && !absent.iter().any(|name| found.tlvs.contains_key(name));
        tlvs && Self {
            word: self.word.clone(),
            served: Some(Served { tlvs: wanted_served.tlvs.clone(), ..found.clone() }),
        } == *wanted
    }

    /// In a table.
    pub fn text(&self) -> String {
        match &self.served {
            None => format!("refused: `{}`", self.word),
            Some(served) if served.client == " " => format!("`{}`", self.word),
            Some(served) => format!("`{}` {}", self.word, served.client),
        }
    }
}
