//! What came instead of a header, and what follows one, in C.

use core::ffi::c_char;

use super::{Error, bytes};
use crate::looks::{another_header, phrase};

/// What the first bytes of a refused connection look like: "a TLS client hello",
/// "an HTTP request" and the like, for a log line, after "looks like". It says only
/// what is certain from the bytes, which of most bytes is nothing.
///
/// @param data the more of what came, the better; NULL with length 0 is fine
/// @return the phrase, which is static; "" where there is nothing to be said; never
///   NULL
///
/// # Safety
/// `data` must be NULL or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_looks_like(data: *const u8, len: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { bytes(data, len) }.and_then(phrase).unwrap_or(c"").as_ptr()
}

/// Whether the bytes that follow a header are another one, as two load balancers in a
/// row send it where each adds a header. The first one names the other balancer as
/// the client then, and the second one is taken for the beginning of the request. It
/// is something to log, and nothing to refuse: an application's own bytes may look
/// like this.
///
/// @param data what has come after the header; NULL with length 0 is fine
/// @return 1: they begin a header; 0: they do not, or are too few to say so;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `data` must be NULL or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_another_header(data: *const u8, len: usize) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { bytes(data, len) } {
        Some(data) => another_header(data).into(),
        None => Error::InvalidArgument as i32,
    }
}
