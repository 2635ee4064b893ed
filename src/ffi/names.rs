//! Who is there, in C: getpeername() and getsockname() for the real peer.

use core::ffi::c_int;

use libc::{sockaddr, sockaddr_storage, socklen_t};

use super::{
    Error, realpeer_address, realpeer_address_to_family, realpeer_address_to_sockaddr,
    realpeer_decision,
};

/// The real peer of a connection: the client that the decision names, or the peer
/// of the socket itself. As getpeername().
///
/// The client may be of another family than the socket: an IPv6 one comes over a
/// socket for IPv4 where the balancer has both. A program that cannot do with that
/// calls realpeer_getpeername_own.
///
/// @param decision NULL for the socket's own
/// @param decision_size sizeof(realpeer_decision)
/// @param out room for a `struct sockaddr_storage`
/// @param out_len in: the size of `out`; out: the size of what was written
/// @return 0; REALPEER_ERROR_SOCKET, and errno says why;
///   REALPEER_ERROR_INVALID_ARGUMENT, also where `out` is too small
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them, `out` aligned as a
/// `struct sockaddr_storage`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_getpeername(
    fd: c_int,
    decision: *const realpeer_decision,
    decision_size: usize,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        let client = of_decision(decision, decision_size, |decision| &raw const (*decision).client);
        name(fd, libc::getpeername, client, Form::Any, out, out_len)
    }
}

/// What the client connected to: the address that the decision names as the
/// server, or the socket's own. As getsockname().
///
/// @return as realpeer_getpeername
///
/// # Safety
/// As for realpeer_getpeername.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_getsockname(
    fd: c_int,
    decision: *const realpeer_decision,
    decision_size: usize,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        let server = of_decision(decision, decision_size, |decision| &raw const (*decision).server);
        name(fd, libc::getsockname, server, Form::Any, out, out_len)
    }
}

/// The real peer in the family of the socket: for programs that have room for a
/// `struct sockaddr_in` only, or go by one form of an address. Over a socket of
/// AF_INET6 an IPv4 client is mapped (`::ffff:192.0.2.1`), as the system does it.
///
/// @param out room for an address of the socket's family
/// @return as realpeer_getpeername; REALPEER_ERROR_OTHER_FAMILY where the client has
///   no address in that family: an IPv6 client over AF_INET, any client that a
///   header names over a Unix socket. Close the connection then: what is left is the
///   balancer's address, with the rights of the client.
///
/// # Safety
/// As for realpeer_getpeername.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_getpeername_own(
    fd: c_int,
    decision: *const realpeer_decision,
    decision_size: usize,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        let client = of_decision(decision, decision_size, |decision| &raw const (*decision).client);
        name(fd, libc::getpeername, client, Form::Own, out, out_len)
    }
}

/// What the client connected to, in the family of the socket.
///
/// @return as realpeer_getpeername_own
///
/// # Safety
/// As for realpeer_getpeername.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_getsockname_own(
    fd: c_int,
    decision: *const realpeer_decision,
    decision_size: usize,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        let server = of_decision(decision, decision_size, |decision| &raw const (*decision).server);
        name(fd, libc::getsockname, server, Form::Own, out, out_len)
    }
}

/// An address of a decision, if it names one. The decision is looked at only once it
/// is known to be complete.
///
/// # Safety
/// `decision` must be NULL or readable for `size` bytes; `wanted` gives the place of
/// a field of it.
unsafe fn of_decision(
    decision: *const realpeer_decision,
    size: usize,
    wanted: impl Fn(*const realpeer_decision) -> *const realpeer_address,
) -> Result<Option<realpeer_address>, Error> {
    if decision.is_null() {
        return Ok(None);
    }
    if size < size_of::<realpeer_decision>() || !decision.is_aligned() {
        return Err(Error::InvalidArgument);
    }
    // SAFETY: within a decision that is there, aligned as it is.
    let address = unsafe { wanted(decision).read() };
    Ok(Some(address).filter(|address| address.family != 0))
}

/// In which families an address may be given.
#[derive(PartialEq, Eq)]
enum Form {
    Any,
    /// That of the socket.
    Own,
}

type Ask = unsafe extern "C" fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int;

/// The address, or else what the system says.
///
/// # Safety
/// `out_len` must be NULL or readable and writable, `out` NULL or writable for that
/// many bytes.
unsafe fn name(
    fd: c_int,
    own: Ask,
    address: Result<Option<realpeer_address>, Error>,
    form: Form,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    let address = match address {
        Ok(address) if !out.is_null() && !out_len.is_null() && out_len.is_aligned() => address,
        _ => return Error::InvalidArgument as i32,
    };
    match (address, form) {
        // SAFETY: the caller's promises.
        (Some(address), Form::Any) => unsafe {
            realpeer_address_to_sockaddr(&raw const address, out, out_len)
        },
        (Some(address), Form::Own) => match ask(fd, libc::getsockname) {
            // SAFETY: the caller's promises.
            Some((name, _)) => unsafe {
                let family = name.ss_family.into();
                realpeer_address_to_family(&raw const address, family, out, out_len)
            },
            None => Error::Socket as i32,
        },
        (None, _) => match ask(fd, own) {
            // SAFETY: the caller's promises.
            Some((name, len)) => unsafe { copy(&name, len, out, out_len) },
            None => Error::Socket as i32,
        },
    }
}

fn ask(fd: c_int, own: Ask) -> Option<(sockaddr_storage, socklen_t)> {
    // SAFETY: all zeroes are a valid value of this plain C struct.
    let mut name: sockaddr_storage = unsafe { core::mem::zeroed() };
    let mut len = socklen_t::try_from(size_of_val(&name)).unwrap_or(0);
    // SAFETY: `name` has room for `len` bytes.
    let result = unsafe { own(fd, (&raw mut name).cast(), &raw mut len) };
    if result == 0 { Some((name, len)) } else { None }
}

/// # Safety
/// `out_len` must be readable and writable, `out` writable for that many bytes.
unsafe fn copy(
    name: &sockaddr_storage,
    len: socklen_t,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promise.
    let room = unsafe { out_len.read() };
    let Ok(count) = usize::try_from(len) else { return Error::Socket as i32 };
    if room < len || count > size_of_val(name) {
        // The system would have cut it.
        return Error::InvalidArgument as i32;
    }
    // SAFETY: `out` has room for `room` bytes, by the caller's promise.
    unsafe {
        core::ptr::from_ref(name).cast::<u8>().copy_to_nonoverlapping(out.cast::<u8>(), count);
        out_len.write(len);
    }
    0
}
