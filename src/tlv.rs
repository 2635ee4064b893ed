//! Type-length-value vectors behind the addresses (sections 2.2.1 to 2.2.8).
#![forbid(unsafe_code)]

use crate::crc32c::Crc32c;
use crate::outcome::Outcome;

/// The registered types.
///
/// ```
/// use realpeer::{Tlvs, types};
///
/// let tlvs = Tlvs::new(b"\x01\0\x02h2");
/// assert_eq!(tlvs.find(types::ALPN), Some(&b"h2"[..]));
/// ```
pub mod types {
    /// Application protocol, such as `h2` (2.2.1).
    pub const ALPN: u8 = 0x01;
    /// Host name the client asked for, as a copy of TLS SNI (2.2.2).
    pub const AUTHORITY: u8 = 0x02;
    /// Checksum of the whole header (2.2.3).
    pub const CRC32C: u8 = 0x03;
    /// Padding (2.2.4).
    pub const NOOP: u8 = 0x04;
    /// Opaque identifier of the connection, up to 128 bytes (2.2.5).
    pub const UNIQUE_ID: u8 = 0x05;
    /// TLS of the client's connection, with TLVs of its own (2.2.6).
    pub const SSL: u8 = 0x20;
    /// Within SSL: version, such as `TLSv1.3`.
    pub const SSL_VERSION: u8 = 0x21;
    /// Within SSL: common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Within SSL: cipher.
    pub const SSL_CIPHER: u8 = 0x23;
    /// Within SSL: signature algorithm of the server's certificate.
    pub const SSL_SIG_ALG: u8 = 0x24;
    /// Within SSL: key algorithm of the server's certificate.
    pub const SSL_KEY_ALG: u8 = 0x25;
    /// Within SSL: key exchange group.
    pub const SSL_GROUP: u8 = 0x26;
    /// Within SSL: signature scheme of the handshake.
    pub const SSL_SIG_SCHEME: u8 = 0x27;
    /// Within SSL: the client's certificate in DER.
    pub const SSL_CLIENT_CERT: u8 = 0x28;
    /// Name of the network namespace (2.2.7).
    pub const NETNS: u8 = 0x30;
    /// Google Cloud Private Service Connect (0xE0 to 0xEF are the senders' own).
    pub const GCP: u8 = 0xe0;
    /// AWS VPC endpoint.
    pub const AWS: u8 = 0xea;
    /// Azure Private Link.
    pub const AZURE: u8 = 0xee;
}

pub(crate) const HEAD: usize = 3;
pub(crate) const CHECKSUM_LEN: usize = 4;
const UNIQUE_ID_MAX: usize = 128;

/// One type-length-value vector.
///
/// ```
/// use realpeer::{Outgoing, Tlv, types};
///
/// let id = Tlv { kind: types::UNIQUE_ID, value: b"8f1c" };
/// assert_eq!(Outgoing::local().tlvs([id]).len(), Ok(16 + 3 + 4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type, see [`types`].
    pub kind: u8,
    /// Its value, up to 65,535 bytes.
    pub value: &'a [u8],
}

impl Tlv<'_> {
    /// Whether the value is of the form that its type demands; of a checksum only
    /// the whole header can tell.
    pub(crate) fn keeps_its_format(&self) -> bool {
        match self.kind {
            types::UNIQUE_ID => self.value.len() <= UNIQUE_ID_MAX,
            types::SSL => Ssl::new(self.value).is_some_and(|ssl| ssl.tlvs.are_whole()),
            _ => true,
        }
    }
}

/// A run of TLVs, to be iterated.
///
/// Bytes that are not well-formed end the iteration; those of a [`Header`] that
/// [`parse`] returned always are.
///
/// [`Header`]: crate::Header
/// [`parse`]: crate::parse
///
/// ```
/// use realpeer::{Tlv, Tlvs, types};
///
/// let mut tlvs = Tlvs::new(b"\x01\0\x02h2\x05\0\x01!");
/// assert_eq!(tlvs.next(), Some(Tlv { kind: types::ALPN, value: b"h2" }));
/// assert_eq!(tlvs.next(), Some(Tlv { kind: types::UNIQUE_ID, value: b"!" }));
/// assert_eq!(tlvs.next(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(crate) const EMPTY: Tlvs<'static> = Tlvs { rest: &[] };

    /// The TLVs in `bytes`.
    ///
    /// ```
    /// use realpeer::Tlvs;
    ///
    /// assert_eq!(Tlvs::new(b"\x01\0\x02h2").count(), 1);
    /// assert_eq!(Tlvs::new(b"\x01\0\x02h").count(), 0); // a byte is missing
    /// ```
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Tlvs { rest: bytes }
    }

    /// The bytes that are left.
    ///
    /// ```
    /// use realpeer::Tlvs;
    ///
    /// let mut tlvs = Tlvs::new(b"\x01\0\x02h2\x05\0\x01!");
    /// tlvs.next();
    /// assert_eq!(tlvs.as_bytes(), b"\x05\0\x01!");
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The first TLV of this type.
    ///
    /// ```
    /// use realpeer::{Tlvs, types};
    ///
    /// let tlvs = Tlvs::new(b"\x01\0\x02h2\x05\0\x01!");
    /// assert_eq!(tlvs.find(types::UNIQUE_ID), Some(&b"!"[..]));
    /// assert_eq!(tlvs.find(types::AUTHORITY), None);
    /// ```
    #[must_use]
    pub fn find(mut self, kind: u8) -> Option<&'a [u8]> {
        self.by_ref().find(|tlv| tlv.kind == kind).map(|tlv| tlv.value)
    }

    /// What the sender says of the client's TLS connection.
    ///
    /// ```
    /// use realpeer::Tlvs;
    ///
    /// // The client came over TLS and showed no certificate.
    /// let tlvs = Tlvs::new(b"\x20\0\x05\x01\0\0\0\0");
    /// let ssl = tlvs.ssl().unwrap();
    /// assert!(ssl.is_tls());
    /// assert!(!ssl.verified()); // though `verify` is 0
    /// ```
    #[must_use]
    pub fn ssl(self) -> Option<Ssl<'a>> {
        Ssl::new(self.find(types::SSL)?)
    }

    fn split_first(self) -> Option<(Tlv<'a>, Tlvs<'a>)> {
        let (&[kind, high, low], rest) = self.rest.split_first_chunk::<HEAD>()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(len)?;
        Some((Tlv { kind, value }, Tlvs { rest }))
    }

    fn are_whole(mut self) -> bool {
        self.by_ref().for_each(drop);
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = self.split_first()?;
        *self = rest;
        Some(tlv)
    }
}

impl core::iter::FusedIterator for Tlvs<'_> {}

/// The SSL TLV (2.2.6): what the sender says of the client's TLS connection.
///
/// ```
/// use realpeer::{Ssl, Tlv, Tlvs, types, write_ssl};
///
/// let name = Tlv { kind: types::SSL_CN, value: b"visitor" };
/// let mut value = [0; 64];
/// let len = write_ssl(Ssl::SSL | Ssl::CERT_CONN, 0, [name], &mut value)?;
///
/// let ssl = Ssl::new(&value[..len]).unwrap();
/// assert!(ssl.is_tls() && ssl.verified());
/// assert_eq!(ssl.common_name(), Some((&b"visitor"[..], true)));
/// # Ok::<(), realpeer::WriteError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssl<'a> {
    client: u8,
    verify: u32,
    tlvs: Tlvs<'a>,
}

impl<'a> Ssl<'a> {
    /// In the `client` field: the client came over TLS.
    pub const SSL: u8 = 1;
    /// In the `client` field: it showed a certificate in this connection.
    pub const CERT_CONN: u8 = 2;
    /// In the `client` field: it showed one in the session it resumed.
    pub const CERT_SESS: u8 = 4;

    /// Takes the value of an SSL TLV apart.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// assert!(Ssl::new(b"\x01\0\0\0\x01").is_some());
    /// assert_eq!(Ssl::new(b"\x01\0\0"), None);
    /// ```
    #[must_use]
    pub fn new(value: &'a [u8]) -> Option<Self> {
        let (&client, rest) = value.split_first()?;
        let (&verify, rest) = rest.split_first_chunk()?;
        Some(Ssl { client, verify: u32::from_be_bytes(verify), tlvs: Tlvs::new(rest) })
    }

    /// The bits of the `client` field as sent.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// let ssl = Ssl::new(b"\x05\0\0\0\0").unwrap();
    /// assert_eq!(ssl.client(), Ssl::SSL | Ssl::CERT_SESS);
    /// ```
    #[must_use]
    pub fn client(&self) -> u8 {
        self.client
    }

    /// The `verify` field as sent (network byte order). On its own it says
    /// nothing: senders set it to 0 where there was no certificate.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// assert_eq!(Ssl::new(b"\x01\0\0\0\x13").unwrap().verify(), 19);
    /// ```
    #[must_use]
    pub fn verify(&self) -> u32 {
        self.verify
    }

    /// Whether the client came over TLS.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// assert!(Ssl::new(b"\x01\0\0\0\x01").unwrap().is_tls());
    /// assert!(!Ssl::new(b"\0\0\0\0\x01").unwrap().is_tls());
    /// ```
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.client & Self::SSL != 0
    }

    /// Whether the client showed a certificate, in this connection or in the
    /// session it resumed, and the sender verified it.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// assert!(Ssl::new(b"\x03\0\0\0\0").unwrap().verified());
    /// assert!(!Ssl::new(b"\x03\0\0\0\x13").unwrap().verified()); // a bad certificate
    /// assert!(!Ssl::new(b"\x01\0\0\0\0").unwrap().verified()); // none
    /// ```
    #[must_use]
    pub fn verified(&self) -> bool {
        self.client & (Self::CERT_CONN | Self::CERT_SESS) != 0 && self.verify == 0
    }

    /// The TLVs within.
    ///
    /// ```
    /// use realpeer::{Ssl, types};
    ///
    /// let ssl = Ssl::new(b"\x01\0\0\0\x01\x21\0\x07TLSv1.3").unwrap();
    /// assert_eq!(ssl.tlvs().find(types::SSL_VERSION), Some(&b"TLSv1.3"[..]));
    /// ```
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'a> {
        self.tlvs
    }

    /// The common name of the client's certificate, and whether that was
    /// verified: together, for the name alone proves nothing.
    ///
    /// ```
    /// use realpeer::Ssl;
    ///
    /// let ssl = Ssl::new(b"\x03\0\0\0\x13\x22\0\x05admin").unwrap();
    /// assert_eq!(ssl.common_name(), Some((&b"admin"[..], false))); // so he says
    /// ```
    #[must_use]
    pub fn common_name(&self) -> Option<(&'a [u8], bool)> {
        Some((self.tlvs.find(types::SSL_CN)?, self.verified()))
    }
}

/// TLVs that fill their block and keep their formats.
pub(crate) struct Checked<'a> {
    pub(crate) tlvs: Tlvs<'a>,
    /// Where in the header the value of the checksum stands.
    pub(crate) checksum_at: Option<usize>,
}

/// Checks the TLVs from byte `start` to the end of `header`.
pub(crate) fn check(header: &[u8], start: usize) -> Result<Checked<'_>, Outcome> {
    let tlvs = Tlvs::new(header.get(start..).ok_or(Outcome::BadTlv)?);
    let mut checksum_at = None;
    let mut left = tlvs;
    while let Some(tlv) = left.next() {
        let sound = match tlv.kind {
            types::CRC32C => {
                let end = header.len().saturating_sub(left.rest.len());
                let first = checksum_at.replace(end.saturating_sub(CHECKSUM_LEN)).is_none();
                first && tlv.value.len() == CHECKSUM_LEN
            }
            _ => tlv.keeps_its_format(),
        };
        if !sound {
            return Err(Outcome::BadTlv);
        }
    }
    if !left.rest.is_empty() {
        return Err(Outcome::BadTlv);
    }
    Ok(Checked { tlvs, checksum_at })
}

impl Checked<'_> {
    pub(crate) const NONE: Checked<'static> = Checked { tlvs: Tlvs::EMPTY, checksum_at: None };

    /// Compares the checksum, where there is one, with that of the whole header,
    /// its own four bytes counted as zeroes.
    #[inline]
    pub(crate) fn verify(&self, header: &[u8]) -> Result<(), Outcome> {
        self.checksum_at.map_or(Ok(()), |at| verify(header, at))
    }
}

fn verify(header: &[u8], at: usize) -> Result<(), Outcome> {
    let (before, rest) = header.split_at_checked(at).ok_or(Outcome::BadTlv)?;
    let (stated, after) = rest.split_first_chunk::<CHECKSUM_LEN>().ok_or(Outcome::BadTlv)?;
    let computed = Crc32c::new().update_all(&[before, &[0; CHECKSUM_LEN], after]).finish();
    if computed == u32::from_be_bytes(*stated) { Ok(()) } else { Err(Outcome::BadChecksum) }
}
