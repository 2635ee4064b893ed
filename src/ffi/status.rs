//! Counters as text, in C.

use core::ffi::{CStr, c_char, c_void};

use super::counters::{counters, realpeer_counters};
use super::{Error, bytes};
pub use crate::counters::format::Format;
use crate::counters::format::choose;
use crate::counters::render::render;

/// Takes a piece of text that realpeer_counters_write has written.
///
/// @param context what was given to realpeer_counters_write
/// @param text not followed by a NUL
/// @param len its length, never 0
/// @return 0; any other number ends the writing
pub type realpeer_write_fn =
    Option<unsafe extern "C" fn(context: *mut c_void, text: *const c_char, len: usize) -> i32>;

/// Chooses the format for a request: the one that its query names, else the one
/// that it likes best of those it accepts, else REALPEER_FORMAT_PROMETHEUS.
///
/// @param query such as "format=json", without the question mark
/// @param accept the value of the header "Accept"
/// @return REALPEER_FORMAT_*; REALPEER_ERROR_NOT_FOUND where the query names one
///   that does not exist; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Texts must be NULL or readable for their length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_format(
    query: *const c_char,
    query_len: usize,
    accept: *const c_char,
    accept_len: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    match unsafe { (bytes(query.cast::<u8>(), query_len), bytes(accept.cast::<u8>(), accept_len)) }
    {
        (Some(query), Some(accept)) => {
            choose(query, accept).map_or(Error::NotFound as i32, |format| format as i32)
        }
        _ => Error::InvalidArgument as i32,
    }
}

/// The value of the header "Content-Type" for a format; "text/plain" for a number
/// that is none. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_counters_content_type(format: i32) -> *const c_char {
    let unknown: &CStr = c"text/plain";
    Format::from_number(format).map_or(unknown, Format::content_type).as_ptr()
}

/// Writes the counters as text, in pieces. They go on counting meanwhile.
///
/// @param format REALPEER_FORMAT_*
/// @param now seconds since 1970
/// @param write called with one piece after another
/// @param context for `write`
/// @return 0; REALPEER_ERROR_NO_ROOM where `write` has ended it;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `counters` must be NULL or have been filled in by realpeer_counters_create or
/// realpeer_counters_open, and the memory still be there. `write` must be NULL or
/// a function that takes what is described at realpeer_write_fn.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_write(
    counters: *const realpeer_counters,
    format: i32,
    now: u64,
    write: realpeer_write_fn,
    context: *mut c_void,
) -> i32 {
    // SAFETY: the caller's promise.
    let counters = unsafe { self::counters(counters) };
    let (Some(counters), Some(format), Some(write)) =
        (counters, Format::from_number(format), write)
    else {
        return Error::InvalidArgument as i32;
    };
    let mut take = |piece: &[u8]| {
        // SAFETY: the caller's promise; the piece is there for as long as the call.
        unsafe { write(context, piece.as_ptr().cast::<c_char>(), piece.len()) == 0 }
    };
    if render(counters, format, now, &mut take) { 0 } else { Error::NoRoom as i32 }
}
