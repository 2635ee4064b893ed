//! Numbers and addresses read from text, strictly: one reader for the version 1
//! line and for configuration files.
//!
//! Each function takes bytes as far as they are there and says whether more could
//! make them valid, so that a hopeless text is known at the byte that spoils it.
#![forbid(unsafe_code)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::slice;

/// Why a field could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes end, and could go on validly.
    More,
    /// No bytes that could follow would make it valid.
    Bad,
}

pub(crate) type Step<T> = Result<T, Stop>;

/// Reads from the front of a text.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    rest: slice::Iter<'a, u8>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Cursor { rest: text.iter() }
    }

    /// Bytes that have not been taken.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn peek(&self) -> Step<u8> {
        self.rest.as_slice().first().copied().ok_or(Stop::More)
    }

    #[inline(always)]
    pub(crate) fn next(&mut self) -> Step<u8> {
        self.rest.next().copied().ok_or(Stop::More)
    }

    pub(crate) fn literal(&mut self, literal: &[u8]) -> Step<()> {
        for &expected in literal {
            if self.next()? != expected {
                return Err(Stop::Bad);
            }
        }
        Ok(())
    }

    /// Goes on behind the first CR LF.
    pub(crate) fn past_line_end(&mut self) -> Step<()> {
        loop {
            let text = self.rest.as_slice();
            let lf = line_feed(text).ok_or(Stop::More)?;
            let (line, rest) = text.split_at_checked(lf).ok_or(Stop::More)?;
            self.rest = rest.get(1..).unwrap_or(&[]).iter();
            if line.last() == Some(&b'\r') {
                return Ok(());
            }
        }
    }

    /// A decimal number up to `most` without heading zeroes, and the byte that
    /// has to follow it, which is no digit.
    #[inline(always)]
    fn decimal(&mut self, most: u32, end: u8) -> Step<u32> {
        let mut value = decimal_digit(self.next()?).ok_or(Stop::Bad)?;
        let mut byte = self.next()?;
        if value == 0 {
            return if byte == end { Ok(0) } else { Err(Stop::Bad) };
        }
        while byte != end {
            let digit = decimal_digit(byte).ok_or(Stop::Bad)?;
            value = value.wrapping_mul(10).wrapping_add(digit);
            if value > most {
                return Err(Stop::Bad);
            }
            byte = self.next()?;
        }
        Ok(value)
    }

    pub(crate) fn octet(&mut self, end: u8) -> Step<u8> {
        let value = self.decimal(u8::MAX.into(), end)?;
        u8::try_from(value).map_err(|_| Stop::Bad)
    }

    pub(crate) fn port(&mut self, end: u8) -> Step<u16> {
        let mut ahead = self.clone();
        let value = ahead.decimal(u16::MAX.into(), end)?;
        *self = ahead;
        u16::try_from(value).map_err(|_| Stop::Bad)
    }

    pub(crate) fn ipv4(&mut self, end: u8) -> Step<Ipv4Addr> {
        // A copy stays in registers, where `self` is written to at each byte.
        let mut ahead = self.clone();
        let mut bits = 0;
        for end in [b'.', b'.', b'.', end] {
            bits = bits << 8 | ahead.decimal(u8::MAX.into(), end)?;
        }
        *self = ahead;
        Ok(Ipv4Addr::from_bits(bits))
    }

    /// An IPv6 address and the byte that has to follow it: groups of one to four hex digits,
    /// at most one `::` for at least one group, and in place of the last two
    /// groups a dotted IPv4 address, which is not in the grammar but is what
    /// HAProxy and `inet_ntop` write for mapped addresses.
    pub(crate) fn ipv6(&mut self, end: u8) -> Step<Ipv6Addr> {
        let mut groups = Groups::default();
        if self.peek()? == b':' {
            self.literal(b"::")?;
            groups.open_gap()?;
            if self.peek()? == end {
                self.next()?;
                return groups.finish();
            }
        }
        loop {
            if groups.full() {
                return Err(Stop::Bad);
            }
            let group = self.rest.clone();
            let value = self.hex_group()?;
            match self.next()? {
                b':' => {
                    groups.push(value);
                    if groups.full() {
                        return Err(Stop::Bad);
                    }
                    if self.peek()? == b':' {
                        self.next()?;
                        groups.open_gap()?;
                        if self.peek()? == end {
                            self.next()?;
                            return groups.finish();
                        }
                    }
                }
                byte if byte == end => {
                    groups.push(value);
                    return groups.finish();
                }
                b'.' if groups.room_for_ipv4() => {
                    self.rest = group;
                    let [a, b, c, d] = self.ipv4(end)?.octets();
                    groups.push(u16::from_be_bytes([a, b]));
                    groups.push(u16::from_be_bytes([c, d]));
                    return groups.finish();
                }
                _ => return Err(Stop::Bad),
            }
        }
    }

    /// One to four hex digits; the byte behind them is not taken.
    fn hex_group(&mut self) -> Step<u16> {
        let mut value = hex_digit(self.next()?).ok_or(Stop::Bad)?;
        for _ in 1..4 {
            let Some(digit) = hex_digit(self.peek()?) else { break };
            value = value << 4 | digit;
            self.next()?;
        }
        Ok(value)
    }
}

/// Where the first LF is, by eight bytes at a time.
fn line_feed(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let mut at = 0_usize;
    let mut rest = text;
    while let Some((&word, after)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(word) ^ ONES.wrapping_mul(b'\n'.into());
        // The lowest of these bits is that of the lowest byte that is zero.
        let zeroes = word.wrapping_sub(ONES) & !word & ONES << 7;
        if zeroes != 0 {
            return Some(at.saturating_add(usize::try_from(zeroes.trailing_zeros() / 8).ok()?));
        }
        at = at.saturating_add(8);
        rest = after;
    }
    Some(at.saturating_add(rest.iter().position(|&byte| byte == b'\n')?))
}

/// The groups of an IPv6 address as they come, in front of the `::` and behind it.
#[derive(Default)]
struct Groups {
    bits: u128,
    count: u32,
    /// What stood in front of the `::`, and how many groups that was.
    gap: Option<(u128, u32)>,
}

impl Groups {
    /// Groups that may be written out: a `::` stands for one at least.
    fn most(&self) -> u32 {
        if self.gap.is_some() { 7 } else { 8 }
    }

    fn full(&self) -> bool {
        self.count >= self.most()
    }

    fn push(&mut self, group: u16) {
        self.bits = self.bits << 16 | u128::from(group);
        self.count = self.count.wrapping_add(1);
    }

    fn open_gap(&mut self) -> Step<()> {
        if self.gap.is_some() || self.full() {
            return Err(Stop::Bad);
        }
        self.gap = Some((self.bits, self.count));
        self.bits = 0;
        Ok(())
    }

    /// Whether a dotted IPv4 address can end the address here.
    fn room_for_ipv4(&self) -> bool {
        match self.gap {
            Some(_) => self.count <= 5,
            None => self.count == 6,
        }
    }

    fn finish(self) -> Step<Ipv6Addr> {
        let bits = match self.gap {
            None if self.count == 8 => self.bits,
            Some((head, count)) if self.count <= 7 => {
                let zeroes = 8_u32.wrapping_sub(count).wrapping_mul(16);
                head.checked_shl(zeroes).unwrap_or(0) | self.bits
            }
            _ => return Err(Stop::Bad),
        };
        Ok(Ipv6Addr::from_bits(bits))
    }
}

/// Longest text of an address, `ffff:…:ffff:255.255.255.255`.
const LONGEST: usize = 45;

/// Reads `text` to its end with a function that takes the byte behind it too.
pub(crate) fn whole<T>(text: &[u8], read: impl Fn(&mut Cursor<'_>) -> Step<T>) -> Option<T> {
    const END: u8 = b' ';
    let mut buffer = [END; LONGEST + 1];
    let (copy, _) = buffer.split_at_mut_checked(text.len()).filter(|(_, end)| !end.is_empty())?;
    copy.iter_mut().zip(text).for_each(|(to, &from)| *to = from);
    let mut cursor = Cursor::new(buffer.get(..=text.len())?);
    read(&mut cursor).ok().filter(|_| cursor.left() == 0)
}

/// The IP address that `text` is.
pub(crate) fn ip(text: &[u8]) -> Option<IpAddr> {
    let v4 = whole(text, |cursor| cursor.ipv4(b' ')).map(IpAddr::V4);
    v4.or_else(|| whole(text, |cursor| cursor.ipv6(b' ')).map(IpAddr::V6))
}

/// A table, because the branches of a range match are mispredicted on real
/// addresses and cost more than all the rest of the line.
const HEX_DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut byte = 0_u8;
    loop {
        let value = match byte {
            b'0'..=b'9' => byte & 15,
            b'a'..=b'f' | b'A'..=b'F' => (byte & 15).wrapping_add(9),
            _ => 0xff,
        };
        #[allow(clippy::indexing_slicing)] // evaluated by the compiler
        {
            table[byte as usize] = value;
        }
        if byte == 0xff {
            break table;
        }
        byte = byte.wrapping_add(1);
    }
};

fn decimal_digit(byte: u8) -> Option<u32> {
    let digit = byte.wrapping_sub(b'0');
    if digit <= 9 { Some(digit.into()) } else { None }
}

fn hex_digit(byte: u8) -> Option<u16> {
    match HEX_DIGITS.get(usize::from(byte)) {
        Some(&value) if value < 16 => Some(u16::from(value)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// Between bytes that differ from LF by one bit, or by one.
    #[test]
    fn a_line_feed_is_found_wherever_it_is() {
        let around = [b'\n' | 0x80, b'\n' + 1, b'\n' - 1, b'\n' ^ 2, 0, 0xff, b'\r'];
        let mut text = [0; 40];
        text.iter_mut().zip(around.iter().cycle()).for_each(|(to, &byte)| *to = byte);
        for len in 0..=text.len() {
            assert_eq!(line_feed(&text[..len]), None);
            for first in 0..len {
                for second in first..len {
                    let mut text = text;
                    text[first] = b'\n';
                    text[second] = b'\n';
                    assert_eq!(line_feed(&text[..len]), Some(first), "{first} {second} {len}");
                }
            }
        }
    }
}
