//! Named fields of the TLVs, as configuration files and variables call them.
#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::outcome::text_of;
use crate::text::{Sink, whole_or_nothing};
use crate::tlv::{Tlvs, types};

/// What a name such as `authority`, `ssl_cn` or `0xE4` stands for.
///
/// ```
/// use realpeer::{TlvField, Tlvs, types};
///
/// let tlvs = Tlvs::new(b"\x02\0\x0fwww.example.com");
/// let field = TlvField::from_name(b"authority").unwrap();
/// assert_eq!(field, TlvField::Kind(types::AUTHORITY));
/// assert_eq!(field.bytes(tlvs), Some(&b"www.example.com"[..]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlvField {
    /// The first TLV of this type, byte for byte. Padding is never given.
    Kind(u8),
    /// The first TLV of this type within the SSL TLV. The common name is given
    /// only where it was [verified](crate::Ssl::verified): on its own it proves
    /// nothing.
    Ssl(u8),
    /// Whether the client's certificate was verified, `1` or `0`; absent without
    /// an SSL TLV. In hex: the five bytes it is read from.
    SslVerified,
    /// The AWS VPC endpoint (type 0xEA, subtype 1).
    AwsVpceId,
    /// The Azure Private Link id (type 0xEE, subtype 1), a little-endian number.
    AzureLinkId,
    /// The Google Private Service Connect id (type 0xE0), a big-endian number.
    GcpPscId,
}

const NAMES: &[(&CStr, TlvField)] = &[
    (c"alpn", TlvField::Kind(types::ALPN)),
    (c"authority", TlvField::Kind(types::AUTHORITY)),
    (c"unique_id", TlvField::Kind(types::UNIQUE_ID)),
    (c"netns", TlvField::Kind(types::NETNS)),
    (c"ssl_version", TlvField::Ssl(types::SSL_VERSION)),
    (c"ssl_cn", TlvField::Ssl(types::SSL_CN)),
    (c"ssl_cipher", TlvField::Ssl(types::SSL_CIPHER)),
    (c"ssl_sig_alg", TlvField::Ssl(types::SSL_SIG_ALG)),
    (c"ssl_key_alg", TlvField::Ssl(types::SSL_KEY_ALG)),
    (c"ssl_group", TlvField::Ssl(types::SSL_GROUP)),
    (c"ssl_sig_scheme", TlvField::Ssl(types::SSL_SIG_SCHEME)),
    (c"ssl_client_cert", TlvField::Ssl(types::SSL_CLIENT_CERT)),
    (c"ssl_verified", TlvField::SslVerified),
    (c"aws_vpce_id", TlvField::AwsVpceId),
    (c"azure_link_id", TlvField::AzureLinkId),
    (c"gcp_psc_id", TlvField::GcpPscId),
];

const SUBTYPE_VPCE_ID: u8 = 1;
const SUBTYPE_LINK_ID: u8 = 1;
const SSL_HEAD: usize = 5;

impl TlvField {
    /// The field of a name: one of the words, or `0x` and two hex digits for the
    /// type itself.
    ///
    /// ```
    /// use realpeer::{TlvField, types};
    /// assert_eq!(TlvField::from_name(b"alpn"), Some(TlvField::Kind(types::ALPN)));
    /// assert_eq!(TlvField::from_name(b"0xea"), Some(TlvField::Kind(types::AWS)));
    /// assert_eq!(TlvField::from_name(b"colour"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<TlvField> {
        if let [b'0', b'x', high, low] = *name {
            let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
            return Some(TlvField::Kind(digit(high)? << 4 | digit(low)?));
        }
        NAMES.iter().find(|(word, _)| word.to_bytes() == name).map(|&(_, field)| field)
    }

    /// All words, in the order of the documentation.
    ///
    /// ```
    /// assert!(realpeer::TlvField::names().any(|name| name == "aws_vpce_id"));
    /// ```
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|&(word, _)| text_of(word))
    }

    /// The word at a place of that list.
    #[cfg(feature = "ffi")]
    pub(crate) fn c_name(place: usize) -> Option<&'static CStr> {
        NAMES.get(place).map(|&(word, _)| word)
    }

    /// The field's bytes as they came, without the head and subtype of its TLV.
    ///
    /// ```
    /// use realpeer::{TlvField, Tlvs};
    ///
    /// // The name in a certificate that was not verified is nobody's.
    /// let tlvs = Tlvs::new(b"\x20\0\x0d\x03\0\0\0\x13\x22\0\x05admin");
    /// assert_eq!(TlvField::from_name(b"ssl_cn").unwrap().bytes(tlvs), None);
    /// assert_eq!(TlvField::AwsVpceId.bytes(Tlvs::new(b"\xea\0\x02\x01x")), Some(&b"x"[..]));
    /// ```
    #[must_use]
    pub fn bytes<'a>(self, tlvs: Tlvs<'a>) -> Option<&'a [u8]> {
        match self {
            TlvField::Kind(types::NOOP) => None,
            TlvField::Kind(kind) => tlvs.find(kind),
            TlvField::Ssl(types::SSL_CN) => match tlvs.ssl()?.common_name()? {
                (name, true) => Some(name),
                (_, false) => None,
            },
            TlvField::Ssl(kind) => tlvs.ssl()?.tlvs().find(kind),
            TlvField::SslVerified => tlvs.find(types::SSL)?.get(..SSL_HEAD),
            TlvField::AwsVpceId => subtype(tlvs.find(types::AWS)?, SUBTYPE_VPCE_ID),
            TlvField::AzureLinkId => {
                subtype(tlvs.find(types::AZURE)?, SUBTYPE_LINK_ID).filter(|id| id.len() == 4)
            }
            TlvField::GcpPscId => tlvs.find(types::GCP).filter(|id| id.len() == 8),
        }
    }

    /// Writes the field as text and returns the length of that; `None` where the
    /// header does not carry the field. Nothing is written if `out` is too short.
    ///
    /// Text is UTF-8 without control characters: those, backslashes and what is
    /// not UTF-8 become `\xHH`. Numbers are decimal, a certificate is base64.
    ///
    /// ```
    /// use realpeer::{TlvField, Tlvs};
    ///
    /// /// The text, if the field is there.
    /// fn text(field: TlvField, tlvs: Tlvs<'_>) -> Option<String> {
    ///     let mut text = vec![0; field.text(tlvs, &mut [])?];
    ///     field.text(tlvs, &mut text)?;
    ///     String::from_utf8(text).ok()
    /// }
    ///
    /// let tlvs = Tlvs::new(b"\xea\0\x05\x01vpce\x05\0\x03a\nb");
    /// assert_eq!(text(TlvField::AwsVpceId, tlvs).as_deref(), Some("vpce"));
    /// assert_eq!(text(TlvField::Kind(5), tlvs).as_deref(), Some("a\\x0Ab"));
    /// assert_eq!(text(TlvField::GcpPscId, tlvs), None);
    /// ```
    pub fn text(self, tlvs: Tlvs<'_>, out: &mut [u8]) -> Option<usize> {
        let bytes = self.bytes(tlvs)?;
        let verified = tlvs.ssl().is_some_and(|ssl| ssl.verified());
        Some(whole_or_nothing(out, |sink| self.write(bytes, verified, sink)))
    }

    /// Writes the field's bytes in hex and returns the length of that; `None`
    /// where the header does not carry the field. Nothing is written if `out` is
    /// too short.
    ///
    /// ```
    /// use realpeer::{TlvField, Tlvs};
    ///
    /// let tlvs = Tlvs::new(b"\x05\0\x02\x00\xff");
    /// let mut text = [0; 8];
    /// assert_eq!(TlvField::Kind(5).hex(tlvs, &mut text), Some(4));
    /// assert_eq!(&text[..4], b"00ff");
    /// ```
    pub fn hex(self, tlvs: Tlvs<'_>, out: &mut [u8]) -> Option<usize> {
        let bytes = self.bytes(tlvs)?;
        Some(whole_or_nothing(out, |sink| sink.hex(bytes)))
    }

    fn write(self, bytes: &[u8], verified: bool, sink: &mut Sink<'_>) {
        match self {
            TlvField::SslVerified => sink.push(if verified { b'1' } else { b'0' }),
            TlvField::Ssl(types::SSL_CLIENT_CERT) => sink.base64(bytes),
            TlvField::AzureLinkId => {
                sink.decimal(bytes.iter().rev().fold(0, |id, &byte| id << 8 | u64::from(byte)));
            }
            TlvField::GcpPscId => {
                sink.decimal(bytes.iter().fold(0, |id, &byte| id << 8 | u64::from(byte)));
            }
            _ => sink.sanitised(bytes),
        }
    }
}

fn subtype(value: &[u8], wanted: u8) -> Option<&[u8]> {
    match value.split_first() {
        Some((&kind, rest)) if kind == wanted => Some(rest),
        _ => None,
    }
}
