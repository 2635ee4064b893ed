//! What comes out: a header, as both versions give it.
#![forbid(unsafe_code)]

use core::net::SocketAddr;

use crate::address::{Family, Transport};
use crate::outcome::Outcome;
use crate::tlv::Tlvs;

/// Bytes of the longest version 1 line, CR and LF included (section 2.1).
pub const V1_MAX: usize = 107;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Version {
    /// The line of text (section 2.1).
    V1 = 1,
    /// The binary header (section 2.2).
    V2 = 2,
}

/// The command of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// The sender speaks for itself, for example a health check.
    Local = 0,
    /// The connection is relayed for somebody else. Version 1 has only this.
    Proxy = 1,
}

/// How far the bytes go.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPath<'a>(pub(crate) &'a [u8]);

impl<'a> UnixPath<'a> {
    /// All 108 bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The path up to its first NUL; empty for an unnamed or abstract socket.
    #[must_use]
    pub fn path(self) -> &'a [u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses<'a> {
    None,
    Inet { source: SocketAddr, destination: SocketAddr },
    Unix { source: &'a [u8], destination: &'a [u8] },
}

/// A valid header. It borrows the bytes it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) version: Version,
    pub(crate) command: Command,
    pub(crate) family: Family,
    pub(crate) transport: Transport,
    pub(crate) addresses: Addresses<'a>,
    pub(crate) tlvs: Tlvs<'a>,
    pub(crate) checksum: bool,
}

impl<'a> Header<'a> {
    /// Bytes of the header: exactly these precede the application's data.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // no header is empty
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The header as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The version of the protocol it is written in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it speaks for a client or for the sender itself.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command
    }

    /// The family of its addresses; [`Family::Unspec`] where they are not to be
    /// used (LOCAL, UNKNOWN, or either half of byte 14 unspecified).
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The transport of the relayed connection.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Address and port of the client, as they stand in the header (a v4-mapped
    /// one as IPv6: see [`canonical`](crate::canonical)).
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Inet { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Address and port that the client connected to, as they stand in the header.
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Inet { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// Source and destination of a relayed Unix socket.
    #[must_use]
    pub fn unix_paths(&self) -> Option<(UnixPath<'a>, UnixPath<'a>)> {
        match self.addresses {
            Addresses::Unix { source, destination } => {
                Some((UnixPath(source), UnixPath(destination)))
            }
            _ => None,
        }
    }

    /// The TLVs; none in version 1.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'a> {
        self.tlvs
    }

    /// Whether the header carried a CRC32c, which was right.
    #[must_use]
    pub fn checksum_verified(&self) -> bool {
        self.checksum
    }

    /// What the header means for a TCP connection: [`Outcome::Proxy`],
    /// [`Outcome::Local`] or [`Outcome::NoAddress`]. Only the address of a stream
    /// over IP can replace the peer of a TCP connection.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome_for(Transport::Stream)
    }

    /// The same for what came over this transport.
    pub(crate) fn outcome_for(&self, transport: Transport) -> Outcome {
        match (self.command, self.addresses) {
            (Command::Local, _) => Outcome::Local,
            (_, Addresses::Inet { .. }) if self.transport == transport => Outcome::Proxy,
            _ => Outcome::NoAddress,
        }
    }
}
