//! Addresses in C: a small struct of our own, text, and `struct sockaddr`.

use core::ffi::{c_char, c_int};
use core::mem::offset_of;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libc::{
    AF_INET, AF_INET6, AF_UNIX, sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, socklen_t,
};

use super::{Buffer, Error, Out, bytes, bytes_mut};
use crate::address::{AddressText, Family, canonical, in_family};
use crate::rules::Peer;
use crate::text::{escape, hex};

/// An IP address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct realpeer_address {
    /// REALPEER_FAMILY_INET, REALPEER_FAMILY_INET6, or REALPEER_FAMILY_UNSPEC:
    /// no address. In what is to be written REALPEER_FAMILY_UNIX, too.
    pub family: u8,
    /// Zero.
    pub reserved: u8,
    /// Port in the byte order of the host.
    pub port: u16,
    /// The address as on the wire, IPv4 in the first 4 bytes.
    pub ip: [u8; 16],
}

impl From<Option<SocketAddr>> for realpeer_address {
    fn from(address: Option<SocketAddr>) -> Self {
        let Some(address) = address else { return Self::default() };
        match address.ip() {
            IpAddr::V4(v4) => Self::new(Family::Inet, v4.to_bits().into(), address.port()),
            IpAddr::V6(v6) => Self::new(Family::Inet6, v6.to_bits(), address.port()),
        }
    }
}

impl realpeer_address {
    /// An address as a number, which is zero where the family has none.
    #[inline]
    pub(super) fn new(family: Family, ip: u128, port: u16) -> Self {
        let ip = if family == Family::Inet { ip << 96 } else { ip };
        let family = match family {
            Family::Inet | Family::Inet6 => family,
            Family::Unspec | Family::Unix => Family::Unspec,
        };
        Self { family: family as u8, reserved: 0, port, ip: ip.to_be_bytes() }
    }

    fn to_ip(self) -> Option<IpAddr> {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            1 => Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            2 => Some(IpAddr::V6(Ipv6Addr::from(self.ip))),
            _ => None,
        }
    }

    pub(super) fn to_socket_address(self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.to_ip()?, self.port))
    }
}

/// A length for C; every text here is far below 2 GiB.
pub(super) fn length(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Writes the address, without the port, as text: dotted IPv4, or IPv6 as
/// RFC 5952 has it. The text is followed by a NUL; REALPEER_ADDRESS_TEXT bytes
/// are always enough.
///
/// @return the length of the text without the NUL, or REALPEER_ERROR_NOT_FOUND
///   where there is no address; nothing is written if `size` is too small
///
/// # Safety
/// `address` must be NULL or readable, `out` NULL or writable for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_address_text(
    address: *const realpeer_address,
    out: *mut c_char,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let address = unsafe { bytes(address, 1) };
    let (Some([address]), Some(out)) = (address, Buffer::new(out.cast::<u8>(), size)) else {
        return Error::InvalidArgument as i32;
    };
    let Some(ip) = address.to_ip() else { return Error::NotFound as i32 };
    let text = AddressText::new(ip);
    let text = text.as_bytes();
    if text.len() < out.size {
        // SAFETY: there is room for the text and one byte more, and the text is ours.
        // A loop over bytes takes longer than all the rest.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), out.to, text.len());
            out.to.add(text.len()).write(0);
        }
    }
    length(text.len())
}

/// Writes the address as a `struct sockaddr_in` or `struct sockaddr_in6`.
///
/// @param out at least `*out_len` bytes, at most a `struct sockaddr_storage`
/// @param out_len in: the size of `out`; out: the size of what was written
/// @return 0; REALPEER_ERROR_NOT_FOUND where there is no address;
///   REALPEER_ERROR_INVALID_ARGUMENT where `out` is NULL or too small
///
/// # Safety
/// `address` must be NULL or readable, `out` NULL or writable for `*out_len`
/// bytes and aligned as a `struct sockaddr_storage`, `out_len` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_address_to_sockaddr(
    address: *const realpeer_address,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { to_sockaddr(address, Some, out, out_len) }
}

/// The same in a family of the caller's choice, such as that of its socket: for
/// AF_INET6 an IPv4 address is mapped into IPv6 (`::ffff:192.0.2.1`), as the system
/// does it on such sockets.
///
/// @param family AF_INET or AF_INET6
/// @param out at least `*out_len` bytes, at most a `struct sockaddr_storage`
/// @param out_len in: the size of `out`; out: the size of what was written
/// @return as realpeer_address_to_sockaddr; REALPEER_ERROR_OTHER_FAMILY where the
///   address has no form in that family: an IPv6 one for AF_INET, and any for
///   another family. Close the connection then: what is left is the balancer's
///   address, with the rights of the client.
///
/// # Safety
/// As for realpeer_address_to_sockaddr.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_address_to_family(
    address: *const realpeer_address,
    family: c_int,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    let family = match family {
        AF_INET => Some(Family::Inet),
        AF_INET6 => Some(Family::Inet6),
        _ => None,
    };
    let convert = |address| in_family(address, family?);
    // SAFETY: the caller's promises.
    unsafe { to_sockaddr(address, convert, out, out_len) }
}

/// # Safety
/// As for realpeer_address_to_sockaddr.
unsafe fn to_sockaddr(
    address: *const realpeer_address,
    convert: impl Fn(SocketAddr) -> Option<SocketAddr>,
    out: *mut sockaddr,
    out_len: *mut socklen_t,
) -> i32 {
    // SAFETY: the caller's promises.
    let (address, len) = unsafe { (bytes(address, 1), bytes_mut(out_len, 1)) };
    let (Some([address]), Some([len]), false) = (address, len, out.is_null()) else {
        return Error::InvalidArgument as i32;
    };
    let Some(address) = address.to_socket_address() else { return Error::NotFound as i32 };
    let Some(address) = convert(address) else { return Error::OtherFamily as i32 };
    // SAFETY: all zeroes are a valid value of these plain C structs.
    let (mut v4, mut v6): (sockaddr_in, sockaddr_in6) = unsafe { core::mem::zeroed() };
    let (from, size) = match address.ip() {
        IpAddr::V4(ip) => {
            v4.sin_family = family(AF_INET);
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            ((&raw const v4).cast::<u8>(), size_of::<sockaddr_in>())
        }
        IpAddr::V6(ip) => {
            v6.sin6_family = family(AF_INET6);
            v6.sin6_port = address.port().to_be();
            v6.sin6_addr.s6_addr = ip.octets();
            ((&raw const v6).cast::<u8>(), size_of::<sockaddr_in6>())
        }
    };
    match (usize::try_from(*len), socklen_t::try_from(size)) {
        (Ok(room), Ok(written)) if room >= size => {
            // SAFETY: `from` is one of the structs above, `out` has room for it.
            unsafe { core::ptr::copy_nonoverlapping(from, out.cast::<u8>(), size) };
            *len = written;
            0
        }
        _ => Error::InvalidArgument as i32,
    }
}

/// The address of a `struct sockaddr`, as getpeername() gives it: an IPv4 or IPv6
/// address and its port, or REALPEER_FAMILY_UNIX without the path. IPv4 mapped
/// into IPv6 becomes IPv4.
///
/// @param out_size sizeof(realpeer_address)
/// @return 0; REALPEER_ERROR_NOT_FOUND where it is of another family or cut off;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_address_from_sockaddr(
    address: *const sockaddr,
    len: socklen_t,
    out: *mut realpeer_address,
    out_size: usize,
) -> i32 {
    let out = Out::new(out, out_size, size_of::<realpeer_address>());
    let (Some(out), false) = (out, address.is_null()) else { return Error::InvalidArgument as i32 };
    // SAFETY: the caller's promise.
    let found = match unsafe { peer(address, len) } {
        Some(Peer::Ip(ip)) => {
            // Where the port is does not depend on the family.
            const { assert!(offset_of!(sockaddr_in, sin_port) == offset_of!(sockaddr_in6, sin6_port)) };
            // SAFETY: the caller's promise.
            let port = unsafe { field(address, len, offset_of!(sockaddr_in, sin_port)) };
            let port = port.unwrap_or_default();
            Some(canonical(SocketAddr::new(ip, u16::from_be_bytes(port)))).into()
        }
        Some(Peer::Unix) => {
            realpeer_address { family: Family::Unix as u8, ..realpeer_address::default() }
        }
        None => return Error::NotFound as i32,
    };
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(found) };
    0
}

fn family(constant: i32) -> sa_family_t {
    sa_family_t::try_from(constant).unwrap_or(0)
}

/// Who is behind a `struct sockaddr`; `None` for what is neither IP nor Unix.
///
/// # Safety
/// `address` must be NULL or readable for `len` bytes.
pub(super) unsafe fn peer(address: *const sockaddr, len: socklen_t) -> Option<Peer> {
    // SAFETY: the caller's promise, for each of them.
    unsafe {
        let family = field(address, len, offset_of!(sockaddr, sa_family))?;
        match i32::from(sa_family_t::from_ne_bytes(family)) {
            AF_INET => {
                let ip: [u8; 4] = field(address, len, offset_of!(sockaddr_in, sin_addr))?;
                Some(Peer::Ip(IpAddr::V4(Ipv4Addr::from(ip))))
            }
            AF_INET6 => {
                let ip: [u8; 16] = field(address, len, offset_of!(sockaddr_in6, sin6_addr))?;
                Some(Peer::Ip(IpAddr::V6(Ipv6Addr::from(ip))))
            }
            AF_UNIX => Some(Peer::Unix),
            _ => None,
        }
    }
}

/// `N` bytes of a `struct sockaddr`, and no others: it may lie anywhere, and what
/// its family does not use need not be initialised, in a `struct sockaddr_storage`
/// for example.
///
/// # Safety
/// `address` must be NULL or readable for `len` bytes, and those in question be
/// initialised.
unsafe fn field<const N: usize>(
    address: *const sockaddr,
    len: socklen_t,
    offset: usize,
) -> Option<[u8; N]> {
    let within = offset.checked_add(N)? <= usize::try_from(len).ok()?;
    if address.is_null() || !within {
        return None;
    }
    // SAFETY: within what is readable, by the caller's promise; bytes need no
    // alignment.
    Some(unsafe { address.cast::<u8>().add(offset).cast::<[u8; N]>().read() })
}

/// Writes bytes for a log line: printable ASCII stays, quotes, backslashes and
/// all other bytes become `\xHH`. No NUL is added.
///
/// @return the length of the text, at most 4 times `len`; nothing is written if
///   `size` is smaller; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `data` must be NULL or readable for `len` bytes, `out` NULL or writable for
/// `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_escape(
    data: *const u8,
    len: usize,
    out: *mut c_char,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let data = unsafe { bytes(data, len) };
    match (data, Buffer::new(out.cast::<u8>(), size)) {
        // SAFETY: the caller's promise on `out`.
        (Some(data), Some(out)) => length(unsafe { out.fill(|out| escape(data, out)) }),
        _ => Error::InvalidArgument as i32,
    }
}

/// Writes bytes as lower-case hex digits. No NUL is added.
///
/// @return the length of the text, twice `len`; nothing is written if `size` is
///   smaller; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_escape.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_hex(
    data: *const u8,
    len: usize,
    out: *mut c_char,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let data = unsafe { bytes(data, len) };
    match (data, Buffer::new(out.cast::<u8>(), size)) {
        // SAFETY: the caller's promise on `out`.
        (Some(data), Some(out)) => length(unsafe { out.fill(|out| hex(data, out)) }),
        _ => Error::InvalidArgument as i32,
    }
}
