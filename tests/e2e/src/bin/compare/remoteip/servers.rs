//! The servers: an Apache that has only mod_remoteip, and one with realpeer.
//! Each listens for http and https.

use std::collections::BTreeMap;
use std::net::TcpStream;

use realpeer_e2e::{Apache, ApacheSite, Authority, Mpm, is_quiet, is_taken, wait_until};

use crate::inputs::Limits;
use crate::talk::{Kind, Pace};

pub const KINDS: [Kind; 2] = [Kind::Http, Kind::Https];

/// Both say what they take for the client: for the request, and for the
/// connection. `<ADDRESS|PORT|ADDRESS>`
const SEEN: &str = "<<!--#echo var=\"REMOTE_ADDR\" -->|<!--#echo var=\"REMOTE_PORT\" -->|\
                    <!--#echo var=\"PEER\" -->>";

/// One Apache that speaks one of the two.
#[derive(Debug)]
pub struct Server {
    ports: BTreeMap<Limits, u16>,
    apache: Apache,
}

impl Server {
    pub fn port(&self, limits: &Limits) -> u16 {
        self.ports[limits]
    }

    pub fn remoteip(kind: Kind, authority: &Authority, limits: &[Limits]) -> Self {
        let mut site = ApacheSite::native(Mpm::Event);
        site.load("remoteip");
        // It has no limits to be set.
        let port = listener(&mut site, kind, authority, "RemoteIPProxyProtocol On");
        Self::start(site, limits, |_, _| port)
    }

    pub fn realpeer(kind: Kind, authority: &Authority, limits: &[Limits]) -> Self {
        Self::start(ApacheSite::new(Mpm::Event), limits, |site, (max_header, versions)| {
            let versions: String = versions.iter().map(|version| format!(" {version}")).collect();
            let policy = format!(
                "RealPeer require all\nRealPeerTimeout 600s\nRealPeerLogLimit off\n\
                 RealPeerMaxHeader {max_header}\n\
                 RealPeerVersions{versions}"
            );
            listener(site, kind, authority, &policy)
        })
    }

    fn start(
        mut site: ApacheSite,
        limits: &[Limits],
        port: impl Fn(&mut ApacheSite, &Limits) -> u16,
    ) -> Self {
        site.file("page", SEEN);
        // No result may hang on how fast the machine is, nor on whether a
        // connection was accepted before its first bytes.
        site.config(
            "AcceptFilter http none\nAcceptFilter https none\nTimeout 700\n\
             SetEnvIfExpr \"%{CONN_REMOTE_ADDR} =~ /(.*)/\" PEER=$1",
        );
        let ports = limits.iter().map(|each| (each.clone(), port(&mut site, each))).collect();
        Self { ports, apache: site.start() }
    }
}

/// What rests, with no thread that has anything to do, has looked at all that
/// was sent: who sends wakes the one that waits for it.
impl Pace for &Server {
    fn looked(&mut self, stream: &TcpStream) {
        wait_until("Apache to rest", || {
            (!is_quiet(stream) || self.apache.is_at_rest() && self.apache.is_at_rest())
                .then_some(())
        });
    }

    /// What is wanted is taken off the socket as it comes.
    fn answers(&mut self, stream: &TcpStream) -> bool {
        self.looked(stream);
        wait_until("an answer, or the end of all work", || {
            if !is_quiet(stream) {
                return Some(true);
            }
            let rests = is_taken(stream) && self.apache.is_at_rest() && is_quiet(stream);
            rests.then_some(false)
        })
    }
}

fn listener(site: &mut ApacheSite, kind: Kind, authority: &Authority, policy: &str) -> u16 {
    match kind {
        Kind::Https => site.tls_host(authority, policy),
        _ => site.host(policy),
    }
}
