//! The binary header (section 2.2).

use core::iter::{Empty, empty};
use core::net::{IpAddr, SocketAddr};

use super::tlvs::{LONGEST, Measured, measure, push};
use super::{WriteError, write_whole};
use crate::address::{Family, Transport};
use crate::crc32c::Crc32c;
use crate::header::Command;
use crate::text::Sink;
use crate::tlv::{CHECKSUM_LEN, HEAD, Tlv, types};
use crate::v2::{FIXED, SIGNATURE, UNIX_PATH};

#[derive(Debug, Clone, Copy)]
enum Addresses<'a> {
    None,
    Inet { source: SocketAddr, destination: SocketAddr },
    Unix { source: &'a [u8], destination: &'a [u8] },
}

/// A version 2 header to be written.
///
/// ```
/// use realpeer::{Limits, Outgoing, Progress, Tlv, parse, types};
///
/// let header = Outgoing::proxy(
///     "192.0.2.1:56324".parse().unwrap(),
///     "198.51.100.7:443".parse().unwrap(),
/// )
/// .tlvs([Tlv { kind: types::AUTHORITY, value: b"www.example.com" }])
/// .checksum(true);
///
/// let mut buffer = [0; 256];
/// let len = header.write(&mut buffer)?;
/// assert_eq!(len, header.len()?);
///
/// let Ok(Progress::Done(read)) = parse(&buffer[..len], &Limits::default()) else { panic!() };
/// assert_eq!(read.source(), Some("192.0.2.1:56324".parse().unwrap()));
/// assert!(read.checksum_verified());
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a, T = Empty<Tlv<'a>>> {
    command: Command,
    transport: Transport,
    addresses: Addresses<'a>,
    tlvs: T,
    checksum: bool,
    multiple: u16,
}

impl<'a> Outgoing<'a> {
    fn new(command: Command, transport: Transport, addresses: Addresses<'a>) -> Self {
        Outgoing { command, transport, addresses, tlvs: empty(), checksum: false, multiple: 1 }
    }

    /// The sender speaks for itself, as in a health check. Has no addresses.
    ///
    /// ```
    /// let mut header = [0; 16];
    /// assert_eq!(realpeer::Outgoing::local().write(&mut header), Ok(16));
    /// ```
    #[must_use]
    pub fn local() -> Self {
        Outgoing::new(Command::Local, Transport::Unspec, Addresses::None)
    }

    /// A relayed connection of which nothing can be said. Has no addresses.
    ///
    /// ```
    /// use realpeer::{Limits, Outcome, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 16];
    /// Outgoing::unspec().write(&mut buffer)?;
    /// let Ok(Progress::Done(header)) = parse(&buffer, &Limits::default()) else { panic!() };
    /// assert_eq!(header.outcome(), Outcome::NoAddress);
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    pub fn unspec() -> Self {
        Outgoing::new(Command::Proxy, Transport::Unspec, Addresses::None)
    }

    /// A TCP connection from `source` to `destination`. If one of them is an IPv4
    /// and the other an IPv6 address, the former is mapped into IPv6.
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, parse};
    ///
    /// let mut buffer = [0; 64];
    /// let (client, server) = ("192.0.2.1:1".parse()?, "[2001:db8::2]:2".parse()?);
    /// let len = Outgoing::proxy(client, server).write(&mut buffer)?;
    /// let Progress::Done(header) = parse(&buffer[..len], &Limits::default())? else { panic!() };
    /// assert_eq!(header.source(), Some("[::ffff:192.0.2.1]:1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn proxy(source: SocketAddr, destination: SocketAddr) -> Self {
        let addresses = Addresses::Inet { source, destination };
        Outgoing::new(Command::Proxy, Transport::Stream, addresses)
    }

    /// A connection over a Unix socket. A path has up to 108 bytes, an abstract
    /// name begins with NUL, and an unnamed socket has an empty one.
    ///
    /// ```
    /// let header = realpeer::Outgoing::unix(b"/run/client.sock", b"/run/server.sock");
    /// assert_eq!(header.len(), Ok(16 + 2 * 108));
    /// ```
    #[must_use]
    pub fn unix(source: &'a [u8], destination: &'a [u8]) -> Self {
        let addresses = Addresses::Unix { source, destination };
        Outgoing::new(Command::Proxy, Transport::Stream, addresses)
    }
}

impl<'a> From<(SocketAddr, SocketAddr)> for Outgoing<'a> {
    /// [`Outgoing::proxy`] of source and destination.
    fn from((source, destination): (SocketAddr, SocketAddr)) -> Self {
        Outgoing::proxy(source, destination)
    }
}

impl<'a, T: Iterator<Item = Tlv<'a>> + Clone> Outgoing<'a, T> {
    #[cfg(feature = "ffi")]
    pub(crate) fn command(self, command: Command) -> Self {
        Outgoing { command, ..self }
    }

    /// What is relayed is [`Transport::Stream`], which it is if nothing is said, or
    /// [`Transport::Datagram`].
    ///
    /// ```
    /// use realpeer::{Outgoing, Transport};
    ///
    /// let query = Outgoing::proxy("192.0.2.1:5353".parse()?, "192.0.2.2:53".parse()?)
    ///     .transport(Transport::Datagram);
    /// assert_eq!(query.len(), Ok(28));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn transport(self, transport: Transport) -> Self {
        Outgoing { transport, ..self }
    }

    /// The TLVs, in this order. They replace what was set before.
    ///
    /// One of type [`types::CRC32C`] says where the checksum goes: its value is
    /// not looked at. So the TLVs of a header that was read can be sent on.
    ///
    /// ```
    /// use realpeer::{Limits, Outgoing, Progress, Tlv, parse, types};
    ///
    /// let mut received = [0; 64];
    /// let id = Tlv { kind: types::UNIQUE_ID, value: b"8f1c" };
    /// let len = Outgoing::local().tlvs([id]).checksum(true).write(&mut received)?;
    /// let parsed = parse(&received[..len], &Limits::default());
    /// let Ok(Progress::Done(header)) = parsed else { panic!() };
    ///
    /// // The same TLVs with other addresses, and a checksum that fits them.
    /// let (client, server) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    /// let mut sent = [0; 64];
    /// let len = Outgoing::proxy(client, server).tlvs(header.tlvs()).write(&mut sent)?;
    /// assert!(parse(&sent[..len], &Limits::default()).is_ok());
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[must_use]
    pub fn tlvs<I>(self, tlvs: I) -> Outgoing<'a, I::IntoIter>
    where
        I: IntoIterator<Item = Tlv<'a>, IntoIter: Clone>,
    {
        let Outgoing { command, transport, addresses, checksum, multiple, .. } = self;
        Outgoing { command, transport, addresses, tlvs: tlvs.into_iter(), checksum, multiple }
    }

    /// Whether to add a CRC32c of the whole header: as the first TLV, or where the
    /// TLVs say.
    ///
    /// ```
    /// assert_eq!(realpeer::Outgoing::local().checksum(true).len(), Ok(16 + 3 + 4));
    /// ```
    #[must_use]
    pub fn checksum(self, checksum: bool) -> Self {
        Outgoing { checksum, ..self }
    }

    /// Pads the header at its end with a NOOP TLV to a multiple of this many
    /// bytes; 0 and 1 leave it as it is. As a TLV has no less than three bytes,
    /// the next multiple is taken where one or two are missing.
    ///
    /// The 100 bytes of AWS's headers are `pad_to_multiple(100)`.
    ///
    /// ```
    /// use realpeer::Outgoing;
    ///
    /// let header = Outgoing::proxy("192.0.2.1:1".parse()?, "192.0.2.2:2".parse()?);
    /// assert_eq!(header.len(), Ok(28));
    /// assert_eq!(header.pad_to_multiple(100).len(), Ok(100));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn pad_to_multiple(self, multiple: u16) -> Self {
        Outgoing { multiple, ..self }
    }

    /// Bytes of the header.
    ///
    /// # Errors
    /// As [`write`](Outgoing::write), but for [`WriteError::NoRoom`].
    ///
    /// ```
    /// use realpeer::Outgoing;
    ///
    /// let header = Outgoing::local().pad_to_multiple(64);
    /// let mut buffer = vec![0; header.len()?];
    /// assert_eq!(header.write(&mut buffer)?, 64);
    /// # Ok::<(), realpeer::WriteError>(())
    /// ```
    #[allow(clippy::len_without_is_empty)] // no header is empty
    pub fn len(&self) -> Result<usize, WriteError> {
        Ok(self.plan()?.total())
    }

    /// Writes the header to the beginning of `out`, and returns its length.
    ///
    /// # Errors
    /// A [`WriteError`]; then nothing is written.
    ///
    /// ```
    /// use realpeer::{Outgoing, WriteError};
    ///
    /// let mut buffer = [0; 10];
    /// assert_eq!(Outgoing::local().write(&mut buffer), Err(WriteError::NoRoom { needed: 16 }));
    /// ```
    pub fn write(&self, out: &mut [u8]) -> Result<usize, WriteError> {
        let plan = self.plan()?;
        let block_len = u16::try_from(plan.block_len()).map_err(|_| WriteError::TooMuch)?;
        let len = write_whole(out, |header| {
            header.extend(SIGNATURE);
            header.push(2 << 4 | self.command as u8);
            header.push((plan.family as u8) << 4 | self.transport as u8);
            header.extend(&block_len.to_be_bytes());
            addresses(header, plan.family, self.addresses);
            if plan.checksum_is_first {
                push(header, types::CRC32C, &[0; CHECKSUM_LEN]);
            }
            for tlv in self.tlvs.clone() {
                match tlv.kind {
                    types::CRC32C => push(header, types::CRC32C, &[0; CHECKSUM_LEN]),
                    kind => push(header, kind, tlv.value),
                }
            }
            if let Some(value) = plan.padding.checked_sub(HEAD) {
                header.push(types::NOOP);
                header.extend(&u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
                (0..value).for_each(|_| header.push(0));
            }
        })?;
        if let (Some(at), Some(header)) = (plan.checksum_at(), out.get_mut(..len)) {
            let checksum = Crc32c::new().update(header).finish();
            if let Some(field) = header.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *field = checksum.to_be_bytes();
            }
        }
        Ok(len)
    }

    fn plan(&self) -> Result<Plan, WriteError> {
        let family = self.family()?;
        let tlvs = measure(self.tlvs.clone())?;
        let checksum_is_first = self.checksum && tlvs.checksum_at.is_none();
        let mut plan = Plan { family, checksum_is_first, tlvs, padding: 0 };
        plan.padding = padding(plan.total(), self.multiple.into());
        if plan.block_len() > LONGEST { Err(WriteError::TooMuch) } else { Ok(plan) }
    }

    /// The family in which both addresses can be said.
    fn family(&self) -> Result<Family, WriteError> {
        match (self.command, self.transport, self.addresses) {
            (_, Transport::Unspec, Addresses::None) => Ok(Family::Unspec),
            // An address that nobody may use has no place in a header, and which
            // of its halves says so is not agreed upon.
            (Command::Local, ..) | (_, _, Addresses::None) | (_, Transport::Unspec, _) => {
                Err(WriteError::BadAddress)
            }
            (_, _, Addresses::Inet { source, destination }) => {
                let both_v4 = source.is_ipv4() && destination.is_ipv4();
                Ok(if both_v4 { Family::Inet } else { Family::Inet6 })
            }
            (_, _, Addresses::Unix { source, destination }) => {
                let fit = source.len() <= UNIX_PATH && destination.len() <= UNIX_PATH;
                if fit { Ok(Family::Unix) } else { Err(WriteError::BadAddress) }
            }
        }
    }
}

/// How long the parts are.
struct Plan {
    family: Family,
    /// Whether a checksum precedes the TLVs that were given.
    checksum_is_first: bool,
    tlvs: Measured,
    padding: usize,
}

impl Plan {
    /// Where the TLVs that were given begin.
    fn tlvs_at(&self) -> usize {
        let checksum = if self.checksum_is_first { HEAD.saturating_add(CHECKSUM_LEN) } else { 0 };
        FIXED.saturating_add(self.family.block_len()).saturating_add(checksum)
    }

    fn total(&self) -> usize {
        self.tlvs_at().saturating_add(self.tlvs.len).saturating_add(self.padding)
    }

    fn block_len(&self) -> usize {
        self.total().saturating_sub(FIXED)
    }

    fn checksum_at(&self) -> Option<usize> {
        if self.checksum_is_first {
            return Some(self.tlvs_at().saturating_sub(CHECKSUM_LEN));
        }
        self.tlvs.checksum_at.map(|at| at.saturating_add(self.tlvs_at()))
    }
}

/// Bytes that are missing to a multiple; never one or two, which no TLV has.
fn padding(len: usize, multiple: usize) -> usize {
    let missing = match len.checked_rem(multiple) {
        None | Some(0) => return 0,
        Some(over) => multiple.saturating_sub(over),
    };
    if missing < HEAD { missing.saturating_add(multiple) } else { missing }
}

fn addresses(header: &mut Sink<'_>, family: Family, addresses: Addresses<'_>) {
    match addresses {
        Addresses::None => {}
        Addresses::Inet { source, destination } => {
            ip(header, family, source.ip());
            ip(header, family, destination.ip());
            header.extend(&source.port().to_be_bytes());
            header.extend(&destination.port().to_be_bytes());
        }
        Addresses::Unix { source, destination } => {
            for path in [source, destination] {
                header.extend(path);
                (path.len()..UNIX_PATH).for_each(|_| header.push(0));
            }
        }
    }
}

fn ip(header: &mut Sink<'_>, family: Family, ip: IpAddr) {
    match (ip, family) {
        (IpAddr::V4(ip), Family::Inet) => header.extend(&ip.octets()),
        (IpAddr::V4(ip), _) => header.extend(&ip.to_ipv6_mapped().octets()),
        (IpAddr::V6(ip), _) => header.extend(&ip.octets()),
    }
}
