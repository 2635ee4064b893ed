//! Writing in C.

use core::slice;

use super::address::length;
use super::{Buffer, Error, bytes, realpeer_address, realpeer_tlv};
use crate::address::{Family, Transport};
use crate::header::Command;
use crate::tlv::Tlv;
use crate::write::{Outgoing, WriteError, write_ssl, write_v1};

/// A version 2 header to be written. All zeroes are a LOCAL header.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct realpeer_outgoing {
    /// The TLVs in their order. One of type REALPEER_TLV_CRC32C says where the
    /// checksum goes: its value is not looked at. So what was read can be sent on.
    pub tlvs: *const realpeer_tlv,
    /// For REALPEER_FAMILY_UNIX: the path, up to 108 bytes; an abstract name
    /// begins with NUL, an unnamed socket has none.
    pub source_path: *const u8,
    /// The same for the destination.
    pub destination_path: *const u8,
    /// How many TLVs there are.
    pub tlv_count: u32,
    /// Bytes of `source_path`.
    pub source_path_length: u16,
    /// Bytes of `destination_path`.
    pub destination_path_length: u16,
    /// Pads the header at its end with a NOOP TLV to a multiple of this many
    /// bytes, as AWS does with 100; 0 leaves it as it is. As a TLV has no less
    /// than three bytes, the next multiple is taken where one or two are missing.
    pub pad_to_multiple: u16,
    /// REALPEER_COMMAND_LOCAL or REALPEER_COMMAND_PROXY.
    pub command: u8,
    /// REALPEER_TRANSPORT_STREAM or REALPEER_TRANSPORT_DATAGRAM;
    /// REALPEER_TRANSPORT_UNSPEC where there are no addresses.
    pub transport: u8,
    /// 1 to add a CRC32c: as the first TLV, or where the TLVs say.
    pub checksum: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The client. If one is an IPv4 and the other an IPv6 address, the former is
    /// mapped into IPv6. REALPEER_FAMILY_UNSPEC in both: no addresses.
    pub source: realpeer_address,
    /// What the client connected to.
    pub destination: realpeer_address,
}

/// Writes a version 1 line. No NUL is added.
///
/// @param source NULL or without an IP address, and `destination` as well, for
///   `PROXY UNKNOWN`
/// @param out NULL with size 0 to learn how long it is; REALPEER_V1_MAX bytes are
///   always enough
/// @return the length of the line; REALPEER_ERROR_NO_ROOM,
///   REALPEER_ERROR_MIXED_FAMILIES; REALPEER_ERROR_BAD_ADDRESS where only one of
///   the two is an IP address; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_write_v1(
    source: *const realpeer_address,
    destination: *const realpeer_address,
    out: *mut u8,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let addresses = unsafe {
        let one = |address: *const realpeer_address| bytes(address, (!address.is_null()).into());
        (one(source), one(destination))
    };
    let out = Buffer::new(out, size);
    let ((Some(source), Some(destination)), Some(out)) = (addresses, out) else {
        return Error::InvalidArgument as i32;
    };
    let is_sound = |it: &realpeer_address| is_family(it.family) && it.reserved == 0;
    if ![source, destination].into_iter().flatten().all(is_sound) {
        return Error::InvalidArgument as i32;
    }
    let ip = |address: &[realpeer_address]| address.first()?.to_socket_address();
    let addresses = match (ip(source), ip(destination)) {
        (Some(source), Some(destination)) => Some((source, destination)),
        (None, None) => None,
        _ => return Error::BadAddress as i32,
    };
    // SAFETY: the caller's promise on `out`.
    result(unsafe { written(out, |out| write_v1(addresses, out)) })
}

/// Writes a version 2 header.
///
/// @param header NULL for a LOCAL header without TLVs
/// @param header_size sizeof(realpeer_outgoing)
/// @param out NULL with size 0 to learn how long it is
/// @return the length of the header; REALPEER_ERROR_NO_ROOM,
///   REALPEER_ERROR_TOO_MUCH, REALPEER_ERROR_INVALID_TLV;
///   REALPEER_ERROR_BAD_ADDRESS for addresses in a LOCAL header or without a
///   transport, for one of the two alone, two of them of which one is a Unix
///   socket's, or a path that is too long; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them; those in `header`
/// and in its TLVs, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_write_v2(
    header: *const realpeer_outgoing,
    header_size: usize,
    out: *mut u8,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let header = unsafe { outgoing(header, header_size) };
    let (Some(header), Some(out)) = (header, Buffer::new(out, size)) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promises on the pointers in `header`.
    let parts = unsafe {
        (
            tlvs(header.tlvs, header.tlv_count),
            bytes(header.source_path, header.source_path_length.into()),
            bytes(header.destination_path, header.destination_path_length.into()),
        )
    };
    let (Some(tlvs), Some(source), Some(destination)) = parts else {
        return Error::InvalidArgument as i32;
    };
    let (Some(command), Some(transport)) = (command(header.command), transport(header.transport))
    else {
        return Error::InvalidArgument as i32;
    };
    let families = [header.source.family, header.destination.family];
    let known = families.into_iter().all(is_family);
    let reserved = header.source.reserved | header.destination.reserved;
    if !known || reserved != 0 || header.checksum > 1 || header.reserved != [0; 3] {
        return Error::InvalidArgument as i32;
    }
    const UNIX: u8 = Family::Unix as u8;
    let ip = (header.source.to_socket_address(), header.destination.to_socket_address());
    let plain = match (ip, families) {
        ((Some(source), Some(destination)), _) => Outgoing::proxy(source, destination),
        (_, [UNIX, UNIX]) => Outgoing::unix(source, destination),
        (_, [0, 0]) => Outgoing::unspec(),
        _ => return Error::BadAddress as i32,
    };
    let header = plain
        .command(command)
        .transport(transport)
        .tlvs(tlvs)
        .checksum(header.checksum == 1)
        .pad_to_multiple(header.pad_to_multiple);
    // SAFETY: the caller's promise on `out`.
    result(unsafe { written(out, |out| header.write(out)) })
}

/// Writes the value of an SSL TLV, for an array of TLVs to be written.
///
/// @param client a sum of REALPEER_CLIENT_*
/// @param verify 0 only where the client showed a certificate that was found good
/// @param tlvs the TLVs within, of which the specification wants
///   REALPEER_TLV_SSL_VERSION
/// @param out NULL with size 0 to learn how long it is
/// @return the length of the value; REALPEER_ERROR_NO_ROOM,
///   REALPEER_ERROR_TOO_MUCH, REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them; those in the TLVs,
/// too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_write_ssl(
    client: u8,
    verify: u32,
    tlvs: *const realpeer_tlv,
    tlv_count: u32,
    out: *mut u8,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let tlvs = unsafe { self::tlvs(tlvs, tlv_count) };
    let (Some(tlvs), Some(out)) = (tlvs, Buffer::new(out, size)) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promise on `out`.
    result(unsafe { written(out, |out| write_ssl(client, verify, tlvs.clone(), out)) })
}

/// Writes a header, or what is in one, or says how long it would be.
///
/// # Safety
/// As for [`Buffer::zeroed`].
unsafe fn written(
    out: Buffer,
    write: impl Fn(&mut [u8]) -> Result<usize, WriteError>,
) -> Result<usize, WriteError> {
    match write(&mut []) {
        // Only asked.
        Err(WriteError::NoRoom { needed }) if out.to.is_null() => Ok(needed),
        Err(WriteError::NoRoom { needed }) => {
            // SAFETY: the caller's promise.
            let room = unsafe { out.zeroed(needed) };
            room.map_or(Err(WriteError::NoRoom { needed }), write)
        }
        other => other,
    }
}

fn result(written: Result<usize, WriteError>) -> i32 {
    written.map_or_else(|error| Error::from(error) as i32, length)
}

/// A copy of what C wants written; its own may be a newer (longer) struct than this
/// library's. A shorter one there has never been.
///
/// # Safety
/// `header` must be NULL or readable for `size` bytes.
unsafe fn outgoing(header: *const realpeer_outgoing, size: usize) -> Option<realpeer_outgoing> {
    // SAFETY: all zeroes are a valid value of this plain C struct.
    let mut copy: realpeer_outgoing = unsafe { core::mem::zeroed() };
    if header.is_null() {
        return Some(copy);
    }
    // SAFETY: the caller's promise.
    let raw = unsafe { bytes(header.cast::<u8>(), size) }?;
    let (known, beyond) = raw.split_at_checked(size_of::<realpeer_outgoing>())?;
    // What this library does not know it cannot write; so nobody may ask for it.
    if beyond.iter().any(|&byte| byte != 0) {
        return None;
    }
    // SAFETY: `known` has the size of the struct, of which every bit pattern is a
    // valid value.
    unsafe {
        let to = (&raw mut copy).cast::<u8>();
        core::ptr::copy_nonoverlapping(known.as_ptr(), to, known.len());
    }
    Some(copy)
}

/// TLVs as C has them.
#[derive(Clone)]
struct CTlvs<'a>(slice::Iter<'a, realpeer_tlv>);

/// # Safety
/// `array` must be NULL or an array of `count` TLVs, of which each value is NULL
/// or readable for its length.
unsafe fn tlvs<'a>(array: *const realpeer_tlv, count: u32) -> Option<CTlvs<'a>> {
    // SAFETY: the caller's promise.
    let array = unsafe { bytes(array, usize::try_from(count).ok()?) }?;
    let sound = array.iter().all(|tlv| {
        let has_value = !tlv.value.is_null() || tlv.length == 0;
        has_value && tlv.reserved == [0; 3]
    });
    if sound { Some(CTlvs(array.iter())) } else { None }
}

impl<'a> Iterator for CTlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let tlv = self.0.next()?;
        // SAFETY: whoever made this has promised it.
        let value = unsafe { bytes(tlv.value, usize::try_from(tlv.length).unwrap_or(0)) };
        Some(Tlv { kind: tlv.kind, value: value.unwrap_or(&[]) })
    }
}

fn is_family(number: u8) -> bool {
    number <= Family::Unix as u8
}

fn command(number: u8) -> Option<Command> {
    match number {
        0 => Some(Command::Local),
        1 => Some(Command::Proxy),
        _ => None,
    }
}

fn transport(number: u8) -> Option<Transport> {
    match number {
        0 => Some(Transport::Unspec),
        1 => Some(Transport::Stream),
        2 => Some(Transport::Datagram),
        _ => None,
    }
}
