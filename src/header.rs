//! What comes out: a header, as both versions give it.
#![forbid(unsafe_code)]

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::{Family, Transport};
use crate::outcome::Outcome;
use crate::tlv::Tlvs;
use crate::v2;

/// Bytes of the longest version 1 line, CR and LF included (section 2.1).
///
/// ```
/// let mut line = [0; realpeer::V1_MAX]; // has room for every line
/// assert_eq!(realpeer::write_v1(None, &mut line), Ok("PROXY UNKNOWN\r\n".len()));
/// ```
pub const V1_MAX: usize = 107;

/// A version of the protocol.
///
/// ```
/// use realpeer::{Limits, Outgoing, Progress, Version, parse};
///
/// let mut buffer = [0; 16];
/// let len = Outgoing::local().write(&mut buffer)?;
/// let Ok(Progress::Done(header)) = parse(&buffer[..len], &Limits::default()) else { panic!() };
/// assert_eq!(header.version(), Version::V2);
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Version {
    /// The line of text (section 2.1).
    V1 = 1,
    /// The binary header (section 2.2).
    V2 = 2,
}

/// The command of a header.
///
/// # Examples
/// ```
/// use realpeer::{Command, Limits, Outgoing, Progress, parse};
///
/// let mut buffer = [0; 16];
/// let len = Outgoing::local().write(&mut buffer)?;
/// let Ok(Progress::Done(header)) = parse(&buffer[..len], &Limits::default()) else { panic!() };
/// assert_eq!(header.command(), Command::Local);
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// The sender speaks for itself, for example a health check.
    Local = 0,
    /// The connection is relayed for somebody else. Version 1 has only this.
    Proxy = 1,
}

/// How far the bytes go.
///
/// ```
/// use realpeer::{Limits, Progress, parse};
///
/// let line = b"PROXY UNKNOWN\r\nHELO";
/// assert_eq!(parse(&line[..14], &Limits::default()), Ok(Progress::More { need: 15 }));
/// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
/// assert_eq!(header.len(), 15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// All bytes so far can be the beginning of a header, which is not whole.
    More {
        /// Bytes the header has at least, those that are here included. Whoever
        /// reads up to this many cannot read past the header.
        need: usize,
    },
    /// The header is whole; what follows [`Header::len`] bytes is not its.
    Done(Header<'a>),
}

/// The address of a Unix socket: 108 bytes as sent, not always NUL-terminated.
///
/// ```
/// use realpeer::{Limits, Outgoing, Progress, parse};
///
/// let mut buffer = [0; 232];
/// let len = Outgoing::unix(b"/run/client.sock", b"").write(&mut buffer)?;
/// let Ok(Progress::Done(header)) = parse(&buffer[..len], &Limits::default()) else { panic!() };
/// let (client, server) = header.unix_paths().unwrap();
/// assert_eq!(client.path(), b"/run/client.sock");
/// assert_eq!(client.as_bytes().len(), 108);
/// assert_eq!(server.path(), b"");
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPath<'a>(pub(crate) &'a [u8]);

impl<'a> UnixPath<'a> {
    /// All 108 bytes.
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 232];
    /// let len = Outgoing::unix(b"/run/client.sock", b"\0name").write(&mut buffer)?;
    /// let parsed = parse(&buffer[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    /// let (source, _) = header.unix_paths().unwrap();
    /// assert_eq!(source.as_bytes()[..17], *b"/run/client.sock\0");
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The path up to its first NUL; empty for an unnamed or abstract socket.
    ///
    /// An abstract name, which begins with NUL, is in [`as_bytes`](UnixPath::as_bytes).
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 232];
    /// let len = Outgoing::unix(b"/run/client.sock", b"\0name").write(&mut buffer)?;
    /// let parsed = parse(&buffer[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    /// let (source, destination) = header.unix_paths().unwrap();
    /// assert_eq!(source.path(), b"/run/client.sock");
    /// assert_eq!(destination.path(), b"");
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    pub fn path(self) -> &'a [u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

/// Both addresses as plain numbers; how long they are, and whether there are any, is
/// for the family to say. Numbers stay in registers, where a pair of [`SocketAddr`]
/// is put together in memory and then copied, which takes longer than all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Addresses {
    pub(crate) source: u128,
    pub(crate) destination: u128,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

/// A valid header. It borrows the bytes it was parsed from.
///
/// ```
/// use realpeer::{Command, Family, Limits, Outcome, Progress, Transport, Version, parse};
///
/// let stream = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
/// let Progress::Done(header) = parse(stream, &Limits::default())? else { panic!() };
/// assert_eq!(header.source(), Some("192.0.2.1:56324".parse()?));
/// assert_eq!(header.destination(), Some("198.51.100.7:443".parse()?));
/// assert_eq!((header.version(), header.command()), (Version::V1, Command::Proxy));
/// assert_eq!((header.family(), header.transport()), (Family::Inet, Transport::Stream));
/// assert_eq!(header.outcome(), Outcome::Proxy);
/// assert_eq!(header.tlvs().count(), 0);
/// assert_eq!(&stream[header.len()..], b"GET / HTTP/1.1\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) version: Version,
    pub(crate) command: Command,
    pub(crate) family: Family,
    pub(crate) transport: Transport,
    pub(crate) addresses: Addresses,
    pub(crate) tlvs: Tlvs<'a>,
    pub(crate) checksum: bool,
}

impl<'a> Header<'a> {
    /// Bytes of the header: exactly these precede the application's data.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.len(), line.len());
    /// ```
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // no header is empty
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The header as it was received.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.as_bytes(), line);
    /// ```
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The version of the protocol it is written in.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, Version, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.version(), Version::V1);
    /// ```
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it speaks for a client or for the sender itself.
    ///
    /// ```
    /// use realpeer::{Command, Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.command(), Command::Proxy);
    /// ```
    #[must_use]
    #[inline]
    pub fn command(&self) -> Command {
        self.command
    }

    /// The family of its addresses; [`Family::Unspec`] where they are not to be
    /// used (LOCAL, UNKNOWN, or either half of byte 14 unspecified).
    ///
    /// ```
    /// use realpeer::{Family, Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.family(), Family::Inet);
    /// ```
    #[must_use]
    #[inline]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The transport of the relayed connection.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, Transport, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.transport(), Transport::Stream);
    /// ```
    #[must_use]
    #[inline]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Address and port of the client, as they stand in the header (a v4-mapped
    /// one as IPv6: see [`canonical`](crate::canonical)).
    ///
    /// ```
    /// use realpeer::{Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.source(), Some("192.0.2.1:56324".parse()?));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn source(&self) -> Option<SocketAddr> {
        self.addresses().map(|(source, _)| source)
    }

    /// Address and port that the client connected to, as they stand in the header.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.destination(), Some("198.51.100.7:443".parse()?));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn destination(&self) -> Option<SocketAddr> {
        self.addresses().map(|(_, destination)| destination)
    }

    /// Both at once: [`source`](Header::source) and [`destination`](Header::destination),
    /// in less time than one after the other.
    ///
    /// ```
    /// use realpeer::{Limits, Progress, parse};
    ///
    /// let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// let (source, destination) = header.addresses().unwrap();
    /// assert_eq!(source, "192.0.2.1:56324".parse()?);
    /// assert_eq!(destination, "198.51.100.7:443".parse()?);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        // The addresses first and the ports then: so the compiler keeps both in registers.
        let ip = |bits: u128| match self.family {
            Family::Inet => {
                let [.., a, b, c, d] = bits.to_be_bytes();
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            _ => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        };
        let of = self.addresses;
        match self.family {
            Family::Inet | Family::Inet6 => Some((
                SocketAddr::new(ip(of.source), of.source_port),
                SocketAddr::new(ip(of.destination), of.destination_port),
            )),
            Family::Unspec | Family::Unix => None,
        }
    }

    /// Source and destination of a relayed Unix socket.
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 232];
    /// let len = Outgoing::unix(b"/run/client.sock", b"\0name").write(&mut buffer)?;
    /// let parsed = parse(&buffer[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    /// let (source, destination) = header.unix_paths().unwrap();
    /// assert_eq!(source.path(), b"/run/client.sock");
    /// assert!(destination.as_bytes().starts_with(b"\0name"));
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn unix_paths(&self) -> Option<(UnixPath<'a>, UnixPath<'a>)> {
        if self.family != Family::Unix {
            return None;
        }
        let (source, rest) = self.bytes.get(v2::FIXED..)?.split_at_checked(v2::UNIX_PATH)?;
        Some((UnixPath(source), UnixPath(rest.get(..v2::UNIX_PATH)?)))
    }

    /// The TLVs; none in version 1.
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, Tlv, parse, types};
    ///
    /// let mut buffer = [0; 64];
    /// let alpn = Tlv { kind: types::ALPN, value: b"h2" };
    /// let len = Outgoing::local().tlvs([alpn]).write(&mut buffer)?;
    /// let parsed = parse(&buffer[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    /// assert!(header.tlvs().eq([alpn]));
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn tlvs(&self) -> Tlvs<'a> {
        self.tlvs
    }

    /// Whether the header carried a CRC32c, which was right.
    ///
    /// ```
    /// use realpeer::{Limits, Outcome, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 64];
    /// let len = Outgoing::local().checksum(true).write(&mut buffer)?;
    /// let parsed = parse(&buffer[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    /// assert!(header.checksum_verified());
    ///
    /// // One that is wrong makes no header.
    /// buffer[len - 1] ^= 1;
    /// assert_eq!(parse(&buffer[..len], &Limits::default()), Err(Outcome::BadChecksum));
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn checksum_verified(&self) -> bool {
        self.checksum
    }

    /// What the header means for a TCP connection: [`Outcome::Proxy`],
    /// [`Outcome::Local`] or [`Outcome::NoAddress`]. Only the address of a stream
    /// over IP can replace the peer of a TCP connection.
    ///
    /// ```
    /// use realpeer::{Limits, Outcome, Progress, parse};
    ///
    /// let line = b"PROXY UNKNOWN\r\n";
    /// let Ok(Progress::Done(header)) = parse(line, &Limits::default()) else { panic!() };
    /// assert_eq!(header.outcome(), Outcome::NoAddress);
    /// ```
    #[must_use]
    #[inline]
    pub fn outcome(&self) -> Outcome {
        self.outcome_for(Transport::Stream)
    }

    /// The same for what came over this transport.
    #[inline]
    pub(crate) fn outcome_for(&self, transport: Transport) -> Outcome {
        match (self.command, self.family) {
            (Command::Local, _) => Outcome::Local,
            (_, Family::Inet | Family::Inet6) if self.transport == transport => Outcome::Proxy,
            _ => Outcome::NoAddress,
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("version", &self.version)
            .field("command", &self.command)
            .field("transport", &self.transport)
            .field("source", &self.source())
            .field("destination", &self.destination())
            .field("unix_paths", &self.unix_paths())
            .field("tlvs", &self.tlvs)
            .field("checksum", &self.checksum)
            .finish()
    }
}
