//! A second reading of the specification: whole headers only, from index to index,
//! with the standard library's parsers of addresses and another project's CRC. It
//! is as plain as can be, may be slow, and shares no line with the library.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};

pub const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// One TLV.
pub type Tlv = (u8, Vec<u8>);

/// All that a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub len: usize,
    pub version: u8,
    pub local: bool,
    /// 0 unspecified, 1 IPv4, 2 IPv6, 3 Unix.
    pub family: u8,
    /// 0 unspecified, 1 stream, 2 datagram.
    pub transport: u8,
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    pub paths: Option<(Vec<u8>, Vec<u8>)>,
    pub tlvs: Vec<Tlv>,
    pub checksum: bool,
}

/// What there is to say of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Header(Header),
    /// There is no whole header. Of version 2: all that is there can be one's, which
    /// has at least so many bytes. Of version 1 it is not said whether it can.
    Part(usize),
    Refused(&'static str),
}

use Reading::{Part, Refused};

/// Reads what is at the beginning of `bytes`.
pub fn read(bytes: &[u8], max_header: u32, versions: u8) -> Reading {
    let v1 = b"PROXY";
    let looks_like = |signature: &[u8]| {
        let n = bytes.len().min(signature.len());
        bytes[..n] == signature[..n]
    };
    let (signature, bit) = match (bytes, looks_like(v1), looks_like(SIGNATURE)) {
        ([], ..) => return Part(15),
        (_, true, _) => (v1.len(), 1),
        (_, _, true) => (SIGNATURE.len(), 2),
        _ => return Refused("no_header"),
    };
    if bytes.len() < signature {
        return Part(if bit == 1 { 15 } else { 16 });
    }
    if versions & bit == 0 {
        return Refused("version_disallowed");
    }
    if bit == 1 { version_1(bytes) } else { version_2(bytes, max_header) }
}

fn version_1(bytes: &[u8]) -> Reading {
    let window = &bytes[..bytes.len().min(107)];
    match window.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => line(&window[..end]).map_or(Refused("bad_v1"), Reading::Header),
        None if window.len() == 107 => Refused("bad_v1"),
        None => Part(0),
    }
}

/// A line without its CR LF.
pub fn line(line: &[u8]) -> Option<Header> {
    let header = |family, addresses| Header {
        len: line.len() + 2,
        version: 1,
        local: false,
        family,
        transport: u8::from(family != 0),
        addresses,
        paths: None,
        tlvs: Vec::new(),
        checksum: false,
    };
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    if fields[0] != b"PROXY" {
        return None;
    }
    if *fields.get(1)? == b"UNKNOWN" {
        return Some(header(0, None));
    }
    let [_, family, source, destination, source_port, destination_port] = fields[..] else {
        return None;
    };
    let ip = |text: &[u8]| -> Option<IpAddr> {
        let text = std::str::from_utf8(text).ok()?;
        match family {
            b"TCP4" => Some(text.parse::<Ipv4Addr>().ok()?.into()),
            b"TCP6" => Some(text.parse::<Ipv6Addr>().ok()?.into()),
            _ => None,
        }
    };
    let source = SocketAddr::new(ip(source)?, port(source_port)?);
    let destination = SocketAddr::new(ip(destination)?, port(destination_port)?);
    Some(header(if source.is_ipv4() { 1 } else { 2 }, Some((source, destination))))
}

fn port(text: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<u16>().ok().filter(|port| port.to_string() == text)
}

fn version_2(bytes: &[u8], max_header: u32) -> Reading {
    let Some(&version_command) = bytes.get(12) else { return Part(16) };
    match (version_command / 16, version_command % 16) {
        (2, 0 | 1) => {}
        (2, _) => return Refused("bad_command"),
        _ => return Refused("bad_version"),
    }
    let local = version_command == 0x20;

    let Some(&byte_14) = bytes.get(13) else { return Part(16) };
    let (family, transport) = (byte_14 / 16, byte_14 % 16);
    let defined = family < 4 && transport < 3;
    if !local && !defined {
        return Refused("bad_family");
    }
    let said = !local && family != 0 && transport != 0;

    let [high, low] = match bytes.get(14..16) {
        Some(&[high, low]) => [usize::from(high), usize::from(low)],
        _ => return Part(16),
    };
    let len = 16 + high * 256 + low;
    let places = [0, 12, 36, 216];
    let addresses_len = if defined { places[usize::from(family)] } else { 0 };
    if said && len < 16 + addresses_len {
        return Refused("short_address");
    }
    if len > max_header as usize {
        return Refused("too_long");
    }
    if bytes.len() < len {
        return Part(len);
    }

    let bytes = &bytes[..len];
    let starts = if said { vec![16 + addresses_len] } else { vec![16, 16 + addresses_len] };
    let found = starts.iter().find_map(|&start| Some((tlvs(bytes, start)?, start)));
    let tlvs = match found {
        Some((tlvs, start)) => {
            if checksum_at(&tlvs, start).is_some_and(|at| !checksum_is_right(bytes, at)) {
                return Refused("bad_checksum");
            }
            tlvs
        }
        None if said => return Refused("bad_tlv"),
        None => Vec::new(),
    };
    let mut header = Header {
        len,
        version: 2,
        local,
        family: if said { family } else { 0 },
        transport: if said { transport } else { 0 },
        addresses: None,
        paths: None,
        checksum: tlvs.iter().any(|(kind, _)| *kind == 3),
        tlvs,
    };
    match header.family {
        1 => header.addresses = Some((v4(bytes, 16, 24), v4(bytes, 20, 26))),
        2 => header.addresses = Some((v6(bytes, 16, 48), v6(bytes, 32, 50))),
        3 => header.paths = Some((bytes[16..124].to_vec(), bytes[124..232].to_vec())),
        _ => {}
    }
    Reading::Header(header)
}

fn v4(bytes: &[u8], ip: usize, port: usize) -> SocketAddr {
    let ip = Ipv4Addr::new(bytes[ip], bytes[ip + 1], bytes[ip + 2], bytes[ip + 3]);
    SocketAddr::new(ip.into(), u16::from(bytes[port]) * 256 + u16::from(bytes[port + 1]))
}

fn v6(bytes: &[u8], ip: usize, port: usize) -> SocketAddr {
    let group = |n| u16::from(bytes[ip + 2 * n]) * 256 + u16::from(bytes[ip + 2 * n + 1]);
    let ip: Ipv6Addr = std::array::from_fn::<u16, 8, _>(group).into();
    SocketAddr::new(ip.into(), u16::from(bytes[port]) * 256 + u16::from(bytes[port + 1]))
}

/// TLVs that fill `bytes` to the end, whatever their values are.
pub fn split(bytes: &[u8]) -> Option<Vec<Tlv>> {
    let (mut tlvs, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let head = bytes.get(at..at + 3)?;
        let end = at + 3 + usize::from(head[1]) * 256 + usize::from(head[2]);
        tlvs.push((head[0], bytes.get(at + 3..end)?.to_vec()));
        at = end;
    }
    Some(tlvs)
}

/// Whether the value of one TLV is as its type demands, by itself.
pub fn keeps_its_format((kind, value): &Tlv) -> bool {
    match kind {
        3 => value.len() == 4,
        5 => value.len() <= 128,
        0x20 => value.len() >= 5 && split(&value[5..]).is_some(),
        _ => true,
    }
}

/// The same where each keeps its format, and one checksum at most is among them.
fn tlvs(bytes: &[u8], start: usize) -> Option<Vec<Tlv>> {
    let tlvs = split(bytes.get(start..)?)?;
    let checksums = tlvs.iter().filter(|(kind, _)| *kind == 3).count();
    (checksums < 2 && tlvs.iter().all(keeps_its_format)).then_some(tlvs)
}

/// Where the value of the checksum stands.
pub fn checksum_at(tlvs: &[Tlv], start: usize) -> Option<usize> {
    let place = tlvs.iter().position(|(kind, _)| *kind == 3)?;
    Some(start + tlvs[..place].iter().map(|(_, value)| 3 + value.len()).sum::<usize>() + 3)
}

/// What the checksum in the four bytes at `at` should be.
pub fn checksum(header: &[u8], at: usize) -> [u8; 4] {
    let mut zeroed = header.to_vec();
    zeroed[at..at + 4].fill(0);
    Crc::<u32>::new(&CRC_32_ISCSI).checksum(&zeroed).to_be_bytes()
}

pub fn checksum_is_right(header: &[u8], at: usize) -> bool {
    header[at..at + 4] == checksum(header, at)
}

/// Some bytes with which the beginning of a line becomes a whole one, if there are
/// any: the proof that it was right to wait. That a line of two very long addresses
/// may have no room left is not looked at.
pub fn completion(part: &[u8]) -> Option<Vec<u8>> {
    let whole = |end: &[u8]| {
        let text = [part, end].concat();
        line(text.strip_suffix(b"\r\n")?).map(|_| end.to_vec())
    };
    if let Some(end) = [&b"\n"[..], b"\r\n"].into_iter().find_map(whole) {
        return Some(end);
    }
    let fields: Vec<&[u8]> = part.split(|&byte| byte == b' ').collect();
    let others: &[&[u8]] = match fields.get(1) {
        None => &[
            b"PROXY UNKNOWN",
            b"ROXY UNKNOWN",
            b"OXY UNKNOWN",
            b"XY UNKNOWN",
            b"Y UNKNOWN",
            b" UNKNOWN",
        ],
        Some(word) if fields.len() == 2 => {
            let rest = |whole: &'static [u8]| whole.strip_prefix(*word);
            let line = |whole, rest_of_line: &str| {
                let text = [rest(whole)?, rest_of_line.as_bytes(), b"\r\n"].concat();
                self::line([part, &text[..text.len() - 2]].concat().as_slice()).map(|_| text)
            };
            return line(b"UNKNOWN", "")
                .or_else(|| line(b"TCP4", " 0.0.0.0 0.0.0.0 0 0"))
                .or_else(|| line(b"TCP6", " :: :: 0 0"));
        }
        Some(_) => {
            return [true, false].into_iter().find_map(|v4| of_fields(part, fields.len(), v4));
        }
    };
    others.iter().find_map(|end| whole(&[end, &b"\r\n"[..]].concat()))
}

/// The field that was begun at its end, and the fields that are missing behind it.
fn of_fields(part: &[u8], fields: usize, v4: bool) -> Option<Vec<u8>> {
    let rest = ["", "", if v4 { " 0.0.0.0 0 0" } else { " :: 0 0" }, " 0 0", " 0", ""];
    let rest = rest.get(fields - 1)?;
    ends(v4).find_map(|end| {
        let text = format!("{end}{rest}");
        line(&[part, text.as_bytes()].concat()).map(|_| format!("{text}\r\n").into_bytes())
    })
}

/// With what an address or a port can end.
fn ends(v4: bool) -> impl Iterator<Item = String> {
    let dotted = ["", "0", ".0", "0.0", ".0.0", "0.0.0", ".0.0.0", "0.0.0.0"];
    let heads: &[&str] = if v4 { &[] } else { &["", "0", ":", "::", ":0"] };
    let groups =
        heads.iter().flat_map(|head| (0..8).map(move |n| format!("{head}{}", ":0".repeat(n))));
    dotted.into_iter().map(str::to_owned).chain(groups)
}
