//! The hosts, and what runs on them.

use std::net::{IpAddr, SocketAddr};

use realpeer_e2e::network::{Host, Net, Network};
use realpeer_e2e::{
    Apache, ApacheSite, Client, HaProxy, Logs, Mpm, Nginx, PAGE, Refusal, STREAM_PAGE, Site, Which,
    wait_until,
};

/// Where every server listens, for both families at once.
pub const WEB: u16 = 8080;
/// Where nginx has stream as well.
pub const STREAM: u16 = 8081;

pub const BALANCER: u8 = 10;
const VISITOR: u8 = 7;
const OTHER: u8 = 8;
const NEIGHBOUR: u8 = 66;
const MONITOR: u8 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    DebianNginx,
    BuiltNginx,
    Apache,
}

pub const SERVERS: [Server; 3] = [Server::DebianNginx, Server::BuiltNginx, Server::Apache];

impl Server {
    pub fn name(self) -> &'static str {
        match self {
            Self::DebianNginx => "debian_nginx",
            Self::BuiltNginx => "built_nginx",
            Self::Apache => "apache",
        }
    }

    pub fn addresses(self) -> [IpAddr; 2] {
        let number = match self {
            Self::DebianNginx => 21,
            Self::BuiltNginx => 22,
            Self::Apache => 23,
        };
        Net::SERVERS.addresses(number)
    }

    /// The ports it serves on.
    pub fn ports(self) -> &'static [u16] {
        if self == Self::Apache { &[WEB] } else { &[WEB, STREAM] }
    }
}

/// Where the balancer listens for what goes to a server.
#[derive(Debug, Clone, Copy)]
pub struct Front {
    pub port: u16,
    pub server: Server,
    /// The address and port it goes to.
    pub target: SocketAddr,
    pub sender: &'static str,
}

/// Everybody who could be seen where the server is: each server, each of its
/// ports, by each family, with each version of the header.
pub fn fronts() -> Vec<Front> {
    let mut fronts = Vec::new();
    for server in SERVERS {
        for port in server.ports() {
            for address in server.addresses() {
                for sender in ["send-proxy", "send-proxy-v2"] {
                    let target = SocketAddr::new(address, *port);
                    let port = 9000 + u16::try_from(fronts.len()).expect("a few");
                    fronts.push(Front { port, server, target, sender });
                }
            }
        }
    }
    fronts
}

#[derive(Debug)]
pub struct Hosts {
    /// Two users.
    pub visitor: Host,
    pub other: Host,
    balancer: Host,
    servers: [Host; 3],
    /// Beside the balancer, and none.
    pub neighbour: Host,
    pub monitor: Host,
    /// Dropped last: what joins them.
    _network: Network,
}

impl Hosts {
    pub fn new() -> Result<Self, String> {
        let mut network = Network::new()?;
        Ok(Self {
            visitor: network.host("visitor", Net::CLIENTS, VISITOR)?,
            other: network.host("other", Net::CLIENTS, OTHER)?,
            balancer: network.host("balancer", Net::SERVERS, BALANCER)?,
            servers: [
                network.host("debian-nginx", Net::SERVERS, 21)?,
                network.host("built-nginx", Net::SERVERS, 22)?,
                network.host("apache", Net::SERVERS, 23)?,
            ],
            neighbour: network.host("neighbour", Net::SERVERS, NEIGHBOUR)?,
            monitor: network.host("monitor", Net::MONITORS, MONITOR)?,
            _network: network,
        })
    }
}

/// Connects there from a host, and does with the connection what is said.
#[track_caller]
pub fn from<T: Send + 'static>(
    host: &Host,
    target: SocketAddr,
    talk: impl FnOnce(Client) -> T + Send + 'static,
) -> T {
    host.run(move || {
        let any = if target.is_ipv4() { "0.0.0.0" } else { "::" };
        talk(Client::between(any.parse().expect("an address"), target))
    })
}

/// The hosts, and the servers once they have been asked for.
#[derive(Debug)]
pub struct Place {
    // Dropped in this order: what runs before where it does.
    running: Option<Running>,
    pub hosts: Hosts,
}

#[derive(Debug)]
pub struct Running {
    _balancer: HaProxy,
    debian_nginx: Nginx,
    built_nginx: Nginx,
    apache: Apache,
}

impl Running {
    pub fn logs(&self, server: Server) -> &Logs {
        match server {
            Server::DebianNginx => &self.debian_nginx,
            Server::BuiltNginx => &self.built_nginx,
            Server::Apache => &self.apache,
        }
    }

    /// The refusals since this was asked last, once there are so many.
    #[track_caller]
    pub fn refusals(&self, server: Server, wanted: usize) -> Vec<Refusal> {
        let mut found = Vec::new();
        wait_until(&format!("{wanted} refusals"), || {
            found.extend(self.logs(server).new_refusals());
            (found.len() >= wanted).then_some(())
        });
        found
    }
}

impl Place {
    pub fn new(hosts: Hosts) -> Self {
        Self { running: None, hosts }
    }

    /// What runs; started by the first who asks.
    pub fn parts(&mut self) -> (&Hosts, &Running) {
        let hosts = &self.hosts;
        let running = self.running.get_or_insert_with(|| {
            let [debian, built, apache] = &hosts.servers;
            Running {
                debian_nginx: debian.run(|| nginx(Which::Debian, &one_balancer())),
                built_nginx: built.run(|| nginx(Which::Built, &balancers_net())),
                apache: apache.run(|| httpd(&one_balancer())),
                _balancer: hosts.balancer.run(balancer),
            }
        });
        (hosts, running)
    }
}

/// The balancer by its addresses.
fn one_balancer() -> String {
    let [v4, v6] = Net::SERVERS.addresses(BALANCER);
    format!("{v4} {v6}")
}

/// The part of the net that balancers are given addresses of: it ends before
/// the neighbour's.
fn balancers_net() -> String {
    "198.51.100.0/26 2001:db8:5::/122".to_owned()
}

fn nginx(which: Which, balancers: &str) -> Nginx {
    let mut site = Site::new(which);
    let monitors = Net::MONITORS.prefixes();
    let rules = format!("realpeer require {balancers}; realpeer direct {monitors};");
    let [v4, v6] = Net::CLIENTS.addresses(VISITOR);
    site.http(format!(
        "{rules} server {{ listen [::]:{WEB} ipv6only=off; {PAGE}
             location /private {{ allow {v4}; allow {v6}; deny all; root /nowhere; }} }}"
    ));
    site.stream(format!("{rules} server {{ listen [::]:{STREAM} ipv6only=off; {STREAM_PAGE} }}"));
    site.start()
}

fn httpd(balancers: &str) -> Apache {
    let mut site = ApacheSite::new(Mpm::Event);
    let monitors = Net::MONITORS.prefixes();
    let [v4, v6] = Net::CLIENTS.addresses(VISITOR);
    site.config(format!(
        "Listen [::]:{WEB}\n<VirtualHost *:{WEB}>\nRealPeer require {balancers}\n\
         RealPeer direct {monitors}\n<Location /private>\nRequire ip {v4} {v6}\n</Location>\n\
         </VirtualHost>"
    ));
    site.start()
}

fn balancer() -> HaProxy {
    let mut haproxy = HaProxy::new();
    for Front { port, target, sender, .. } in fronts() {
        haproxy.section(
            &[port],
            &format!(
                "listen port{port}\n    bind 0.0.0.0:{port}\n    bind [::]:{port} v6only\n    \
                 server behind {target} {sender}"
            ),
        );
    }
    haproxy.start()
}
