//! What each byte of a header is.

use std::net::{Ipv4Addr, Ipv6Addr};

use realpeer::{Command, Family, Header, Ssl, Tlv, Tlvs, Version, types};
use serde::Serialize;

use super::fault::Fault;
use crate::text::{count, hex, quoted};

/// A field, and those within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) name: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<u8>,
    pub(crate) value: String,
    pub(crate) hex: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
}

impl Part {
    /// The bytes of its own, in front of the fields within.
    pub(crate) fn own(&self) -> usize {
        self.parts.first().map_or(self.length, |first| first.offset.saturating_sub(self.offset))
    }
}

/// The fields of `bytes`: all of a valid header, else those before the fault.
pub(crate) fn parts(bytes: &[u8], header: Option<&Header<'_>>, fault: Option<&Fault>) -> Vec<Part> {
    let end = match (header, fault) {
        (Some(header), _) => header.len(),
        (None, Some(fault)) => fault.sound,
        (None, None) => 0,
    };
    let bytes = bytes.get(..end).unwrap_or(bytes);
    match header.map(Header::version) {
        Some(Version::V1) => v1(bytes),
        Some(Version::V2) => v2(bytes, header),
        None if bytes.starts_with(b"PROXY") => v1(bytes),
        None if bytes.starts_with(super::fault::SIGNATURE) => v2(bytes, None),
        None => Vec::new(),
    }
}

/// Takes fields from the front of some bytes.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    parts: Vec<Part>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Walk { bytes, at, parts: Vec::new() }
    }

    /// A field of `len` bytes, if they are there.
    fn take(
        &mut self,
        len: usize,
        name: &'static str,
        say: impl FnOnce(&'a [u8]) -> String,
    ) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.parts.push(Part {
            offset: self.at,
            length: len,
            name,
            kind: None,
            value: say(bytes),
            hex: hex(bytes),
            parts: Vec::new(),
        });
        self.at += len;
        Some(bytes)
    }
}

// ---- version 1

fn v1(line: &[u8]) -> Vec<Part> {
    const NAMES: [&str; 4] =
        ["source_address", "destination_address", "source_port", "destination_port"];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut walk = Walk::new(line, 0);
    walk.take(5, "signature", |_| "PROXY, version 1".to_owned());
    let mut left = NAMES.into_iter();
    let mut name = Some("protocol");
    while walk.at < line.len() {
        let rest = line.get(walk.at..).unwrap_or(&[]);
        if rest == b"\r\n" {
            walk.take(2, "end", |_| "end of the line, CR LF".to_owned());
            break;
        }
        if !rest.starts_with(b" ") {
            break; // half of the end, or where the line breaks off
        }
        walk.at += 1;
        let rest = line.get(walk.at..).unwrap_or(&[]);
        let is_rest_of_unknown = name != Some("protocol") && line.starts_with(b"PROXY U");
        let len = match rest.iter().position(|byte| matches!(byte, b' ' | b'\r')) {
            _ if is_rest_of_unknown => rest.strip_suffix(b"\r\n").unwrap_or(rest).len(),
            Some(len) => len,
            None => rest.len(),
        };
        match name {
            _ if is_rest_of_unknown => {
                walk.take(len, "ignored", quoted);
            }
            Some(name) if len > 0 => {
                walk.take(len, name, text);
            }
            _ => {}
        }
        name = left.next();
    }
    walk.parts
}

// ---- version 2

fn v2(bytes: &[u8], header: Option<&Header<'_>>) -> Vec<Part> {
    let mut walk = Walk::new(bytes, 0);
    let whole = fixed(&mut walk, bytes).and_then(|family| match header {
        Some(header) => {
            let tlvs = header.len().saturating_sub(header.tlvs().as_bytes().len());
            named(&mut walk, header, tlvs);
            walk.at = tlvs;
            Some(())
        }
        None => addresses(&mut walk, family),
    });
    if whole.is_some() {
        while tlv(&mut walk, name_of, value) {}
    }
    walk.parts
}

/// What stands in front of the addresses, and their family.
fn fixed(walk: &mut Walk<'_>, bytes: &[u8]) -> Option<Family> {
    walk.take(12, "signature", |_| "version 2".to_owned())?;
    let command = walk.take(1, "version_command", |byte| match byte {
        [0x20] => "version 2, LOCAL: the sender speaks for itself".to_owned(),
        [0x21] => "version 2, PROXY: for a client".to_owned(),
        _ => "unknown".to_owned(),
    })?;
    let is_local = command == [0x20];
    let mut family = Family::Unspec;
    walk.take(1, "family_transport", |byte| {
        let (known, words) = family_transport(byte.first().copied().unwrap_or(0));
        family = known;
        if is_local { format!("{words}; ignored in LOCAL") } else { words }
    })?;
    walk.take(2, "length", |length| {
        let length = number(length);
        format!("{} follow, {} in all", count_number(length, "byte"), length.saturating_add(16))
    })?;
    Some(if bytes.get(12) == Some(&0x20) { Family::Unspec } else { family })
}

fn family_transport(byte: u8) -> (Family, String) {
    let (family, address) = match byte >> 4 {
        0 => (Family::Unspec, "unspecified"),
        1 => (Family::Inet, "IPv4"),
        2 => (Family::Inet6, "IPv6"),
        3 => (Family::Unix, "Unix socket"),
        _ => (Family::Unspec, "undefined address family"),
    };
    let transport = match byte & 15 {
        0 => "unspecified transport",
        1 if family == Family::Unix => "stream",
        1 => "TCP",
        2 if family == Family::Unix => "datagram",
        2 => "UDP",
        _ => "undefined transport",
    };
    let joined = match byte {
        0 => "unspecified".to_owned(),
        _ => format!("{address}, {transport}"),
    };
    (family, joined)
}

/// What stands between the length and the TLVs of a valid header.
fn named(walk: &mut Walk<'_>, header: &Header<'_>, tlvs: usize) {
    if header.family() != Family::Unspec {
        addresses(walk, header.family());
        return;
    }
    let what = match header.command() {
        Command::Local => "ignored in LOCAL",
        Command::Proxy => "ignored, as the family or the transport is unspecified",
    };
    let len = tlvs.saturating_sub(walk.at);
    if len > 0 {
        walk.take(len, "ignored", |_| what.to_owned());
    }
}

fn addresses(walk: &mut Walk<'_>, family: Family) -> Option<()> {
    let (len, say): (usize, fn(&[u8]) -> String) = match family {
        Family::Inet => (4, |bytes| {
            bytes.first_chunk().map_or(String::new(), |ip| Ipv4Addr::from(*ip).to_string())
        }),
        Family::Inet6 => {
            (16, |bytes| bytes.first_chunk().map_or(String::new(), |ip| ipv6(Ipv6Addr::from(*ip))))
        }
        Family::Unix => (108, unix_path),
        _ => return Some(()),
    };
    walk.take(len, "source_address", say)?;
    walk.take(len, "destination_address", say)?;
    if family != Family::Unix {
        walk.take(2, "source_port", |port| number(port).to_string())?;
        walk.take(2, "destination_port", |port| number(port).to_string())?;
    }
    Some(())
}

fn ipv6(ip: Ipv6Addr) -> String {
    match ip.to_ipv4_mapped() {
        Some(v4) => format!("{ip}, which is used as {v4}"),
        None => ip.to_string(),
    }
}

fn unix_path(bytes: &[u8]) -> String {
    let trimmed = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let name = bytes.get(..trimmed).unwrap_or(bytes);
    match name.split_first() {
        None => "unnamed".to_owned(),
        Some((0, name)) => format!("abstract {}", quoted(name)),
        Some(_) => quoted(name.split(|&byte| byte == 0).next().unwrap_or(name)),
    }
}

// ---- TLVs

type Name = fn(u8) -> &'static str;

/// Takes a TLV; false where there is no whole one.
fn tlv(walk: &mut Walk<'_>, name: Name, say: fn(&Tlv<'_>, usize) -> Part) -> bool {
    let Some(rest) = walk.bytes.get(walk.at..) else { return false };
    let Some(tlv) = Tlvs::new(rest).next() else { return false };
    let length = tlv.value.len() + 3;
    let value = say(&tlv, walk.at + 3);
    walk.parts.push(Part {
        offset: walk.at,
        length,
        name: name(tlv.kind),
        kind: Some(tlv.kind),
        value: format!(
            "{} (0x{:02x}), {}",
            title(name(tlv.kind)),
            tlv.kind,
            count(tlv.value.len(), "byte")
        ),
        hex: hex(rest.get(..length).unwrap_or(rest)),
        parts: if tlv.value.is_empty() { Vec::new() } else { vec![value] },
    });
    walk.at += length;
    true
}

/// How people write it who do not write JSON.
fn title(name: &str) -> String {
    match name {
        "alpn" => "ALPN".to_owned(),
        "crc32c" => "CRC32c".to_owned(),
        "ssl" => "SSL".to_owned(),
        "noop" => "padding".to_owned(),
        "aws" => "AWS".to_owned(),
        "azure" => "Azure".to_owned(),
        "cn" => "common name".to_owned(),
        "version" => "TLS version".to_owned(),
        "sig_alg" => "signature algorithm".to_owned(),
        "key_alg" => "key algorithm".to_owned(),
        "group" => "key exchange group".to_owned(),
        "sig_scheme" => "signature scheme".to_owned(),
        "client_cert" => "client certificate".to_owned(),
        "gcp" => "Google Cloud".to_owned(),
        "custom" => "an application's own".to_owned(),
        "experiment" => "experimental".to_owned(),
        "future" => "reserved".to_owned(),
        _ => name.replace('_', " "),
    }
}

/// The name of a type, as `realpeer encode` and the variables of nginx have it.
pub(crate) fn name_of(kind: u8) -> &'static str {
    match kind {
        types::ALPN => "alpn",
        types::AUTHORITY => "authority",
        types::CRC32C => "crc32c",
        types::NOOP => "noop",
        types::UNIQUE_ID => "unique_id",
        types::SSL => "ssl",
        types::NETNS => "netns",
        types::GCP => "gcp",
        types::AWS => "aws",
        types::AZURE => "azure",
        kind if kind & 0xf0 == 0xe0 => "custom",
        0xf0..=0xf7 => "experiment",
        0xf8..=0xff => "future",
        _ => "unassigned",
    }
}

/// The name of a type within SSL.
pub(crate) fn ssl_name_of(kind: u8) -> &'static str {
    match kind {
        types::SSL_VERSION => "version",
        types::SSL_CN => "cn",
        types::SSL_CIPHER => "cipher",
        types::SSL_SIG_ALG => "sig_alg",
        types::SSL_KEY_ALG => "key_alg",
        types::SSL_GROUP => "group",
        types::SSL_SIG_SCHEME => "sig_scheme",
        types::SSL_CLIENT_CERT => "client_cert",
        _ => "unassigned",
    }
}

fn value(tlv: &Tlv<'_>, offset: usize) -> Part {
    let said = match (tlv.kind, tlv.value) {
        (types::ALPN | types::AUTHORITY | types::NETNS, text) => quoted(text),
        (types::CRC32C, checksum) => format!("{:08x}", number(checksum)),
        (types::NOOP, _) => "to be ignored".to_owned(),
        (types::SSL, value) => return ssl(value, offset),
        (types::GCP, id) if id.len() == 8 => {
            format!("Private Service Connect id {} (big-endian)", number(id))
        }
        (types::AWS, [1, id @ ..]) => format!("VPC endpoint id {}", quoted(id)),
        (types::AWS, [subtype, ..]) => format!("unknown subtype {subtype}"),
        (types::AZURE, [1, id @ ..]) if id.len() == 4 => {
            let id = id.iter().rev().fold(0, |id, &byte| id << 8 | u64::from(byte));
            format!("Private Link id {id} (little-endian)")
        }
        (types::AZURE, [subtype, ..]) => format!("unknown subtype {subtype}"),
        (_, bytes) => bytes_or_text(bytes),
    };
    leaf(offset, tlv.value, "value", said)
}

/// Text if it can be read by people, else nothing: the hex stands beside it.
fn bytes_or_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => quoted(bytes),
        _ => count(bytes.len(), "byte"),
    }
}

fn leaf(offset: usize, bytes: &[u8], name: &'static str, value: String) -> Part {
    let hex = hex(bytes);
    Part { offset, length: bytes.len(), name, kind: None, value, hex, parts: Vec::new() }
}

/// The value of an SSL TLV: flags, verify, and the TLVs within.
fn ssl(value: &[u8], offset: usize) -> Part {
    let mut walk = Walk::new(value, 0);
    let head = Ssl::new(value).map_or(String::new(), |ssl| match ssl.verified() {
        true => "the client's certificate was verified".to_owned(),
        false => "no certificate of the client was verified".to_owned(),
    });
    if walk.take(1, "client", |flags| client_flags(flags.first().copied().unwrap_or(0))).is_some()
        && walk.take(4, "verify", |verify| format!("verify {}", number(verify))).is_some()
    {
        while tlv(&mut walk, ssl_name_of, ssl_value) {}
    }
    let mut part = leaf(offset, value, "value", head);
    part.parts = walk.parts;
    shift(&mut part.parts, offset);
    part
}

fn shift(parts: &mut [Part], by: usize) {
    for part in parts {
        part.offset += by;
        // Those deeper than that know where they are in the value only.
        shift(&mut part.parts, by);
    }
}

fn client_flags(flags: u8) -> String {
    let known = [
        (1, "came over TLS"),
        (2, "certificate in this connection"),
        (4, "certificate in this session"),
    ];
    let mut said: Vec<&str> =
        known.iter().filter(|(bit, _)| flags & bit != 0).map(|&(_, word)| word).collect();
    if flags & !7 != 0 {
        said.push("undefined flags");
    }
    if said.is_empty() { "not over TLS".to_owned() } else { said.join(", ") }
}

fn ssl_value(tlv: &Tlv<'_>, offset: usize) -> Part {
    let said = match tlv.kind {
        types::SSL_CLIENT_CERT => "certificate in DER".to_owned(),
        types::SSL_VERSION..=types::SSL_SIG_SCHEME => quoted(tlv.value),
        _ => bytes_or_text(tlv.value),
    };
    leaf(offset, tlv.value, "value", said)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn count_number(number: u64, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}
