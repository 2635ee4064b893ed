//! `c/bare.c` in safe Rust, line by line: a yardstick that checks nothing but where
//! the bytes end, and verifies a checksum by the table that safe code has.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::{MORE, Pair, REFUSED};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE: &[u8] = b"PROXY ";

#[inline(never)]
pub(crate) fn job(data: &[u8], out: &mut Option<Pair>) -> i64 {
    if data.is_empty() {
        MORE
    } else if data.starts_with(&SIGNATURE[..data.len().min(SIGNATURE.len())]) {
        version_2(data, out).unwrap_or(MORE)
    } else if data.starts_with(&LINE[..data.len().min(LINE.len())]) {
        version_1(data, out).unwrap_or(MORE)
    } else {
        REFUSED
    }
}

fn version_2(data: &[u8], out: &mut Option<Pair>) -> Option<i64> {
    let (fixed, rest) = data.split_first_chunk::<16>()?;
    let block = rest.get(..usize::from(u16::from_be_bytes([fixed[14], fixed[15]])))?;
    let len = 16 + block.len();
    let (pair, tlvs) = match (fixed[12], fixed[13] >> 4) {
        (0x21, 1) => inet(block)?,
        (0x21, 2) => inet6(block)?,
        (0x21, _) => {
            *out = None;
            return i64::try_from(len).ok();
        }
        _ => (None, block),
    };
    *out = pair;
    if tlvs_are_right(&data[..len], tlvs) { i64::try_from(len).ok() } else { Some(REFUSED) }
}

fn inet(block: &[u8]) -> Option<(Option<Pair>, &[u8])> {
    let (of, tlvs) = block.split_first_chunk::<12>()?;
    let ip = |at: usize| Ipv4Addr::new(of[at], of[at + 1], of[at + 2], of[at + 3]);
    let port = |at: usize| u16::from_be_bytes([of[at], of[at + 1]]);
    let source = SocketAddrV4::new(ip(0), port(8));
    let destination = SocketAddrV4::new(ip(4), port(10));
    Some((Some((source.into(), destination.into())), tlvs))
}

fn inet6(block: &[u8]) -> Option<(Option<Pair>, &[u8])> {
    let (of, tlvs) = block.split_first_chunk::<36>()?;
    let ip = |at: usize| of[at..].first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip));
    let port = |at: usize| u16::from_be_bytes([of[at], of[at + 1]]);
    let source = SocketAddrV6::new(ip(0)?, port(32), 0, 0);
    let destination = SocketAddrV6::new(ip(16)?, port(34), 0, 0);
    Some((Some((source.into(), destination.into())), tlvs))
}

fn tlvs_are_right(header: &[u8], tlvs: &[u8]) -> bool {
    let mut checksum = None;
    let mut rest = tlvs;
    while let Some((&[kind, high, low], after)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, after)) = after.split_at_checked(len) else { return false };
        if kind == 3 && len == 4 {
            checksum =
                value.first_chunk::<4>().map(|stated| (header.len() - after.len() - 4, stated));
        }
        rest = after;
    }
    rest.is_empty()
        && checksum.is_none_or(|(at, stated)| {
            let crc = crc32c(!0, &header[..at]);
            let crc = crc32c(crc, &[0; 4]);
            !crc32c(crc, &header[at + 4..]) == u32::from_be_bytes(*stated)
        })
}

fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    for &byte in bytes {
        crc = crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)];
    }
    crc
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn version_1(data: &[u8], out: &mut Option<Pair>) -> Option<i64> {
    if data.len() < 12 {
        return None;
    }
    if data[6] == b'U' {
        *out = None;
        let lf = data.iter().position(|&byte| byte == b'\n')?;
        return i64::try_from(lf + 1).ok();
    }
    let mut text = Text { data, at: 11 };
    let (source, destination) = if data[9] == b'4' {
        (text.v4().into(), text.v4().into())
    } else {
        (text.v6().into(), text.v6().into())
    };
    let source = SocketAddr::new(source, text.decimal());
    let destination = SocketAddr::new(destination, text.decimal());
    *out = Some((source, destination));
    if text.at == data.len() { None } else { i64::try_from(text.at + 1).ok() }
}

struct Text<'a> {
    data: &'a [u8],
    at: usize,
}

impl Text<'_> {
    fn decimal(&mut self) -> u16 {
        let mut value = 0_u16;
        while let Some(&byte) = self.data.get(self.at) {
            self.at += 1;
            let digit = byte.wrapping_sub(b'0');
            if digit >= 10 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(digit.into());
        }
        value
    }

    fn v4(&mut self) -> Ipv4Addr {
        let mut octet = || self.decimal() as u8;
        Ipv4Addr::new(octet(), octet(), octet(), octet())
    }

    fn v6(&mut self) -> Ipv6Addr {
        let mut groups = [0_u16; 8];
        let mut count = 0;
        let mut gap = None;
        while let Some(&byte) = self.data.get(self.at) {
            if byte == b' ' || count == 8 {
                break;
            }
            if byte == b':' {
                self.at += if count == 0 { 2 } else { 1 };
                gap = Some(count);
                continue;
            }
            let mut value = 0_u16;
            while let Some(&byte) = self.data.get(self.at) {
                let digit = HEX_DIGITS[usize::from(byte)];
                if digit == 0xff {
                    break;
                }
                value = value << 4 | u16::from(digit);
                self.at += 1;
            }
            groups[count] = value;
            count += 1;
            self.at += usize::from(self.data.get(self.at) == Some(&b':'));
        }
        if let Some(gap) = gap {
            groups.copy_within(gap..count, 8 + gap - count);
            groups[gap..8 + gap - count].fill(0);
        }
        self.at += 1;
        groups.into()
    }
}

const HEX_DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};
