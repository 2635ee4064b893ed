//! The way in: which version the first bytes are of, and what may be read.
#![forbid(unsafe_code)]

use crate::header::{Progress, Version};
use crate::outcome::Outcome;
use crate::{v1, v2};

/// Bytes of the shortest version 2 header, and the least [`Limits::max_header`].
///
/// ```
/// let mut buffer = [0; realpeer::MIN_HEADER as usize];
/// assert_eq!(realpeer::Outgoing::local().write(&mut buffer), Ok(buffer.len()));
/// ```
pub const MIN_HEADER: u32 = 16;
/// Bytes of the longest version 2 header there can be: 16 + 65,535.
///
/// ```
/// use realpeer::{Limits, MAX_HEADER};
///
/// let limits = Limits { max_header: MAX_HEADER, ..Limits::default() };
/// assert_eq!(limits.max_header, 16 + 65_535);
/// ```
pub const MAX_HEADER: u32 = 65_551;

/// A set of versions.
///
/// ```
/// use realpeer::{Limits, Outcome, Versions, parse};
///
/// let limits = Limits { versions: Versions::V2, ..Limits::default() };
/// assert_eq!(parse(b"PROXY UNKNOWN\r\n", &limits), Err(Outcome::VersionDisallowed));
/// ```
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
    ///
    /// ```
    /// use realpeer::{Version, Versions};
    ///
    /// assert!(Versions::BOTH.contains(Version::V1));
    /// assert!(!Versions::V2.contains(Version::V1));
    /// ```
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
///
/// The default is both versions, and 4096 bytes.
///
/// ```
/// use realpeer::{Limits, Outcome, Outgoing, parse};
///
/// let mut buffer = [0; 200];
/// let len = Outgoing::local().pad_to_multiple(200).write(&mut buffer)?;
/// let limits = Limits { max_header: 107, ..Limits::default() };
/// assert_eq!(parse(&buffer[..len], &limits), Err(Outcome::TooLong));
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes that a version 2 header may have in all, from [`MIN_HEADER`] to
    /// [`MAX_HEADER`]; version 1 has its own limit, [`V1_MAX`](crate::V1_MAX).
    pub max_header: u32,
    /// The versions that are accepted.
    pub versions: Versions,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_header: 4096, versions: Versions::BOTH }
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

#[inline]
pub(crate) fn signature(bytes: &[u8]) -> Signature {
    match bytes.first() {
        None => Signature::Partial(v1::LEAST),
        Some(b'P') => compare(bytes, v1::SIGNATURE, Version::V1, v1::LEAST),
        Some(b'\r') => compare(bytes, v2::SIGNATURE, Version::V2, v2::FIXED),
        Some(_) => Signature::None,
    }
}

/// Of a known length, a signature is compared in a few words.
#[inline]
fn compare<const N: usize>(
    bytes: &[u8],
    signature: &[u8; N],
    version: Version,
    least: usize,
) -> Signature {
    match bytes.first_chunk::<N>() {
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
///
/// ```
/// use realpeer::{Limits, Outcome, Progress, parse};
///
/// let stream = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
///
/// // A part of the header is not an error, it is not enough.
/// assert!(matches!(parse(&stream[..20], &Limits::default()), Ok(Progress::More { .. })));
///
/// let Ok(Progress::Done(header)) = parse(stream, &Limits::default()) else { panic!() };
/// assert_eq!(header.source(), Some("192.0.2.1:56324".parse().unwrap()));
/// assert_eq!(&stream[header.len()..], b"GET / HTTP/1.1\r\n");
///
/// // The first byte that is impossible is enough to say so.
/// assert!(parse(b"PROXY TCP4 0", &Limits::default()).is_ok());
/// assert_eq!(parse(b"PROXY TCP4 00", &Limits::default()), Err(Outcome::BadV1));
/// ```
#[inline(always)]
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
