//! What the parser has to say of some bytes, through Rust and through C, in one
//! form that can be compared with a vector.
#![allow(dead_code, unsafe_code)] // every test uses a part of it

pub mod attack;
#[cfg(feature = "ffi")]
pub mod call;
#[cfg(feature = "ffi")]
pub mod socket;

use std::net::SocketAddr;

use realpeer::{Family, Header, Limits, Progress, TlvField, Transport, Versions, parse};
use realpeer_testdata::Vector;

/// Every vector's parser limits.
pub fn limits(vector: &Vector) -> Limits {
    let versions = match vector.versions[..] {
        [1] => Versions::V1,
        [2] => Versions::V2,
        _ => Versions::BOTH,
    };
    Limits { max_header: vector.max_header, versions }
}

/// A verdict, and all that can be read out of an accepted header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    More,
    Refused(&'static str),
    Accepted(Box<Accepted>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub word: &'static str,
    pub len: usize,
    pub version: u8,
    pub family: &'static str,
    pub transport: &'static str,
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
    pub paths: Option<(Vec<u8>, Vec<u8>)>,
    pub tlvs: Vec<(u8, Vec<u8>)>,
    pub checksum: bool,
    /// The text of every named field that is there.
    pub fields: Vec<(String, String)>,
}

/// All names that a field can have.
pub fn field_names() -> Vec<String> {
    let numbers = (0..=0xff_u32).map(|kind| format!("0x{kind:02x}"));
    TlvField::names().map(str::to_owned).chain(numbers).collect()
}

pub fn via_rust(bytes: &[u8], limits: &Limits) -> Seen {
    match parse(bytes, limits) {
        Ok(Progress::More { need }) => {
            assert!(need > bytes.len(), "{need} bytes are here already");
            Seen::More
        }
        Ok(Progress::Done(header)) => Seen::Accepted(Box::new(accepted(&header))),
        Err(outcome) => Seen::Refused(outcome.name()),
    }
}

fn accepted(header: &Header<'_>) -> Accepted {
    let text = |name: &String| {
        let field = TlvField::from_name(name.as_bytes()).expect("a name");
        let mut out = vec![0; 4 * header.len() + 1];
        let len = field.text(header.tlvs(), &mut out)?;
        out.truncate(len);
        Some((name.clone(), String::from_utf8(out).expect("UTF-8")))
    };
    let fields = match header.tlvs().next() {
        Some(_) => field_names().iter().filter_map(text).collect(),
        None => Vec::new(),
    };
    assert_eq!(header.as_bytes().len(), header.len());
    Accepted {
        word: header.outcome().name(),
        len: header.len(),
        version: header.version() as u8,
        family: match header.family() {
            Family::Inet => "inet",
            Family::Inet6 => "inet6",
            Family::Unix => "unix",
            _ => "unspec",
        },
        transport: match header.transport() {
            Transport::Stream => "stream",
            Transport::Datagram => "datagram",
            _ => "unspec",
        },
        source: header.source(),
        destination: header.destination(),
        paths: header.unix_paths().map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec())),
        tlvs: header.tlvs().map(|tlv| (tlv.kind, tlv.value.to_vec())).collect(),
        checksum: header.checksum_verified(),
        fields,
    }
}

/// What the vector says of its bytes, in the same form; fields apart, of which it
/// need not name all.
pub fn expected(vector: &Vector, seen: &Seen) -> Seen {
    if vector.expect == "more" {
        return Seen::More;
    }
    let word = word(&vector.expect);
    if vector.is_refused() {
        return Seen::Refused(word);
    }
    let fields = match seen {
        Seen::Accepted(accepted) => accepted.fields.clone(),
        _ => Vec::new(),
    };
    Seen::Accepted(Box::new(Accepted {
        word,
        len: vector.at,
        version: if vector.bytes.starts_with(b"P") { 1 } else { 2 },
        family: word_of(&["unspec", "inet", "inet6", "unix"], &vector.family),
        transport: word_of(&["unspec", "stream", "datagram"], &vector.transport),
        source: vector.source,
        destination: vector.destination,
        paths: vector.paths.clone(),
        tlvs: vector.tlvs.clone(),
        checksum: vector.checksum,
        fields,
    }))
}

/// The same word as one of the library's.
pub fn word(word: &str) -> &'static str {
    let known = realpeer::Outcome::ALL.iter().map(|outcome| outcome.name());
    known.into_iter().find(|name| *name == word).unwrap_or_else(|| panic!("no result is {word}"))
}

fn word_of(words: &[&'static str], word: &str) -> &'static str {
    words.iter().find(|known| **known == word).unwrap_or_else(|| panic!("{word} of {words:?}"))
}

#[cfg(feature = "ffi")]
pub mod c {
    //! The same through the C functions.

    use std::ffi::{CStr, c_char};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::ptr::null;

    use realpeer::ffi::*;

    use super::*;

    pub fn name(result: i32) -> &'static str {
        let name = realpeer_result_name(result);
        assert!(!name.is_null());
        // SAFETY: a static string, not NULL.
        unsafe { CStr::from_ptr(name) }.to_str().expect("ASCII")
    }

    pub fn address(address: &realpeer_address) -> Option<SocketAddr> {
        let [a, b, c, d, ..] = address.ip;
        let ip: IpAddr = match address.family {
            1 => Ipv4Addr::new(a, b, c, d).into(),
            2 => Ipv6Addr::from(address.ip).into(),
            0 => return None,
            other => panic!("an address of family {other}"),
        };
        Some(SocketAddr::new(ip, address.port))
    }

    pub fn settings(vector: &Vector) -> realpeer_settings {
        realpeer_settings {
            max_header: vector.max_header,
            versions: vector.versions.iter().sum(),
            ..Default::default()
        }
    }

    pub fn via_c(bytes: &[u8], settings: &realpeer_settings) -> Seen {
        let mut header = realpeer_header::default();
        let untouched = header;
        // SAFETY: all pointers come from references of the size given with them.
        let result = unsafe {
            realpeer_parse(
                bytes.as_ptr(),
                bytes.len(),
                settings,
                size_of_val(settings),
                &mut header,
                size_of_val(&header),
            )
        };
        if result <= 0 {
            assert_eq!(header, untouched, "written without success");
        }
        match name(result) {
            "more" => Seen::More,
            word if result < 0 => Seen::Refused(word),
            word => Seen::Accepted(Box::new(accepted(bytes, word, &header))),
        }
    }

    fn accepted(bytes: &[u8], word: &'static str, header: &realpeer_header) -> Accepted {
        let len = header.length as usize;
        let (at, tlvs) = (header.tlv_offset as usize, header.tlv_length as usize);
        let tlvs = if tlvs == 0 { &[][..] } else { &bytes[at..at + tlvs] };
        assert!(tlvs.is_empty() || at + tlvs.len() == len, "TLVs are the end of the header");
        let list = list(tlvs);
        let fields = if list.is_empty() { Vec::new() } else { fields(tlvs) };
        Accepted {
            word,
            len,
            version: header.version,
            family: ["unspec", "inet", "inet6", "unix"][usize::from(header.family)],
            transport: ["unspec", "stream", "datagram"][usize::from(header.transport)],
            source: address(&header.source),
            destination: address(&header.destination),
            paths: (header.family == 3)
                .then(|| (bytes[16..124].to_vec(), bytes[124..232].to_vec())),
            tlvs: list,
            checksum: header.checksum_verified == 1,
            fields,
        }
    }

    pub fn list(tlvs: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut list = Vec::new();
        let mut position = 0;
        loop {
            let mut tlv =
                realpeer_tlv { value: null(), length: 0, kind: 0, reserved: Default::default() };
            // SAFETY: all pointers come from references of the size given.
            let result = unsafe {
                realpeer_tlv_next(
                    tlvs.as_ptr(),
                    tlvs.len(),
                    &mut position,
                    &mut tlv,
                    size_of_val(&tlv),
                )
            };
            match result {
                0 => return list,
                1 => {}
                other => panic!("{}", name(other)),
            }
            // SAFETY: the value lies in `tlvs`.
            let value = unsafe { std::slice::from_raw_parts(tlv.value, tlv.length as usize) };
            list.push((tlv.kind, value.to_vec()));
        }
    }

    fn fields(tlvs: &[u8]) -> Vec<(String, String)> {
        let text = |name: &String| {
            let mut out = vec![0_u8; 4 * tlvs.len() + 1];
            // SAFETY: all pointers come from slices of the size given with them.
            let len = unsafe {
                let field = realpeer_tlv_field(name.as_ptr().cast::<c_char>(), name.len());
                realpeer_tlv_text(
                    tlvs.as_ptr(),
                    tlvs.len(),
                    field,
                    out.as_mut_ptr().cast(),
                    out.len(),
                )
            };
            if len == Error::NotFound as i32 {
                return None;
            }
            out.truncate(usize::try_from(len).expect("a length"));
            Some((name.clone(), String::from_utf8(out).expect("UTF-8")))
        };
        field_names().iter().filter_map(text).collect()
    }
}
