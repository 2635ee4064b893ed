//! A server for each place: both versions of nginx and Apache's three ways to
//! work, with http and https.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::TcpStream;

use realpeer_e2e::{
    Apache, ApacheSite, Authority, Ending, Logs, Mpm, Nginx, Refusal, Site, TLVS, Which, as_apache,
    wait_until,
};

use super::finding::Finding;
use crate::inputs::{Input, Limits};
use crate::talk::{Kind, PEER, Pace, said};

const KINDS: [Kind; 2] = [Kind::Http, Kind::Https];

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Nginx(Which),
    Apache(Mpm),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub program: Program,
    pub kind: Kind,
}

impl Place {
    pub fn all() -> impl Iterator<Item = Self> {
        let nginx = [Which::Debian, Which::Built].map(Program::Nginx);
        let programs = nginx.into_iter().chain(Mpm::ALL.map(Program::Apache));
        programs.flat_map(|program| KINDS.map(|kind| Self { program, kind }))
    }

    pub fn name(self) -> String {
        let program = match self.program {
            Program::Nginx(Which::Debian) => "nginx 1.22.1",
            Program::Nginx(Which::Built) => "nginx 1.28.3",
            Program::Apache(mpm) => return format!("Apache {}, {}", mpm.name(), self.kind.name()),
        };
        format!("{program}, {}", self.kind.name())
    }
}

/// What the pages say of a connection: a name, nginx's variable and Apache's.
const VARIABLES: [(&str, &str, &str); 9] = [
    ("remote_addr", "remote_addr", "REMOTE_ADDR"),
    ("remote_port", "remote_port", "REMOTE_PORT"),
    ("result", "realpeer_result", "REALPEER_RESULT"),
    ("version", "realpeer_version", "REALPEER_VERSION"),
    ("addr", "realpeer_addr", "REALPEER_ADDR"),
    ("port", "realpeer_port", "REALPEER_PORT"),
    ("server_addr", "realpeer_server_addr", "REALPEER_SERVER_ADDR"),
    ("server_port", "realpeer_server_port", "REALPEER_SERVER_PORT"),
    ("proxy_addr", "realpeer_proxy_addr", "REALPEER_PROXY_ADDR"),
];

/// As long as this lives it runs.
#[derive(Debug)]
enum Running {
    Nginx(Nginx),
    Apache(Apache),
}

/// A server that listens with each of the limits.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    authority: Authority,
    ports: BTreeMap<Limits, u16>,
    running: Running,
}

impl Server {
    pub fn start(place: Place, limits: &[Limits]) -> Self {
        let authority = Authority::new();
        let (ports, running) = match place.program {
            Program::Nginx(which) => nginx(which, place.kind, &authority, limits),
            Program::Apache(mpm) => apache(mpm, place.kind, &authority, limits),
        };
        Self { kind: place.kind, authority, ports, running }
    }

    fn logs(&self) -> &Logs {
        match &self.running {
            Running::Nginx(nginx) => nginx,
            Running::Apache(apache) => apache,
        }
    }

    /// What becomes of each, one after the other.
    pub fn findings(&self, inputs: &[Input]) -> Vec<Finding> {
        let answers: Vec<_> = inputs
            .iter()
            .map(|input| {
                let port = self.ports[&input.limits()];
                said(self.kind, port, input, &mut AtOnce, &self.authority).expect("an answer")
            })
            .collect();
        let mut refusals =
            self.refusals(answers.iter().filter(|(heard, _)| heard.is_empty()).count());
        answers
            .into_iter()
            .map(|(heard, port)| {
                let peer = format!("{PEER} {port}");
                if heard.is_empty() {
                    let refusal = refusals.get_mut(&peer).and_then(VecDeque::pop_front);
                    Finding::refused(&refusal.expect("a line for each"))
                } else {
                    let page = Ending::Answered(heard.into_bytes()).response().vars();
                    Finding::served(&page, &peer)
                }
            })
            .collect()
    }

    /// The lines in the log by who it was; there is one for each.
    fn refusals(&self, wanted: usize) -> HashMap<String, VecDeque<Refusal>> {
        let all = wait_until("all refusals in the log", || {
            let all = self.logs().refusals();
            (all.len() >= wanted).then_some(all)
        });
        assert_eq!(all.len(), wanted, "one line for each that is refused");
        let mut refusals: HashMap<_, VecDeque<_>> = HashMap::new();
        for refusal in all {
            let (address, port) = refusal.peer.rsplit_once(':').expect("a port");
            refusals.entry(format!("{address} {port}")).or_default().push_back(refusal);
        }
        refusals
    }
}

/// Nothing is sent in parts.
struct AtOnce;

impl Pace for AtOnce {
    fn looked(&mut self, _stream: &TcpStream) {}
}

fn policy((max_header, versions): &Limits) -> String {
    let versions: String = versions.iter().map(|version| format!(" {version}")).collect();
    format!(
        "realpeer require all; realpeer_timeout 600s; realpeer_log_limit off; \
         realpeer_max_header {max_header}; \
         realpeer_versions{versions};"
    )
}

fn nginx(
    which: Which,
    kind: Kind,
    authority: &Authority,
    limits: &[Limits],
) -> (BTreeMap<Limits, u16>, Running) {
    let mut site = Site::new(which);
    let (ssl, certificate) = match kind {
        Kind::Https => ("ssl", site.certificate(authority)),
        _ => ("", String::new()),
    };
    let variables = VARIABLES.iter().map(|(name, variable, _)| format!("{name}=${variable}\n"));
    let tlvs = TLVS.iter().map(|(name, ..)| format!("{name}=$realpeer_tlv_{name}\n"));
    let page: String = variables.chain(tlvs).collect();
    let mut ports = BTreeMap::new();
    for limits in limits {
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} {ssl}; {certificate} {} return 200 \"{page}\"; }}",
            policy(limits)
        ));
        ports.insert(limits.clone(), port);
    }
    (ports, Running::Nginx(site.start()))
}

fn apache(
    mpm: Mpm,
    kind: Kind,
    authority: &Authority,
    limits: &[Limits],
) -> (BTreeMap<Limits, u16>, Running) {
    let mut site = ApacheSite::new(mpm);
    let tlvs = TLVS.map(|(name, ..)| format!("REALPEER_TLV_{}", name.to_uppercase()));
    let page: Vec<_> = VARIABLES
        .iter()
        .map(|(name, _, variable)| (*name, *variable))
        .chain(TLVS.iter().zip(&tlvs).map(|((name, ..), variable)| (*name, variable.as_str())))
        .collect();
    site.front_page(&page);
    // The certificate costs, and has to be asked for.
    site.config("RealPeerTLV ssl_client_cert\nTimeout 700\nRealPeer refuse all");
    let mut ports = BTreeMap::new();
    for limits in limits {
        let directives = as_apache(&policy(limits));
        let port = match kind {
            Kind::Https => site.tls_host(authority, &directives),
            _ => site.host(&directives),
        };
        ports.insert(limits.clone(), port);
    }
    (ports, Running::Apache(site.start()))
}
