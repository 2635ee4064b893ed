//! CRC32c (Castagnoli), RFC 4960 appendix B.
#![forbid(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use crate::cpu;

/// Reflected polynomial 0x1EDC6F41.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[n][b]`: what byte `b` does to the checksum when `n` bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

// Evaluated by the compiler, which refuses what these lints are about.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#[allow(clippy::cast_possible_truncation)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[n - 1][byte];
            tables[n][byte] = crc >> 8 ^ tables[0][(crc & 0xff) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

/// A checksum in the making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    pub(crate) const fn new() -> Self {
        Crc32c(!0)
    }

    pub(crate) fn update(self, bytes: &[u8]) -> Self {
        self.update_all(&[bytes])
    }

    /// Bytes that follow each other: of a few, each call would take longer than they.
    pub(crate) fn update_all(self, parts: &[&[u8]]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(crc) = cpu::crc32c(self.0, parts) {
            return Crc32c(crc);
        }
        Crc32c(parts.iter().fold(self.0, |crc, bytes| by_table(crc, bytes)))
    }

    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }
}

/// Eight bytes at a time through eight tables.
fn by_table(mut crc: u32, bytes: &[u8]) -> u32 {
    let entry = |table: usize, byte: u8| {
        TABLES.get(table).and_then(|table| table.get(usize::from(byte))).copied().unwrap_or(0)
    };
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let Some(&[a, b, c, d, e, f, g, h]) = chunk.first_chunk::<8>() else { break };
        let [a, b, c, d] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        crc = entry(7, a)
            ^ entry(6, b)
            ^ entry(5, c)
            ^ entry(4, d)
            ^ entry(3, e)
            ^ entry(2, f)
            ^ entry(1, g)
            ^ entry(0, h);
    }
    for &byte in chunks.remainder() {
        let [low, ..] = crc.to_le_bytes();
        crc = crc >> 8 ^ entry(0, low ^ byte);
    }
    crc
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// The check value of the CRC catalogue, and RFC 3720's 32 zero bytes.
    #[test]
    fn published_values() {
        assert_eq!(!by_table(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!by_table(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(Crc32c::new().update(b"123456789").finish(), 0xe306_9283);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn instruction_and_table_agree_at_every_length_and_alignment() {
        let mut bytes = [0_u8; 300];
        let mut seed = 1_u32;
        for byte in &mut bytes {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = seed.to_be_bytes()[0];
        }
        for start in 0..9 {
            for end in start..bytes.len() {
                let part = &bytes[start..end];
                if let Some(crc) = cpu::crc32c(!0, &[part]) {
                    assert_eq!(crc, by_table(!0, part), "{start}..{end}");
                }
            }
        }
    }
}
