//! The header taken off a socket, in C: what a program sees of it. How it is done is
//! in `receive`.

use core::slice;

use super::receive::take_header;
use super::{Error, Out, realpeer_decision, realpeer_settings};
use crate::decide::Action;
use crate::rules::Rule;

/// Milliseconds for the whole header where nothing is set.
pub const REALPEER_DEFAULT_TIMEOUT: i32 = 5000;

/// A connection whose header is to be taken off its socket. All zeroes, but for
/// what is said here.
///
/// What is above `have` is the caller's, and is never written to. What is below is
/// the library's: it remembers there what it knows of a connection as long as it
/// returns REALPEER_ACTION_MORE. With every other answer, errors included, all of
/// that is 0 again, and nothing but `fd` has to be set for the next connection.
///
/// A connection may be given up at any time while it waits, and another one take its
/// place. On Linux this is noticed, even where the descriptor has the same number;
/// elsewhere only where it has another, so set all from `have` on to 0 there.
///
/// While it waits it needs no more memory than this: see `have`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct realpeer_receiver {
    /// Where the header goes. What is longer is REALPEER_RESULT_TOO_LONG. It need not
    /// be initialised, and must not overlap the receiver, the decision, the rules or
    /// the settings.
    pub buffer: *mut u8,
    /// Rules that realpeer_rules_prepare has prepared, to find the policy with,
    /// where `policy` is REALPEER_POLICY_NONE.
    pub rules: *const Rule,
    /// NULL for the defaults.
    pub settings: *const realpeer_settings,
    /// When the time is over, in milliseconds of CLOCK_MONOTONIC; 0: `timeout_ms`
    /// after the first call that has to wait.
    pub deadline: u64,
    /// Bytes of `buffer`, REALPEER_V1_MAX at least.
    pub buffer_size: u32,
    /// How many rules there are.
    pub rule_count: u32,
    /// sizeof(realpeer_settings)
    pub settings_size: u32,
    /// The socket: connected, TCP or a Unix stream, blocking or not. Nothing else
    /// may read from it meanwhile.
    pub fd: i32,
    /// REALPEER_POLICY_*, or REALPEER_POLICY_NONE to ask the rules. What they said is
    /// in the decision.
    pub policy: i32,
    /// Milliseconds for the whole header, if `deadline` is not set; 0 for
    /// REALPEER_DEFAULT_TIMEOUT, negative for no end, whatever `deadline` says.
    pub timeout_ms: i32,
    /// Bytes of the header that are off the socket, and in `buffer`. They have to be
    /// there again at the next call. While this is 0 nothing in `buffer` is needed:
    /// all waiting connections may share one.
    pub have: u32,
    /// 0: call again when the socket is readable. Else bytes have to be left on a
    /// socket that has no option to wait for more of them, and is readable all the
    /// time: call again after so many milliseconds, and wait until then for nothing
    /// but the end (poll() with POLLRDHUP alone). A program that waits for edges
    /// (EPOLLET) need not look at this.
    pub retry_ms: i32,
    /// Bytes that have to be there before the socket is readable, 0 where that was
    /// left as it was.
    pub low_water: i32,
    /// What the rules said, 0 where they have not been asked.
    pub found_policy: i32,
    /// When the time is over, in milliseconds of CLOCK_MONOTONIC; 0 where there is
    /// no end.
    pub ends: u64,
    /// Which socket all this is about.
    pub socket: u64,
}

/// Takes the header off a connected socket, and waits for it.
///
/// Not a byte behind the header is taken: what follows is read from the socket as
/// if nothing had been in front of it. If no header comes where none has to,
/// nothing is taken. The flags of the socket stay as they are and do not count.
///
/// The header, with its TLVs, is at the beginning of `buffer` afterwards: the first
/// `consumed` bytes, as the decision says. Where the peer breaks the connection, it
/// is as if it had closed it.
///
/// Once there is an answer the receiver knows nothing of the connection any more. Do
/// not call it again for the same one: what comes then is the application's, which
/// would be looked at for another header.
///
/// If SO_RCVLOWAT is more than 1 here, set it afterwards: with it the system says
/// that there is nothing as long as there is less, and the header may seem to be
/// late. Where bytes have to be left on the socket for a while, it is 1 afterwards.
/// SO_PEEK_OFF does not hide the header, and goes on to count from the same byte.
///
/// What has messages (SOCK_SEQPACKET) will do only where the header is one of its
/// own: the system takes off whole messages. Where one goes on behind the header,
/// that is lost, and the result is REALPEER_ERROR_INVALID_ARGUMENT.
///
/// `receiver` and `buffer` are written to whatever the result is.
///
/// @param receiver as described there
/// @param receiver_size sizeof(realpeer_receiver)
/// @param out filled in unless an argument is invalid or a system call failed
/// @param out_size sizeof(realpeer_decision)
/// @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS; REALPEER_ACTION_REFUSE;
///   REALPEER_ERROR_SOCKET, and errno says why; REALPEER_ERROR_NOT_CONNECTED for a
///   socket that listens or was never connected; REALPEER_ERROR_INVALID_ARGUMENT.
///   All that is negative means: close the connection.
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them; those in
/// `receiver`, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_receive(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { receive(receiver, receiver_size, out, out_size, true) }
}

/// The same, without waiting: returns REALPEER_ACTION_MORE as long as the header
/// is not whole. Call it again when the socket is readable, and when the time is
/// over, which it finds out by itself.
///
/// Where the policy is REALPEER_POLICY_OPTIONAL or REALPEER_POLICY_STRIP, bytes that
/// may turn out to be the application's stay on the socket, and so it stays
/// readable. For TCP this function prevents that, with SO_RCVLOWAT, which is 1 again
/// afterwards. For Unix sockets Linux has nothing like it: wait for edges (EPOLLET)
/// there, or as `retry_ms` says. Bytes that can be the beginning of a header, and
/// are followed by an urgent one (MSG_OOB), are taken for none.
///
/// @return as realpeer_receive, or REALPEER_ACTION_MORE
///
/// # Safety
/// As for realpeer_receive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_receive_nowait(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { receive(receiver, receiver_size, out, out_size, false) }
}

/// # Safety
/// As for realpeer_receive.
unsafe fn receive(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
    wait: bool,
) -> i32 {
    // SAFETY: the caller's promise.
    let Some(receiver) = (unsafe { known_part(receiver, receiver_size) }) else {
        return Error::InvalidArgument as i32;
    };
    receiver.forget_another_socket();
    let out = Out::new(out, out_size, size_of::<realpeer_decision>());
    let decision = match out {
        // SAFETY: the caller's promises on the pointers in `receiver`.
        Some(_) => unsafe { take_header(receiver, wait) },
        None => Err(Error::InvalidArgument),
    };
    match (decision, out) {
        (Ok(decision), Some(out)) => {
            if decision.action == Action::More as i32 {
                receiver.remember_socket();
            } else {
                receiver.forget();
            }
            // SAFETY: the caller's promise on `out`.
            unsafe { out.write(decision) };
            decision.action
        }
        (decision, _) => {
            receiver.forget();
            decision.err().unwrap_or(Error::InvalidArgument) as i32
        }
    }
}

/// The receiver as this library knows it; the caller's may be longer.
///
/// # Safety
/// `receiver` must be NULL or writable for `size` bytes, and initialised.
unsafe fn known_part<'a>(
    receiver: *mut realpeer_receiver,
    size: usize,
) -> Option<&'a mut realpeer_receiver> {
    let beyond = size.checked_sub(size_of::<realpeer_receiver>())?;
    if receiver.is_null() || !receiver.is_aligned() || isize::try_from(size).is_err() {
        return None;
    }
    // SAFETY: the caller's promise: so many bytes follow what is known here.
    let beyond = unsafe { slice::from_raw_parts(receiver.add(1).cast::<u8>(), beyond) };
    // What this library does not know it cannot do; so nobody may ask for it.
    if beyond.iter().any(|&byte| byte != 0) {
        return None;
    }
    // SAFETY: not NULL, aligned, and `size` is enough; the rest is the caller's
    // promise.
    Some(unsafe { &mut *receiver })
}
