//! The header as a whole: which version it is, and what came out of it.
#![forbid(unsafe_code)]

use core::net::SocketAddr;

use crate::address::{Family, Transport};
use crate::outcome::Outcome;
use crate::tlv::Tlvs;
use crate::{v1, v2};

/// Bytes of the shortest version 2 header, and the least [`Limits::max_header`].
pub const MIN_HEADER: u32 = 16;
/// Bytes of the longest version 2 header there can be: 16 + 65,535.
pub const MAX_HEADER: u32 = 65_551;
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

/// A set of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions(u8);

impl Versions {
    /// Version 1 only.
    pub const V1: Versions = Versions(1);
    /// Version 2 only.
    pub const V2: Versions = Versions(2);
    /// Both versions.
    pub const BOTH: Versions = Versions(3);

    /// Whether `version` is in the set.
    #[must_use]
    pub const fn contains(self, version: Version) -> bool {
        self.0 & version as u8 != 0
    }

    #[cfg(feature = "ffi")]
    pub(crate) const fn from_bits(bits: u8) -> Option<Versions> {
        match bits {
            0 => Some(Versions::BOTH),
            1..=3 => Some(Versions(bits)),
            _ => None,
        }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Versions::BOTH
    }
}

/// What a header may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes that a version 2 header may have in all, from [`MIN_HEADER`] to
    /// [`MAX_HEADER`]; version 1 has its own limit, [`V1_MAX`].
    pub max_header: u32,
    /// The versions that are accepted.
    pub versions: Versions,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_header: 4096, versions: Versions::BOTH }
    }
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
        match (self.command, self.addresses, self.transport) {
            (Command::Local, ..) => Outcome::Local,
            (_, Addresses::Inet { .. }, Transport::Stream) => Outcome::Proxy,
            _ => Outcome::NoAddress,
        }
    }
}

/// What the first bytes of a connection say about the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// They are the beginning of one of the signatures, or nothing at all; a
    /// header has at least this many bytes.
    Partial(usize),
    /// They can be neither.
    None,
    /// The whole signature of this version is there.
    Whole(Version),
}

pub(crate) fn signature(bytes: &[u8]) -> Signature {
    let (signature, version, least) = match bytes.first() {
        None => return Signature::Partial(v1::LEAST),
        Some(b'P') => (v1::SIGNATURE, Version::V1, v1::LEAST),
        Some(b'\r') => (v2::SIGNATURE, Version::V2, v2::FIXED),
        Some(_) => return Signature::None,
    };
    match bytes.get(..signature.len()) {
        Some(head) if head == signature => Signature::Whole(version),
        None if signature.starts_with(bytes) => Signature::Partial(least),
        _ => Signature::None,
    }
}

/// Reads a header at the beginning of `bytes`.
///
/// The function keeps no state: while it answers [`Progress::More`], call it again
/// with the same bytes and those that have come since.
///
/// # Errors
/// One of the refusals from [`Outcome::NoHeader`] to [`Outcome::VersionDisallowed`],
/// as soon as no bytes that could follow would make a valid header.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Progress<'a>, Outcome> {
    let version = match signature(bytes) {
        Signature::Partial(need) => return Ok(Progress::More { need }),
        Signature::None => return Err(Outcome::NoHeader),
        Signature::Whole(version) => version,
    };
    if !limits.versions.contains(version) {
        return Err(Outcome::VersionDisallowed);
    }
    match version {
        Version::V1 => v1::parse(bytes),
        Version::V2 => v2::parse(bytes, limits.max_header),
    }
}
