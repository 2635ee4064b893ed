//! The addresses in a header for the next server in a row.
#![forbid(unsafe_code)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::canonical;

/// Source and destination for a header to the next server, which are of one family
/// whatever the three are of: version 1 has no other lines, and version 2 no other
/// blocks.
///
/// `client` is [`Decision::client`](crate::Decision::client), `server` what the
/// client connected to, [`Decision::server`](crate::Decision::server), and `local`
/// the address of our own end, where it has one. The destination is the first of
/// `server` and `local` that is of the client's family and an address at all
/// (`0.0.0.0` and `::` are none). Where neither is, both become IPv6, with the
/// IPv4 ones among them mapped, and `::ffff:0.0.0.0` stands for one that is not
/// known: the client is never left out.
///
/// ```
/// use realpeer::{V1_MAX, relayed, write_v1};
///
/// // An IPv6 client of a balancer, which has come to us over IPv4.
/// let (client, server) = ("[2001:db8::7]:56324".parse()?, "[2001:db8::1]:443".parse()?);
/// let local = "127.0.0.1:8443".parse()?;
/// let pair = relayed(client, Some(server), Some(local));
/// assert_eq!(pair, (client, server));
///
/// let mut line = [0; V1_MAX];
/// let len = write_v1(Some(pair), &mut line)?;
/// assert_eq!(&line[..len], b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn relayed(
    client: SocketAddr,
    server: Option<SocketAddr>,
    local: Option<SocketAddr>,
) -> (SocketAddr, SocketAddr) {
    let client = canonical(client);
    let ends = [server, local].map(|end| end.map(canonical));
    let mut known = ends.into_iter().flatten().filter(|end| !end.ip().is_unspecified());
    let of_its_family = |end: &SocketAddr| end.is_ipv4() == client.is_ipv4();
    if let Some(destination) = known.clone().find(of_its_family) {
        return (client, destination);
    }
    let port = server.map_or(0, |server| server.port());
    let unknown = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    (as_ipv6(client), as_ipv6(known.next().unwrap_or(unknown)))
}

fn as_ipv6(address: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::new(ip.into(), address.port())
}
