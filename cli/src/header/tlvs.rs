//! TLVs by the names that people know.

use std::path::Path;

use realpeer::{Ssl, Tlv, types, write_ssl};

use super::refused;
use crate::error::Error;
use crate::input;

/// A TLV, or something that is said in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// One of this type.
    Kind(u8, Vec<u8>),
    /// One of this type within SSL.
    Ssl(u8, Vec<u8>),
    /// Whether the client's certificate was verified.
    SslVerified(bool),
    /// The field `client` of SSL.
    SslClient(u8),
    /// The field `verify` of SSL.
    SslVerify(u32),
}

/// In front of the id, as AWS and Azure have it.
const SUBTYPE_ID: u8 = 1;

impl Named {
    pub(super) fn read(text: &str) -> Result<Named, String> {
        let (name, value) = text.split_once('=').ok_or("NAME=VALUE is wanted")?;
        let name = name.replace('_', "-");
        match name.as_str() {
            "alpn" => Ok(Named::Kind(types::ALPN, bytes(value)?)),
            "authority" => Ok(Named::Kind(types::AUTHORITY, bytes(value)?)),
            "unique-id" => Ok(Named::Kind(types::UNIQUE_ID, bytes(value)?)),
            "netns" => Ok(Named::Kind(types::NETNS, bytes(value)?)),
            "aws-vpce-id" => {
                Ok(Named::Kind(types::AWS, [&[SUBTYPE_ID][..], &bytes(value)?].concat()))
            }
            "azure-link-id" => {
                let id = u32::try_from(number(value)?).map_err(|_| "the id has 32 bits")?;
                let id = id.to_le_bytes();
                Ok(Named::Kind(types::AZURE, [&[SUBTYPE_ID][..], &id].concat()))
            }
            "gcp-psc-id" => Ok(Named::Kind(types::GCP, number(value)?.to_be_bytes().to_vec())),
            "ssl-verified" => match value {
                "yes" | "1" => Ok(Named::SslVerified(true)),
                "no" | "0" => Ok(Named::SslVerified(false)),
                _ => Err("yes or no is wanted".to_owned()),
            },
            "ssl-client" => {
                u8::try_from(number(value)?).map(Named::SslClient).map_err(|_| "8 bits".to_owned())
            }
            "ssl-verify" => {
                let verify = u32::try_from(number(value)?).map_err(|_| "verify has 32 bits")?;
                Ok(Named::SslVerify(verify))
            }
            name => match name.strip_prefix("ssl-") {
                Some(name) => Ok(Named::Ssl(ssl_kind(name)?, bytes_for(name, value)?)),
                None => {
                    let kind = kind(name).ok_or_else(|| {
                        format!("no TLV is called \"{name}\"; --help lists the names")
                    })?;
                    Ok(Named::Kind(kind, bytes_for(name, value)?))
                }
            },
        }
    }

    fn is_ssl(&self) -> bool {
        !matches!(self, Named::Kind(..))
    }
}

fn ssl_kind(name: &str) -> Result<u8, String> {
    Ok(match name {
        "version" => types::SSL_VERSION,
        "cn" => types::SSL_CN,
        "cipher" => types::SSL_CIPHER,
        "sig-alg" => types::SSL_SIG_ALG,
        "key-alg" => types::SSL_KEY_ALG,
        "group" => types::SSL_GROUP,
        "sig-scheme" => types::SSL_SIG_SCHEME,
        "client-cert" => types::SSL_CLIENT_CERT,
        _ => kind(name)
            .ok_or_else(|| format!("no TLV is called \"ssl-{name}\"; --help lists the names"))?,
    })
}

/// `0xNN`.
fn kind(name: &str) -> Option<u8> {
    u8::from_str_radix(name.strip_prefix("0x")?, 16).ok()
}

/// Hex where the type is a number, else text; a file for both.
fn bytes_for(name: &str, value: &str) -> Result<Vec<u8>, String> {
    if name.starts_with("0x") && !value.starts_with('@') {
        return input::hex(value).map_err(|error| error.to_string());
    }
    bytes(value)
}

fn bytes(value: &str) -> Result<Vec<u8>, String> {
    match value.strip_prefix('@') {
        Some(path) => input::read(Some(Path::new(path))).map_err(|error| error.to_string()),
        None if value.contains('\\') => input::escaped(value).map_err(|error| error.to_string()),
        None => Ok(value.as_bytes().to_vec()),
    }
}

/// Decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|_| format!("\"{text}\" is no number"))
}

/// Types and values in the order they were given; SSL where its first part was.
pub(super) fn values(named: &[Named]) -> Result<Vec<(u8, Vec<u8>)>, Error> {
    let mut values = Vec::new();
    let mut has_ssl = false;
    for tlv in named {
        match tlv {
            Named::Kind(kind, value) => values.push((*kind, value.clone())),
            _ if has_ssl => {}
            _ => {
                values.push((types::SSL, ssl(named)?));
                has_ssl = true;
            }
        }
    }
    Ok(values)
}

fn ssl(named: &[Named]) -> Result<Vec<u8>, Error> {
    let within: Vec<Tlv<'_>> = named
        .iter()
        .filter_map(|tlv| match tlv {
            Named::Ssl(kind, value) => Some(Tlv { kind: *kind, value }),
            _ => None,
        })
        .collect();
    let verified = named.contains(&Named::SslVerified(true));
    let shows_certificate = verified
        || within.iter().any(|tlv| matches!(tlv.kind, types::SSL_CN | types::SSL_CLIENT_CERT));
    let mut client = Ssl::SSL | if shows_certificate { Ssl::CERT_CONN } else { 0 };
    let mut verify = u32::from(!verified);
    for tlv in named.iter().filter(|tlv| tlv.is_ssl()) {
        match tlv {
            Named::SslClient(bits) => client = *bits,
            Named::SslVerify(number) => verify = *number,
            _ => {}
        }
    }
    let len = within.iter().map(|tlv| tlv.value.len() + 3).sum::<usize>() + 5;
    let mut value = vec![0; len];
    let len = write_ssl(client, verify, within, &mut value).map_err(refused)?;
    value.truncate(len);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Named, values};

    fn value(texts: &[&str]) -> Vec<(u8, Vec<u8>)> {
        let named: Vec<_> = texts.iter().map(|text| Named::read(text).unwrap()).collect();
        values(&named).unwrap()
    }

    #[test]
    fn keeps_the_order_and_gathers_ssl() {
        let ssl = b"\x03\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x05admin".to_vec();
        let parts = ["ssl-version=TLSv1.3", "alpn=h2", "ssl_cn=admin", "ssl-verified=yes"];
        assert_eq!(value(&parts), [(0x20, ssl), (1, b"h2".to_vec())]);
        let parts = ["netns=blue", "0xe4=c0 ff ee", "ssl-client=7", "ssl-verify=0x13"];
        assert_eq!(
            value(&parts),
            [
                (0x30, b"blue".to_vec()),
                (0xe4, vec![0xc0, 0xff, 0xee]),
                (0x20, vec![7, 0, 0, 0, 19])
            ]
        );
    }

    #[test]
    fn the_ids_of_clouds() {
        assert_eq!(value(&["azure-link-id=0x01020304"]), [(0xee, vec![1, 4, 3, 2, 1])]);
        assert_eq!(value(&["gcp-psc-id=258"]), [(0xe0, vec![0, 0, 0, 0, 0, 0, 1, 2])]);
        assert_eq!(value(&["aws-vpce-id=vpce-0"]), [(0xea, b"\x01vpce-0".to_vec())]);
    }

    #[test]
    fn without_a_certificate_nothing_is_verified() {
        assert_eq!(value(&["ssl-0x21="]), [(0x20, b"\x01\0\0\0\x01\x21\0\0".to_vec())]);
        assert_eq!(value(&["ssl-verified=no"]), [(0x20, b"\x01\0\0\0\x01".to_vec())]);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, says) in [
            ("alpn", "NAME=VALUE"),
            ("colour=red", "no TLV is called \"colour\""),
            ("ssl-colour=red", "no TLV is called \"ssl-colour\""),
            ("0xe4=f", "odd number"),
            ("0x1e4=00", "no TLV is called"),
            ("azure-link-id=4294967296", "32 bits"),
            ("gcp-psc-id=-1", "no number"),
            ("ssl-verified=maybe", "yes or no"),
            ("alpn=\\q", "unknown escape"),
            ("ssl-client-cert=@/nowhere/at/all", "/nowhere/at/all"),
        ] {
            let error = Named::read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
