//! Mutations that know what a version 2 header is made of. Most changes break its
//! length or checksum, and a parser that refuses there is never seen behind that.

use crate::oracle::{self, SIGNATURE};

/// Repairs some of what the fuzzer's own mutation broke, as `seed` has it. The
/// header stands behind `parameters` bytes. Returns the new size.
pub fn repair(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    parameters: usize,
    seed: u32,
) -> usize {
    // A third of the inputs stays as broken as it is.
    let size = size.min(max_size).min(data.len());
    if seed % 3 == 0 || size < parameters {
        return size;
    }
    let Some(header) = data.get_mut(parameters..size) else { return size };
    if header.first() == Some(&b'P') {
        line(header, seed >> 2);
        return size;
    }
    if header.len() < 16 {
        return size;
    }
    if seed & 4 != 0 {
        header[..12].copy_from_slice(SIGNATURE);
    }
    if !header.starts_with(SIGNATURE) {
        return size;
    }
    if seed & 8 != 0 {
        header[12] = 0x20 | header[12] & 1;
        header[13] &= 0x33;
    }
    let rest = (header.len() - 16).min(65_535);
    if seed & 0x30 == 0x30 {
        header[14..16].copy_from_slice(&(rest as u16).to_be_bytes());
    }
    let len = 16 + usize::from(u16::from_be_bytes([header[14], header[15]]));
    let Some(header) = header.get_mut(..len) else { return size };
    let addresses = [0, 12, 36, 216][usize::from(header[13] >> 4 & 3)];
    let start = if header[12] == 0x20 && seed & 0x200 != 0 { 16 } else { 16 + addresses };
    if seed & 0x40 != 0 {
        fill(header, start);
    }
    if seed & 0x80 != 0 {
        seal(header, start);
    }
    size
}

/// Makes the last TLV end where the header does.
fn fill(header: &mut [u8], start: usize) {
    let mut at = start;
    while let Some(&[_, high, low]) = header.get(at..at + 3) {
        let end = at + 3 + usize::from(u16::from_be_bytes([high, low]));
        if end + 3 > header.len() {
            let value = header.len() - at - 3;
            header[at + 1..at + 3].copy_from_slice(&(value as u16).to_be_bytes());
            return;
        }
        at = end;
    }
}

/// Puts the right checksum where there is one.
fn seal(header: &mut [u8], start: usize) {
    let Some(tlvs) = header.get(start..).and_then(oracle::split) else { return };
    let Some(at) = oracle::checksum_at(&tlvs, start) else { return };
    if at + 4 <= header.len() {
        let checksum = oracle::checksum(header, at);
        header[at..at + 4].copy_from_slice(&checksum);
    }
}

/// Puts CR LF at the end of a line.
fn line(line: &mut [u8], seed: u32) {
    if seed & 1 != 0 && line.len() > 8 {
        let end = line.len().min(107);
        line[end - 2..end].copy_from_slice(b"\r\n");
    }
}
