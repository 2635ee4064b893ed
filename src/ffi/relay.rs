//! The addresses in a header for the next server, in C.

use super::{Error, Out, bytes, realpeer_address};
use crate::relay::relayed;

/// Chooses source and destination for a header to the next server in a row. They
/// are of one family, whatever the addresses given are of: version 1 has no other
/// lines.
///
/// The destination is the first of `server` and `local` that is of the client's
/// family and an address at all (0.0.0.0 and :: are none). Where neither is, both
/// become IPv6, with the IPv4 ones among them mapped, and ::ffff:0.0.0.0 stands
/// for one that is not known: the client is never left out.
///
/// @param client `client` of a realpeer_decision
/// @param server `server` of a realpeer_decision; NULL or without an IP address
///   where it is not known
/// @param local our own end of the connection; NULL or without an IP address
///   where it has none, as on a Unix socket
/// @param source,destination filled in
/// @param out_size sizeof(realpeer_address)
/// @return 0; REALPEER_ERROR_NOT_FOUND where `client` has no IP address;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// The first three must be NULL or readable, `source` and `destination` NULL or
/// writable for `out_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_relayed(
    client: *const realpeer_address,
    server: *const realpeer_address,
    local: *const realpeer_address,
    source: *mut realpeer_address,
    destination: *mut realpeer_address,
    out_size: usize,
) -> i32 {
    let one = |address: *const realpeer_address| {
        // SAFETY: the caller's promise.
        unsafe { bytes(address, (!address.is_null()).into()) }
    };
    let (Some(client), Some(server), Some(local)) = (one(client), one(server), one(local)) else {
        return Error::InvalidArgument as i32;
    };
    let out = |to| Out::new(to, out_size, size_of::<realpeer_address>());
    let (Some(source), Some(destination), [client]) = (out(source), out(destination), client)
    else {
        return Error::InvalidArgument as i32;
    };
    let ip = |address: &[realpeer_address]| address.first()?.to_socket_address();
    let Some(client) = client.to_socket_address() else { return Error::NotFound as i32 };
    let (from, to) = relayed(client, ip(server), ip(local));
    // SAFETY: the caller's promises on both.
    unsafe {
        source.write(Some(from).into());
        destination.write(Some(to).into());
    }
    0
}
