//! Address families, the one form in which addresses are compared, and their
//! text.
#![forbid(unsafe_code)]

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::text::Sink;

/// The family of the addresses in a header (upper half of byte 14 in v2).
///
/// # Examples
/// ```
/// use realpeer::{Family, Limits, Progress, parse};
///
/// let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n";
/// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
/// assert_eq!(header.family(), Family::Inet6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Family {
    /// None, or one the sender could not name.
    #[default]
    Unspec = 0,
    /// IPv4.
    Inet = 1,
    /// IPv6.
    Inet6 = 2,
    /// Unix domain socket.
    Unix = 3,
}

impl Family {
    /// Bytes that both addresses and ports of this family take in a v2 header.
    ///
    /// ```
    /// assert_eq!(realpeer::Family::Inet.block_len(), 4 + 4 + 2 + 2);
    /// ```
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Family::Unspec => 0,
            Family::Inet => 12,
            Family::Inet6 => 36,
            Family::Unix => 216,
        }
    }
}

/// The transport of the relayed connection (lower half of byte 14 in v2).
///
/// # Examples
/// ```
/// use realpeer::{Limits, Outgoing, Progress, Transport, parse};
///
/// let mut buffer = [0; 64];
/// let len = Outgoing::proxy("192.0.2.1:5353".parse()?, "198.51.100.7:53".parse()?)
///     .transport(Transport::Datagram)
///     .write(&mut buffer)?;
/// let Progress::Done(header) = parse(&buffer[..len], &Limits::default())? else { panic!() };
/// assert_eq!(header.transport(), Transport::Datagram);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Transport {
    /// None, or one the sender could not name.
    #[default]
    Unspec = 0,
    /// TCP or a Unix stream.
    Stream = 1,
    /// UDP or a Unix datagram.
    Datagram = 2,
}

/// The form in which logs and access lists know an address: an IPv4 address that
/// came mapped into IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
///
/// ```
/// let mapped = "[::ffff:192.0.2.1]:80".parse().unwrap();
/// assert_eq!(realpeer::canonical(mapped), "192.0.2.1:80".parse().unwrap());
/// ```
#[must_use]
#[inline(always)]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical_ip(address.ip()), address.port())
}

/// The address in a family: an IPv4 one is mapped into IPv6, and one that came
/// mapped is IPv4 again. `None` where the family cannot say it, as IPv4 cannot say an
/// IPv6 address.
pub(crate) fn in_family(address: SocketAddr, family: Family) -> Option<SocketAddr> {
    let ip = match (canonical_ip(address.ip()), family) {
        (ip @ IpAddr::V4(_), Family::Inet) | (ip @ IpAddr::V6(_), Family::Inet6) => ip,
        (IpAddr::V4(ip), Family::Inet6) => IpAddr::V6(ip.to_ipv6_mapped()),
        _ => return None,
    };
    Some(SocketAddr::new(ip, address.port()))
}

/// A client's address in the family of the socket that it came over, which is that
/// of `own`, an address of this socket: for programs whose code after the header
/// knows one family only. On a socket for IPv6 an IPv4 address is mapped into IPv6,
/// as the system does it.
///
/// `None` means: close the connection. An IPv6 client has no address on a socket for
/// IPv4, and going on would give it the balancer's.
///
/// ```
/// use realpeer::in_family_of;
///
/// let [v4, v6] = ["127.0.0.1:80".parse()?, "[::1]:80".parse()?];
/// let client = "192.0.2.1:56324".parse()?;
/// assert_eq!(in_family_of(client, v4), Some(client));
/// assert_eq!(in_family_of(client, v6), Some("[::ffff:192.0.2.1]:56324".parse()?));
///
/// let client = "[2001:db8::1]:56324".parse()?;
/// assert_eq!(in_family_of(client, v6), Some(client));
/// assert_eq!(in_family_of(client, v4), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn in_family_of(client: SocketAddr, own: SocketAddr) -> Option<SocketAddr> {
    in_family(client, if own.is_ipv4() { Family::Inet } else { Family::Inet6 })
}

pub(crate) fn canonical_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        },
        IpAddr::V4(_) => ip,
    }
}

/// An IP address as text, without a port: dotted IPv4, or IPv6 as RFC 5952
/// writes it. Made from the binary form only, never from what was on the wire.
///
/// ```
/// use realpeer::AddressText;
///
/// let text = AddressText::new("2001:DB8:0:0::1".parse()?);
/// assert_eq!(text.as_str(), "2001:db8::1");
/// assert_eq!(text.to_string(), "2001:db8::1"); // as Display has it
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressText {
    bytes: [u8; AddressText::CAPACITY],
    len: usize,
}

impl AddressText {
    /// Bytes of the longest text, `ffff:…:ffff:255.255.255.255`.
    ///
    /// ```
    /// use realpeer::AddressText;
    ///
    /// let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse()?;
    /// assert!(AddressText::new(longest).as_str().len() <= AddressText::CAPACITY);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub const CAPACITY: usize = 45;

    /// The text of `ip`.
    ///
    /// ```
    /// let text = realpeer::AddressText::new([192, 0, 2, 1].into());
    /// assert_eq!(text.as_str(), "192.0.2.1");
    /// ```
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        let mut sink = Sink::new(&mut bytes);
        match ip {
            IpAddr::V4(v4) => write_v4(&mut sink, v4),
            IpAddr::V6(v6) => write_v6(&mut sink, v6),
        }
        let len = sink.len();
        Self { bytes, len }
    }

    /// The text as ASCII bytes.
    ///
    /// ```
    /// let text = realpeer::AddressText::new([192, 0, 2, 1].into());
    /// assert_eq!(text.as_bytes(), b"192.0.2.1");
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// The text.
    ///
    /// ```
    /// let text = realpeer::AddressText::new([0, 0, 0, 0, 0, 0, 0, 1].into());
    /// assert_eq!(text.as_str(), "::1");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

pub(crate) fn write_v4(out: &mut Sink<'_>, ip: Ipv4Addr) {
    for (i, octet) in ip.octets().into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        out.octet(octet);
    }
}

/// RFC 5952: lower case, no leading zeroes, the longest run of at least two zero
/// groups (the first of equals) as `::`, mapped IPv4 with a dotted tail.
fn write_v6(out: &mut Sink<'_>, ip: Ipv6Addr) {
    if let Some(v4) = ip.to_ipv4_mapped() {
        out.extend(b"::ffff:");
        write_v4(out, v4);
        return;
    }
    write_groups(out, ip);
}

/// The same without a dotted tail, which the grammar of the version 1 line does
/// not have.
pub(crate) fn write_groups(out: &mut Sink<'_>, ip: Ipv6Addr) {
    let groups = ip.segments();
    let (gap, gap_len) = longest_zero_run(&groups);
    for (i, group) in groups.into_iter().enumerate() {
        let in_gap = i.checked_sub(gap).is_some_and(|at| at < gap_len);
        if in_gap {
            if i == gap {
                out.extend(b"::");
            }
            continue;
        }
        if i > 0 && i != gap.saturating_add(gap_len) {
            out.push(b':');
        }
        out.hex_group(group);
    }
}

/// Where the longest run of zero groups starts, and its length; the length is 0
/// where no run is longer than one group.
fn longest_zero_run(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut best_len) = (0, 1);
    let (mut run, mut run_len) = (0, 0_usize);
    for (i, &group) in groups.iter().enumerate() {
        if group != 0 {
            run_len = 0;
            continue;
        }
        if run_len == 0 {
            run = i;
        }
        run_len = run_len.saturating_add(1);
        if run_len > best_len {
            (best, best_len) = (run, run_len);
        }
    }
    if best_len > 1 { (best, best_len) } else { (usize::MAX, 0) }
}
