//! Parsing in C.

use super::{Error, Out, bytes, realpeer_address};
use crate::decide::{NoAddress, Settings};
use crate::header::{Header, Progress};
use crate::outcome::Outcome;
use crate::parse::{Limits, MAX_HEADER, MIN_HEADER, Versions, parse};

/// Bytes that realpeer_address_text needs at most, the NUL included.
pub const REALPEER_ADDRESS_TEXT: usize = 46;
/// Bytes of the shortest version 2 header, and the least `max_header`.
pub const REALPEER_MIN_HEADER: u32 = 16;
/// Bytes of the longest version 2 header there can be.
pub const REALPEER_MAX_HEADER: u32 = 65551;
/// Bytes of a version 2 header that are accepted where nothing is set.
pub const REALPEER_DEFAULT_MAX_HEADER: u32 = 4096;
/// Bytes of the longest version 1 line, CR and LF included.
pub const REALPEER_V1_MAX: usize = 107;
/// For `versions`: version 1 is accepted.
pub const REALPEER_VERSION_1: u8 = 1;
/// For `versions`: version 2 is accepted.
pub const REALPEER_VERSION_2: u8 = 2;

/// What a header may be like. All zeroes are the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct realpeer_settings {
    /// Bytes of a version 2 header in all, REALPEER_MIN_HEADER to
    /// REALPEER_MAX_HEADER; 0 for 4096.
    pub max_header: u32,
    /// REALPEER_VERSION_1, REALPEER_VERSION_2, or both added; 0 for both.
    pub versions: u8,
    /// What becomes of a header without a TCP address: REALPEER_NO_ADDRESS_ACCEPT
    /// or REALPEER_NO_ADDRESS_REFUSE.
    pub no_address: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Settings as C gives them: NULL, or a struct that may be older (shorter) or
/// newer (longer) than this library's.
///
/// # Safety
/// `settings` must be NULL or readable for `size` bytes.
pub(super) unsafe fn settings(settings: *const realpeer_settings, size: usize) -> Option<Settings> {
    if settings.is_null() {
        return Some(Settings::default());
    }
    // SAFETY: the caller's promise.
    let raw = unsafe { bytes(settings.cast::<u8>(), size) }?;
    let (fields, beyond) = raw.split_first_chunk::<{ size_of::<realpeer_settings>() }>()?;
    let [a, b, c, d, versions, no_address, reserved @ ..] = *fields;
    // What this library does not know it cannot do; so nobody may ask for it.
    if reserved != [0; 2] || beyond.iter().any(|&byte| byte != 0) {
        return None;
    }
    let max_header = match u32::from_ne_bytes([a, b, c, d]) {
        0 => Limits::default().max_header,
        max @ MIN_HEADER..=MAX_HEADER => max,
        _ => return None,
    };
    let no_address = match no_address {
        0 => NoAddress::Accept,
        1 => NoAddress::Refuse,
        _ => return None,
    };
    let versions = Versions::from_bits(versions)?;
    Some(Settings { limits: Limits { max_header, versions }, no_address })
}

/// A valid header. Offsets are counted from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct realpeer_header {
    /// Bytes of the header: exactly these precede the application's data.
    pub length: u32,
    /// Where the TLVs begin; 0 where there are none.
    pub tlv_offset: u32,
    /// Bytes of the TLVs.
    pub tlv_length: u32,
    /// 1 or 2; 0 where there is no header.
    pub version: u8,
    /// REALPEER_COMMAND_LOCAL or REALPEER_COMMAND_PROXY.
    pub command: u8,
    /// REALPEER_FAMILY_*. For REALPEER_FAMILY_UNIX the two paths of 108 bytes
    /// each begin at byte 16 and 124, not always NUL-terminated.
    pub family: u8,
    /// REALPEER_TRANSPORT_*.
    pub transport: u8,
    /// 1 where the header carried a CRC32c, which was right.
    pub checksum_verified: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The client, as it stands in the header.
    pub source: realpeer_address,
    /// What the client connected to, as it stands in the header.
    pub destination: realpeer_address,
}

impl From<Header<'_>> for realpeer_header {
    fn from(header: Header<'_>) -> Self {
        // No header is longer than 65,551 bytes.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let tlvs = header.tlvs().as_bytes().len();
        let of = header.addresses;
        Self {
            length: number(header.len()),
            // The TLVs are the end of the header wherever there are any.
            tlv_offset: if tlvs == 0 { 0 } else { number(header.len().saturating_sub(tlvs)) },
            tlv_length: number(tlvs),
            version: header.version() as u8,
            command: header.command() as u8,
            family: header.family() as u8,
            transport: header.transport() as u8,
            checksum_verified: header.checksum_verified().into(),
            reserved: [0; 3],
            source: realpeer_address::new(header.family(), of.source, of.source_port),
            destination: realpeer_address::new(
                header.family(),
                of.destination,
                of.destination_port,
            ),
        }
    }
}

/// Reads a header at the beginning of `data`.
///
/// Keeps no state: while it returns REALPEER_RESULT_MORE, call it again with the
/// same bytes and those that have come since. It decides at the first byte that
/// no valid header can have.
///
/// @param data the first bytes of the connection; NULL with length 0 is fine
/// @param settings NULL for the defaults; `no_address` does not count here
/// @param settings_size sizeof(realpeer_settings)
/// @param out filled in where the header is whole, else left alone
/// @param out_size sizeof(realpeer_header)
/// @return REALPEER_RESULT_PROXY, REALPEER_RESULT_LOCAL or
///   REALPEER_RESULT_NO_ADDRESS; REALPEER_RESULT_MORE; a negative
///   realpeer_result from REALPEER_RESULT_NO_HEADER to
///   REALPEER_RESULT_VERSION_DISALLOWED; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_parse(
    data: *const u8,
    len: usize,
    settings: *const realpeer_settings,
    settings_size: usize,
    out: *mut realpeer_header,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (data, settings) = unsafe { (bytes(data, len), self::settings(settings, settings_size)) };
    let out = Out::new(out, out_size, size_of::<realpeer_header>());
    let (Some(data), Some(settings), Some(out)) = (data, settings, out) else {
        return Error::InvalidArgument as i32;
    };
    match parse(data, &settings.limits) {
        Ok(Progress::More { .. }) => Outcome::More as i32,
        Ok(Progress::Done(header)) => {
            // SAFETY: the caller's promise on `out`.
            unsafe { out.write(header.into()) };
            header.outcome() as i32
        }
        Err(outcome) => outcome as i32,
    }
}
