//! Bytes made fit for people: escaped, in hex, in base64.
//!
//! Every function here writes into a buffer of the caller and says how many
//! bytes the whole text has; nothing is written where it does not fit.
#![forbid(unsafe_code)]

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";
/// The digits of each number of an IPv4 address, and zeroes: to be copied as a whole,
/// which takes less time than to divide.
const OCTETS: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut value = 0_u8;
    loop {
        let [a, b, c] = [b'0' | (value / 100), b'0' | (value / 10 % 10), b'0' | (value % 10)];
        let text = match value {
            0..10 => [c, 0, 0, 0],
            10..100 => [b, c, 0, 0],
            100.. => [a, b, c, 0],
        };
        #[allow(clippy::indexing_slicing)] // evaluated by the compiler
        {
            table[value as usize] = text;
        }
        if value == u8::MAX {
            break table;
        }
        value = value.wrapping_add(1);
    }
};
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Counts what is pushed, and stores as much of it as there is room for.
pub(crate) struct Sink<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Bytes pushed so far, stored or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.out.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    fn nibble(&mut self, digits: &[u8; 16], value: u8) {
        self.push(digits.get(usize::from(value & 15)).copied().unwrap_or(b'?'));
    }

    /// `\xHH`, the way nginx's log escapes a byte.
    pub(crate) fn escaped(&mut self, byte: u8) {
        self.extend(b"\\x");
        self.nibble(HEX_UPPER, byte >> 4);
        self.nibble(HEX_UPPER, byte);
    }

    pub(crate) fn hex(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.nibble(HEX_LOWER, byte >> 4);
            self.nibble(HEX_LOWER, byte);
        }
    }

    /// A group of an IPv6 address, without leading zeroes.
    pub(crate) fn hex_group(&mut self, group: u16) {
        let [high, low] = group.to_be_bytes();
        let nibbles = [high >> 4, high & 15, low >> 4, low & 15];
        let mut begun = false;
        for (i, nibble) in nibbles.into_iter().enumerate() {
            begun |= nibble != 0 || i == 3;
            if begun {
                self.nibble(HEX_LOWER, nibble);
            }
        }
    }

    /// A number of an IPv4 address; most texts here are such addresses.
    pub(crate) fn octet(&mut self, value: u8) {
        let text = OCTETS.get(usize::from(value)).copied().unwrap_or_default();
        let len = 1_usize.wrapping_add((value >= 10).into()).wrapping_add((value >= 100).into());
        match self.out.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            // What is behind the digits is written to again, or is behind the end.
            Some(room) => {
                *room = text;
                self.len = self.len.wrapping_add(len);
            }
            None => self.extend(text.get(..len).unwrap_or(&[])),
        }
    }

    pub(crate) fn decimal(&mut self, value: u64) {
        let mut divisor = 1_u64;
        while value.checked_div(divisor).unwrap_or(0) >= 10 {
            divisor = divisor.wrapping_mul(10);
        }
        while divisor > 0 {
            let digit = value.checked_div(divisor).unwrap_or(0) % 10;
            self.push(b'0' | u8::try_from(digit).unwrap_or(0));
            divisor /= 10;
        }
    }

    /// RFC 4648 base64 with padding, on one line.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(3) {
            let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for i in 0_u32..4 {
                if i as usize > chunk.len() {
                    self.push(b'=');
                    continue;
                }
                let index = word >> (18_u32.saturating_sub(i.saturating_mul(6))) & 63;
                self.push(BASE64.get(index as usize).copied().unwrap_or(b'='));
            }
        }
    }

    /// Text for a variable: UTF-8 stays, control characters, a backslash and
    /// whatever is not UTF-8 become `\xHH`. No line break or NUL gets through, so
    /// that what a sender wrote cannot add a log line or a header.
    pub(crate) fn sanitised(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for ch in chunk.valid().chars() {
                let mut buffer = [0; 4];
                let encoded = ch.encode_utf8(&mut buffer).as_bytes();
                if ch.is_control() || ch == '\\' {
                    encoded.iter().for_each(|&byte| self.escaped(byte));
                } else {
                    self.extend(encoded);
                }
            }
            chunk.invalid().iter().for_each(|&byte| self.escaped(byte));
        }
    }
}

/// Writes what `fill` pushes into `out` if all of it fits, and returns how long
/// it is.
pub(crate) fn whole_or_nothing(out: &mut [u8], fill: impl Fn(&mut Sink<'_>)) -> usize {
    let mut count = Sink::new(&mut []);
    fill(&mut count);
    let len = count.len();
    if len <= out.len() {
        fill(&mut Sink::new(out));
    }
    len
}

/// Escapes `bytes` for a log line: printable ASCII stays, quotes, backslashes and
/// all other bytes become `\xHH`. Returns the length of the text; nothing is
/// written if `out` is shorter than that.
///
/// ```
/// let mut out = [0; 32];
/// let len = realpeer::escape(b"PROXY\r\n", &mut out);
/// assert_eq!(&out[..len], br"PROXY\x0D\x0A");
/// ```
pub fn escape(bytes: &[u8], out: &mut [u8]) -> usize {
    whole_or_nothing(out, |sink| {
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => sink.escaped(byte),
                b' '..=b'~' => sink.push(byte),
                _ => sink.escaped(byte),
            }
        }
    })
}

/// Writes `bytes` as lower-case hex digits. Returns the length of the text;
/// nothing is written if `out` is shorter than that.
///
/// ```
/// let mut out = [0; 8];
/// assert_eq!(realpeer::hex(b"\r\nQ", &mut out), 6);
/// assert_eq!(&out[..6], b"0d0a51");
/// assert_eq!(realpeer::hex(b"\r\n\r\n\0", &mut out), 10); // too long, nothing written
/// ```
pub fn hex(bytes: &[u8], out: &mut [u8]) -> usize {
    whole_or_nothing(out, |sink| sink.hex(bytes))
}
