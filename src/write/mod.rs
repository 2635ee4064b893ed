//! Headers to be sent: version 1, version 2, and what keeps one from being
//! written.
//!
//! Every function writes into a buffer of the caller, whole or not at all. What
//! [`parse`](crate::parse) would refuse is not written.
#![forbid(unsafe_code)]

mod tlvs;
mod v1;
mod v2;

pub use tlvs::write_ssl;
pub use v1::write_v1;
pub use v2::Outgoing;

use core::ffi::CStr;
use core::fmt;

use crate::outcome::text_of;
use crate::text::{Sink, whole_or_nothing};

/// Why a header was not written. Nothing is in the buffer then.
///
/// ```
/// use realpeer::{Outgoing, WriteError, write_v1};
///
/// let (v4, v6) = ("192.0.2.1:1".parse()?, "[2001:db8::1]:2".parse()?);
/// let mut small = [0; 20];
/// assert_eq!(write_v1(Some((v4, v6)), &mut small), Err(WriteError::MixedFamilies));
///
/// // Version 2 has a way to say it.
/// let header = Outgoing::proxy(v4, v6);
/// assert_eq!(header.write(&mut small), Err(WriteError::NoRoom { needed: 52 }));
/// assert_eq!(small, [0; 20]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteError {
    /// The buffer is too small.
    NoRoom {
        /// Bytes that would have been enough.
        needed: usize,
    },
    /// A header can be no longer than 65,551 bytes, the value of a TLV no longer
    /// than 65,535.
    TooMuch,
    /// Version 1 has no form for an IPv4 and an IPv6 address in one line.
    MixedFamilies,
    /// Addresses that do not go together: of a LOCAL header, without a transport,
    /// only one of two, or a path of more than 108 bytes.
    BadAddress,
    /// The value of a TLV is not of the form its type demands: a unique id of more
    /// than 128 bytes, an SSL TLV that is not whole, a second checksum.
    InvalidTlv,
}

impl WriteError {
    pub(crate) const fn c_text(self) -> &'static CStr {
        match self {
            WriteError::NoRoom { .. } => c"the buffer is too small for the header",
            WriteError::TooMuch => c"more than a header can hold",
            WriteError::MixedFamilies => c"IPv4 and IPv6 in one line of version 1",
            WriteError::BadAddress => c"addresses that a header cannot say",
            WriteError::InvalidTlv => c"the value of a TLV is not of the form of its type",
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(text_of(self.c_text()))
    }
}

impl core::error::Error for WriteError {}

/// Writes what `fill` pushes, and returns its length.
fn write_whole(out: &mut [u8], fill: impl Fn(&mut Sink<'_>)) -> Result<usize, WriteError> {
    let room = out.len();
    match whole_or_nothing(out, fill) {
        needed if needed > room => Err(WriteError::NoRoom { needed }),
        len => Ok(len),
    }
}
