//! The limit of a server's log in C.

use core::ffi::c_char;

use super::{Error, Out, bytes};
use crate::log_limit::{HeldBack, LogLimit, LogRate, LogRateError, Logged};
use crate::outcome::Outcome;

/// How many lines about one result and listener there may be in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct realpeer_log_rate {
    /// Milliseconds from one line to the next; 0: a line for each.
    pub interval: u32,
    /// So many may come at once.
    pub burst: u32,
}

/// What the refusals of a listener have taken of the log, to be zeroed before it is
/// used. It may be in memory that threads or processes share, and be in use by
/// several calls at once.
#[derive(Debug)]
#[repr(C)]
pub struct realpeer_log_limit {
    /// The library's own.
    pub state: [u32; 64],
}

// Each call sees the one as the other.
const _: () = assert!(size_of::<realpeer_log_limit>() == size_of::<LogLimit>());
const _: () = assert!(align_of::<realpeer_log_limit>() == align_of::<LogLimit>());

/// Reads a rate as it stands in configurations: "10r/s", "30r/m" or "off", and
/// behind a rate "burst=100".
///
/// @param rate NULL for the default, which is 10r/s burst=100
/// @param burst NULL where nothing is said
/// @param out filled in where both are right, else left alone
/// @param out_size sizeof(realpeer_log_rate)
/// @return 0; REALPEER_ERROR_BAD_RATE, REALPEER_ERROR_BAD_BURST,
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_log_rate_parse(
    rate: *const c_char,
    rate_len: usize,
    burst: *const c_char,
    burst_len: usize,
    out: *mut realpeer_log_rate,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let words =
        unsafe { (bytes(rate.cast::<u8>(), rate_len), bytes(burst.cast::<u8>(), burst_len)) };
    let out = Out::new(out, out_size, size_of::<realpeer_log_rate>());
    let ((Some(rate_word), Some(burst_word)), Some(out)) = (words, out) else {
        return Error::InvalidArgument as i32;
    };
    let Ok(rate_word) = core::str::from_utf8(rate_word) else { return Error::BadRate as i32 };
    let Ok(burst_word) = core::str::from_utf8(burst_word) else { return Error::BadBurst as i32 };
    let burst_word = if burst.is_null() { None } else { Some(burst_word) };
    let parsed = match (rate.is_null(), burst_word) {
        (true, None) => Ok(LogRate::default()),
        (true, Some(_)) => return Error::InvalidArgument as i32,
        (false, burst_word) => LogRate::parse(rate_word, burst_word),
    };
    match parsed {
        Ok(rate) => {
            let rate = realpeer_log_rate { interval: rate.interval(), burst: rate.burst() };
            // SAFETY: the caller's promise on `out`.
            unsafe { out.write(rate) };
            0
        }
        Err(LogRateError::BadRate) => Error::BadRate as i32,
        Err(LogRateError::BadBurst) => Error::BadBurst as i32,
    }
}

/// Whether the line of a refused connection is to be written.
///
/// @param limit of the listener
/// @param rate NULL for the default
/// @param rate_size sizeof(realpeer_log_rate)
/// @param result why it was refused
/// @param quiet what realpeer_rule_is_quiet said of it. What is quiet takes no line
///   from what is not.
/// @param now milliseconds of a clock that is the same for all who share the limit
/// @param held_back with 1: how many lines about this result were held back until
///   now. Unless it is 0, a line that says so is to be written, too.
/// @return 1: it is to be written; 0: it is held back, which has been counted;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them, and nobody may
/// write to the limit but by these functions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_log_refused(
    limit: *mut realpeer_log_limit,
    rate: *const realpeer_log_rate,
    rate_size: usize,
    result: i32,
    quiet: i32,
    now: u64,
    held_back: *mut u32,
) -> i32 {
    // SAFETY: the caller's promises.
    let (limit, rate) = unsafe { (self::limit(limit), self::rate(rate, rate_size)) };
    let out = Out::new(held_back, size_of::<u32>(), size_of::<u32>());
    let (Some(limit), Some(rate), Some(out)) = (limit, rate, out) else {
        return Error::InvalidArgument as i32;
    };
    let Some(result) = Outcome::from_number(result) else { return Error::InvalidArgument as i32 };
    let logged = match quiet {
        0 => limit.refused(rate, result, now),
        1 => limit.refused_quietly(rate, result, now),
        _ => return Error::InvalidArgument as i32,
    };
    // SAFETY: the caller's promise.
    unsafe { answer(logged, out) }
}

/// # Safety
/// The pointer in `out` must be writable.
unsafe fn answer(logged: Logged, out: Out<u32>) -> i32 {
    match logged {
        Logged::Line { held_back } => {
            // SAFETY: the caller's promise.
            unsafe { out.write(held_back) };
            1
        }
        Logged::HeldBack => 0,
    }
}

/// Whether the line about another header on an accepted connection is to be written,
/// see realpeer_another_header. These lines have a limit of their own, of the same
/// rate; realpeer_log_held_back does not report them.
///
/// @param limit of the listener
/// @param rate NULL for the default
/// @param rate_size sizeof(realpeer_log_rate)
/// @param now as for realpeer_log_refused
/// @param held_back with 1: how many of these lines were held back until now. Unless
///   it is 0, a line that says so is to be written, too.
/// @return 1: it is to be written; 0: it is held back, which has been counted;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As with realpeer_log_refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_log_another(
    limit: *mut realpeer_log_limit,
    rate: *const realpeer_log_rate,
    rate_size: usize,
    now: u64,
    held_back: *mut u32,
) -> i32 {
    // SAFETY: the caller's promises.
    let (limit, rate) = unsafe { (self::limit(limit), self::rate(rate, rate_size)) };
    let out = Out::new(held_back, size_of::<u32>(), size_of::<u32>());
    let (Some(limit), Some(rate), Some(out)) = (limit, rate, out) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promise.
    unsafe { answer(limit.another_header(rate, now), out) }
}

/// What there is to say of lines that were held back, one result at a time: to be
/// called until it does not return 1. After the end of a flood there may be no
/// refusal that says it, so this is to be called now and then.
///
/// @param limit of the listener
/// @param rate NULL when nobody will ask again: all there is to say
/// @param rate_size sizeof(realpeer_log_rate)
/// @param now as for realpeer_log_refused
/// @param result with 1: why they were refused
/// @param quiet with 1: 1 if they were quiet, as the line is to be; or else 0
/// @param held_back with 1: how many, since this was said last
/// @return 1: a line that says so is to be written; 0: there is nothing to say; 2:
///   not yet; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As with realpeer_log_refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_log_held_back(
    limit: *mut realpeer_log_limit,
    rate: *const realpeer_log_rate,
    rate_size: usize,
    now: u64,
    result: *mut i32,
    quiet: *mut i32,
    held_back: *mut u32,
) -> i32 {
    // SAFETY: the caller's promises.
    let limit = unsafe { self::limit(limit) };
    let rate = if rate.is_null() {
        Some(LogRate::OFF)
    } else {
        // SAFETY: the caller's promise.
        unsafe { self::rate(rate, rate_size) }
    };
    let result = Out::new(result, size_of::<i32>(), size_of::<i32>());
    let quiet = Out::new(quiet, size_of::<i32>(), size_of::<i32>());
    let held_back = Out::new(held_back, size_of::<u32>(), size_of::<u32>());
    let (Some(limit), Some(rate), Some(result_out), Some(quiet_out), Some(out)) =
        (limit, rate, result, quiet, held_back)
    else {
        return Error::InvalidArgument as i32;
    };
    match limit.held_back(rate, now) {
        HeldBack::Lines { result, quiet, lines } => {
            // SAFETY: the caller's promises.
            unsafe {
                result_out.write(result as i32);
                quiet_out.write(quiet.into());
                out.write(lines);
            }
            1
        }
        HeldBack::Later => 2,
        HeldBack::Nothing => 0,
    }
}

/// # Safety
/// Unless NULL, the limit must be readable and writable for `'a`, and be written to
/// by atomic operations only.
unsafe fn limit<'a>(limit: *mut realpeer_log_limit) -> Option<&'a LogLimit> {
    let limit = limit.cast::<LogLimit>();
    if limit.is_null() || !limit.is_aligned() {
        return None;
    }
    // SAFETY: not NULL and aligned; any bytes are atomic integers, and the two types
    // have one size. The rest is the caller's promise.
    Some(unsafe { &*limit })
}

/// # Safety
/// Unless NULL, `rate` must be readable for `size` bytes.
unsafe fn rate(rate: *const realpeer_log_rate, size: usize) -> Option<LogRate> {
    if rate.is_null() {
        return Some(LogRate::default());
    }
    // SAFETY: the caller's promise.
    let raw = unsafe { bytes(rate.cast::<u8>(), size) }?;
    let (fields, beyond) = raw.split_first_chunk::<{ size_of::<realpeer_log_rate>() }>()?;
    // What this library does not know it cannot do; so nobody may ask for it.
    if beyond.iter().any(|&byte| byte != 0) {
        return None;
    }
    let [a, b, c, d, burst @ ..] = *fields;
    Some(LogRate::new(u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes(burst)))
}
