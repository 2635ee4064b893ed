//! The CRC32c instruction of x86-64 processors that have SSE 4.2.
//!
//! Outside the FFI layer this is the one place with `unsafe` code: a compiler of
//! the oldest version supported has no safe way to call an instruction that is
//! not part of the base architecture.
#![allow(unsafe_code)]

use core::arch::x86_64::{__cpuid, _mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

use once_cell::race::OnceBool;

/// The checksum `crc` (not inverted) carried on over `parts`, or `None` where
/// the processor has no instruction for it.
pub(crate) fn crc32c(crc: u32, parts: &[&[u8]]) -> Option<u32> {
    // Asked once per process: CPUID is slow, and traps under virtual machines.
    static HAS_SSE42: OnceBool = OnceBool::new();
    if !HAS_SSE42.get_or_init(has_sse42) {
        return None;
    }
    // SAFETY: the processor has SSE 4.2, as was just established.
    Some(unsafe { crc32c_sse42(crc, parts) })
}

fn has_sse42() -> bool {
    // SAFETY: every x86-64 processor has the CPUID instruction, and leaf 1.
    // (Newer compilers know that; the oldest one supported does not.)
    #[allow(unused_unsafe)]
    let leaf = unsafe { __cpuid(1) };
    leaf.ecx & 1 << 20 != 0
}

/// # Safety
/// The processor must have SSE 4.2.
#[target_feature(enable = "sse4.2")]
// Newer compilers know that the intrinsics are safe here.
#[allow(unused_unsafe)]
unsafe fn crc32c_sse42(mut crc: u32, parts: &[&[u8]]) -> u32 {
    for bytes in parts {
        let mut wide = u64::from(crc);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let Some(&word) = chunk.first_chunk() else { break };
            // SAFETY: the function's own condition.
            wide = unsafe { _mm_crc32_u64(wide, u64::from_le_bytes(word)) };
        }
        // The instruction leaves the upper half zero.
        #[allow(clippy::cast_possible_truncation)]
        let narrow = wide as u32;
        crc = narrow;
        let mut rest = chunks.remainder();
        if let Some((&word, last)) = rest.split_first_chunk() {
            // SAFETY: the function's own condition.
            crc = unsafe { _mm_crc32_u32(crc, u32::from_le_bytes(word)) };
            rest = last;
        }
        for &byte in rest {
            // SAFETY: the function's own condition.
            crc = unsafe { _mm_crc32_u8(crc, byte) };
        }
    }
    crc
}
