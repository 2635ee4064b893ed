//! The system calls of the socket functions, and what their errors mean.

use core::ffi::c_int;

use libc::{c_short, nfds_t, pollfd, socklen_t};

use super::Error;

/// What poll() says where no more bytes come.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) const ENDED: c_short = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) const ENDED: c_short = libc::POLLHUP | libc::POLLERR;

pub(super) fn low_water(fd: c_int, bytes: c_int) -> bool {
    let size = socklen_t::try_from(size_of_val(&bytes)).unwrap_or(0);
    // SAFETY: the option is an int, of which the address and size are given.
    let result = unsafe {
        let bytes = (&raw const bytes).cast();
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes, size)
    };
    result == 0
}

/// Looks at what is there, and does not wait.
pub(super) fn peek(fd: c_int, to: &mut [u8]) -> Result<usize, c_int> {
    loop {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: `to` may be written to in its whole length.
        let n = unsafe { libc::recv(fd, to.as_mut_ptr().cast(), to.len(), flags) };
        match usize::try_from(n) {
            Ok(n) => return Ok(n),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(errno()),
        }
    }
}

/// Takes off what has been seen to be there. Where the socket has messages, and one
/// of them goes on behind `to`, the rest of it is lost, which is an error.
pub(super) fn take(fd: c_int, to: &mut [u8]) -> Result<usize, Error> {
    loop {
        let mut part = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
        // SAFETY: all zeroes are a valid value of this plain C struct.
        let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        // SAFETY: `to` may be written to in its whole length, and nothing else is
        // asked for.
        let n = unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) };
        match usize::try_from(n) {
            Ok(_) if message.msg_flags & libc::MSG_TRUNC != 0 => {
                return Err(Error::InvalidArgument);
            }
            Ok(0) => return Err(Error::Socket),
            Ok(n) => return Ok(n),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(Error::Socket),
        }
    }
}

/// A signal ends the wait early, which does no harm.
pub(super) fn poll(fds: &mut [pollfd], timeout: c_int) -> Result<(), Error> {
    let Ok(count) = nfds_t::try_from(fds.len()) else { return Err(Error::Socket) };
    // SAFETY: `fds` may be written to in its whole length.
    let result = unsafe { libc::poll(fds.as_mut_ptr(), count, timeout) };
    if result < 0 && errno() != libc::EINTR { Err(Error::Socket) } else { Ok(()) }
}

/// Milliseconds of the clock that nobody sets.
pub(super) fn now() -> Result<u64, Error> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` may be written to.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } != 0 {
        return Err(Error::Socket);
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let part = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    Ok(seconds.saturating_mul(1000).saturating_add(part))
}

pub(super) fn would_block(errno: c_int) -> bool {
    errno == libc::EAGAIN || errno == libc::EWOULDBLOCK
}

/// Whether this says that the connection is no more.
pub(super) fn is_broken(errno: c_int) -> bool {
    matches!(
        errno,
        libc::ECONNRESET
            | libc::ECONNABORTED
            | libc::ENOTCONN
            | libc::EPIPE
            | libc::ETIMEDOUT
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
    )
}

pub(super) fn errno() -> c_int {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(not(any(
        target_os = "android",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    use libc::__errno_location as location;
    #[cfg(any(target_os = "freebsd", target_vendor = "apple"))]
    use libc::__error as location;
    // SAFETY: the C library gives the address of this thread's own number.
    unsafe { *location() }
}
