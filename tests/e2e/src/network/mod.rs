//! Networks with hosts in them, of both families, for tests that need more
//! than the loopback: each host is in a network namespace of its own.

mod host;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use host::Host;

/// A network of the two families; the router is the first host of each, and
/// another has the same number in both.
#[derive(Debug, Clone, Copy)]
pub struct Net {
    name: &'static str,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl Net {
    /// Where users are.
    pub const CLIENTS: Self = Self::new("clients", [192, 0, 2], 0xC);
    /// Where the balancer and the servers are.
    pub const SERVERS: Self = Self::new("servers", [198, 51, 100], 0x5);
    /// Where it is watched from.
    pub const MONITORS: Self = Self::new("monitors", [203, 0, 113], 0xF);

    const ALL: [Self; 3] = [Self::CLIENTS, Self::SERVERS, Self::MONITORS];

    const fn new(name: &'static str, v4: [u8; 3], v6: u16) -> Self {
        Self {
            name,
            v4: Ipv4Addr::new(v4[0], v4[1], v4[2], 0),
            v6: Ipv6Addr::new(0x2001, 0xDB8, v6, 0, 0, 0, 0, 0),
        }
    }

    /// The addresses of a host, of each family.
    pub fn addresses(self, host: u8) -> [IpAddr; 2] {
        let v4 = Ipv4Addr::from_bits(self.v4.to_bits() | u32::from(host));
        // As people do it: the same digits, though they mean another number.
        let digits = u16::from_str_radix(&host.to_string(), 16).expect("digits");
        let v6 = Ipv6Addr::from_bits(self.v6.to_bits() | u128::from(digits));
        [v4.into(), v6.into()]
    }

    /// Both as a rule has them: `192.0.2.0/24 2001:db8:c::/64`.
    pub fn prefixes(self) -> String {
        format!("{}/24 {}/64", self.v4, self.v6)
    }
}

const ROUTER: u8 = 1;

/// All of [`Net::ALL`], and a router that has a leg in each. Nobody's address
/// is translated.
#[derive(Debug)]
pub struct Network {
    router: Host,
    links: usize,
}

impl Network {
    /// Fails where this system does not let us have one, with the reason.
    pub fn new() -> Result<Self, String> {
        let router = Host::new("router")?;
        router.sysctl("ipv4/ip_forward", "1")?;
        router.sysctl("ipv6/conf/all/forwarding", "1")?;
        for net in Net::ALL {
            let bridge = net.name;
            router.ip(&format!("link add {bridge} type bridge"))?;
            router.ip(&format!("link set {bridge} up"))?;
            give_addresses(&router, bridge, net, ROUTER)?;
        }
        Ok(Self { router, links: 0 })
    }

    /// Adds a host, whose addresses have this number.
    pub fn host(&mut self, name: &'static str, net: Net, number: u8) -> Result<Host, String> {
        let host = Host::new(name)?;
        let port = format!("port{}", self.links);
        self.links += 1;
        let namespace = host.namespace().display();
        self.router.ip(&format!("link add {port} type veth peer name eth0 netns {namespace}"))?;
        self.router.ip(&format!("link set {port} master {} up", net.name))?;
        host.ip("link set eth0 up")?;
        give_addresses(&host, "eth0", net, number)?;
        for router in net.addresses(ROUTER) {
            host.ip(&format!("route add default via {router}"))?;
        }
        Ok(host)
    }
}

fn give_addresses(host: &Host, interface: &str, net: Net, number: u8) -> Result<(), String> {
    let [v4, v6] = net.addresses(number);
    host.ip(&format!("address add {v4}/24 dev {interface}"))?;
    // Nobody else can have it, and it is wanted now.
    host.ip(&format!("address add {v6}/64 dev {interface} nodad"))
}
