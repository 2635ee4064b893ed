//! TLVs to be sent (sections 2.2 to 2.2.6).

use super::{WriteError, write_whole};
use crate::text::Sink;
use crate::tlv::{CHECKSUM_LEN, HEAD, Tlv, types};

/// Bytes of the longest value, and of all that may follow the length of a header.
pub(super) const LONGEST: usize = 65_535;
/// `client` and `verify` in front of the TLVs of an SSL TLV.
const SSL_HEAD: usize = 5;

pub(super) fn push(out: &mut Sink<'_>, kind: u8, value: &[u8]) {
    out.push(kind);
    // The length was looked at when the TLVs were measured.
    out.extend(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value);
}

/// What a run of TLVs takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// Bytes of all of them.
    pub(super) len: usize,
    /// Where among them the value of the checksum stands, if there is one.
    pub(super) checksum_at: Option<usize>,
}

/// Measures TLVs, of which none may break the format of its type. A checksum is
/// only a place: its value is not looked at.
pub(super) fn measure<'a>(tlvs: impl Iterator<Item = Tlv<'a>>) -> Result<Measured, WriteError> {
    let mut measured = Measured::default();
    for tlv in tlvs {
        let value_at = measured.len.saturating_add(HEAD);
        let len = if tlv.kind == types::CRC32C {
            if measured.checksum_at.replace(value_at).is_some() {
                return Err(WriteError::InvalidTlv);
            }
            CHECKSUM_LEN
        } else {
            if !tlv.keeps_its_format() {
                return Err(WriteError::InvalidTlv);
            }
            tlv.value.len()
        };
        measured.len = value_at.saturating_add(len);
        if measured.len > LONGEST {
            return Err(WriteError::TooMuch);
        }
    }
    Ok(measured)
}

/// Writes the value of an SSL TLV, and returns its length: what is known of the
/// client's TLS connection.
///
/// `client` is a sum of [`Ssl::SSL`], [`Ssl::CERT_CONN`] and [`Ssl::CERT_SESS`];
/// `verify` is 0 only where the client showed a certificate that was found good.
/// The specification wants [`types::SSL_VERSION`] among the TLVs within.
///
/// [`Ssl::SSL`]: crate::Ssl::SSL
/// [`Ssl::CERT_CONN`]: crate::Ssl::CERT_CONN
/// [`Ssl::CERT_SESS`]: crate::Ssl::CERT_SESS
///
/// # Errors
/// [`WriteError::TooMuch`] or [`WriteError::NoRoom`].
///
/// ```
/// use realpeer::{Outgoing, Ssl, Tlv, types, write_ssl};
///
/// let mut value = [0; 64];
/// let version = Tlv { kind: types::SSL_VERSION, value: b"TLSv1.3" };
/// let len = write_ssl(Ssl::SSL, 1, [version], &mut value)?;
///
/// let ssl = Tlv { kind: types::SSL, value: &value[..len] };
/// let mut header = [0; 128];
/// let len = Outgoing::local().tlvs([ssl]).write(&mut header)?;
/// assert_eq!(len, 16 + 3 + 5 + 3 + 7);
/// # Ok::<(), realpeer::WriteError>(())
/// ```
pub fn write_ssl<'a, I>(
    client: u8,
    verify: u32,
    tlvs: I,
    out: &mut [u8],
) -> Result<usize, WriteError>
where
    I: IntoIterator<Item = Tlv<'a>, IntoIter: Clone>,
{
    let tlvs = tlvs.into_iter();
    // Types mean something else in here, so only lengths are looked at.
    let mut len = SSL_HEAD;
    for tlv in tlvs.clone() {
        len = len.saturating_add(HEAD).saturating_add(tlv.value.len());
        if len > LONGEST {
            return Err(WriteError::TooMuch);
        }
    }
    write_whole(out, |value| {
        value.push(client);
        value.extend(&verify.to_be_bytes());
        tlvs.clone().for_each(|tlv| push(value, tlv.kind, tlv.value));
    })
}
