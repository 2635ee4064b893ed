//! The system calls of the socket functions, and what their errors mean.

use core::ffi::c_int;

use libc::{c_short, c_void, nfds_t, pollfd, sockaddr, sockaddr_storage, socklen_t};

use super::Error;
use crate::rules::Peer;

/// What poll() says where no more bytes come.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) const ENDED: c_short = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) const ENDED: c_short = libc::POLLHUP | libc::POLLERR;

pub(super) fn low_water(fd: c_int, bytes: c_int) -> bool {
    set_option(fd, libc::SO_RCVLOWAT, bytes)
}

fn set_option(fd: c_int, option: c_int, value: c_int) -> bool {
    let size = socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the option is an int, of which the address and size are given.
    let result = unsafe {
        let value = (&raw const value).cast::<c_void>();
        libc::setsockopt(fd, libc::SOL_SOCKET, option, value, size)
    };
    result == 0
}

/// An option of a socket, where the system has it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn option<T: Copy + Default>(fd: c_int, option: c_int) -> Option<T> {
    let mut value = T::default();
    let wanted = socklen_t::try_from(size_of::<T>()).ok()?;
    let mut size = wanted;
    // SAFETY: the address and size of an integer are given, for which any bytes will do.
    let result = unsafe {
        let value = (&raw mut value).cast::<c_void>();
        libc::getsockopt(fd, libc::SOL_SOCKET, option, value, &raw mut size)
    };
    if result == 0 && size == wanted { Some(value) } else { None }
}

/// Which socket a descriptor is, never 0. Numbers of descriptors are used again;
/// where the system has something better, that is taken.
pub(super) fn identity(fd: c_int) -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(cookie @ 1..) = option::<u64>(fd, SO_COOKIE) {
        return cookie;
    }
    // The first cookies are small numbers; descriptors look like very large ones.
    !u64::from(u32::from_ne_bytes(fd.to_ne_bytes()))
}

/// libc has it for some targets only.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(any(target_arch = "sparc", target_arch = "sparc64"))
))]
const SO_COOKIE: c_int = 57;
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "sparc", target_arch = "sparc64")
))]
const SO_COOKIE: c_int = 0x3b;

/// Where peeking begins, if the program has set that (SO_PEEK_OFF): not at the
/// header. It is set to the beginning for as long as this is.
pub(super) struct PeekOffset {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    set: Option<(c_int, c_int)>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl PeekOffset {
    pub(super) fn suspend(fd: c_int) -> Result<Self, Error> {
        let set = option::<c_int>(fd, libc::SO_PEEK_OFF).filter(|&at| at >= 0);
        if set.is_some() && !set_option(fd, libc::SO_PEEK_OFF, -1) {
            return Err(Error::Socket);
        }
        Ok(PeekOffset { set: set.map(|at| (fd, at)) })
    }

    /// At the same byte as before, or the next one that is there: so many have been
    /// taken off, as the system counts it too.
    pub(super) fn resume(self, taken: usize) {
        if let Some((fd, at)) = self.set {
            let taken = c_int::try_from(taken).unwrap_or(c_int::MAX);
            set_option(fd, libc::SO_PEEK_OFF, at.saturating_sub(taken).max(0));
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl PeekOffset {
    pub(super) fn suspend(_: c_int) -> Result<Self, Error> {
        Ok(PeekOffset {})
    }

    pub(super) fn resume(self, _: usize) {}
}

/// Who is at the other end; `None` for what is neither IP nor Unix.
pub(super) fn peer_of(fd: c_int) -> Result<Option<Peer>, c_int> {
    // SAFETY: all zeroes are a valid value of this plain C struct.
    let mut peer: sockaddr_storage = unsafe { core::mem::zeroed() };
    let mut len = socklen_t::try_from(size_of_val(&peer)).unwrap_or(0);
    let peer = (&raw mut peer).cast::<sockaddr>();
    // SAFETY: `peer` has room for `len` bytes.
    if unsafe { libc::getpeername(fd, peer, &raw mut len) } != 0 {
        return Err(errno());
    }
    // SAFETY: `len` bytes of it were filled in.
    Ok(unsafe { super::address::peer(peer, len) })
}

/// Whether a socket that has no peer has never had one, or only listens: one whose
/// peer has gone is at its end, or broken.
pub(super) fn is_unconnected(fd: c_int) -> bool {
    if !matches!(peer_of(fd), Err(libc::ENOTCONN)) {
        return false;
    }
    let mut one = [0; 1];
    // SAFETY: there is room for one byte.
    match unsafe { peek(fd, one.as_mut_ptr(), one.len()) } {
        Ok(_) => false,
        Err(errno) => would_block(errno) || matches!(errno, libc::ENOTCONN | libc::EINVAL),
    }
}

/// Looks at what is there, and does not wait.
///
/// # Safety
/// `to` must be writable for `len` bytes.
pub(super) unsafe fn peek(fd: c_int, to: *mut u8, len: usize) -> Result<usize, c_int> {
    loop {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: the caller's promise.
        let n = unsafe { libc::recv(fd, to.cast(), len, flags) };
        match usize::try_from(n) {
            Ok(n) => return Ok(n),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return Err(errno()),
        }
    }
}

/// Takes off what has been seen to be there. Where the socket has messages, and one
/// of them goes on behind `to`, the rest of it is lost, which is an error.
///
/// # Safety
/// `to` must be writable for `len` bytes.
pub(super) unsafe fn take(fd: c_int, to: *mut u8, len: usize) -> Result<usize, Error> {
    loop {
        let mut part = libc::iovec { iov_base: to.cast(), iov_len: len };
        // SAFETY: all zeroes are a valid value of this plain C struct.
        let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        // SAFETY: the caller's promise, and nothing else is asked for.
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

/// Whether this says that the connection is no more. That there is none is another
/// matter where nothing was ever connected, see [`is_unconnected`].
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
