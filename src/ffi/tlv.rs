//! TLVs in C.

use core::ffi::{CStr, c_char};

use super::address::length;
use super::{Buffer, Error, Out, bytes, bytes_mut};
use crate::tlv::{Tlvs, types};
use crate::tlv_field::TlvField;

/// One TLV. The value lies in the caller's buffer. This struct does not grow:
/// arrays of it are passed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct realpeer_tlv {
    /// The value; never NULL in what was read.
    pub value: *const u8,
    /// Bytes of the value, up to 65,535.
    pub length: u32,
    /// Its type, see REALPEER_TLV_*.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// In the `client` field of the SSL TLV: the client came over TLS.
pub const REALPEER_CLIENT_SSL: u8 = 1;
/// In the `client` field: it showed a certificate in this connection.
pub const REALPEER_CLIENT_CERT_CONN: u8 = 2;
/// In the `client` field: it showed one in the session it resumed.
pub const REALPEER_CLIENT_CERT_SESS: u8 = 4;

/// What the sender says of the client's TLS connection (section 2.2.6).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct realpeer_ssl {
    /// The TLVs within, for realpeer_tlv_next.
    pub tlvs: *const u8,
    /// Bytes of the TLVs within.
    pub tlvs_length: u32,
    /// The `verify` field. On its own it says nothing: senders set it to 0 where
    /// there was no certificate.
    pub verify: u32,
    /// The bits of the `client` field, REALPEER_CLIENT_*.
    pub client: u8,
    /// 1 where the client showed a certificate and the sender verified it.
    pub verified: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// The TLV at `*position` of a run of TLVs, as at `tlv_offset` of a header, or
/// within a realpeer_ssl.
///
/// @param position in: where to look, 0 at first; out: where to look next
/// @return 1; 0 at the end, or where the bytes are no TLV (those of a header that
///   realpeer_parse accepted always are); REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_tlv_next(
    tlvs: *const u8,
    len: usize,
    position: *mut usize,
    out: *mut realpeer_tlv,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (tlvs, position) = unsafe { (bytes(tlvs, len), bytes_mut(position, 1)) };
    let out = Out::new(out, out_size, size_of::<realpeer_tlv>());
    let (Some(tlvs), Some([position]), Some(out)) = (tlvs, position, out) else {
        return Error::InvalidArgument as i32;
    };
    let Some(rest) = tlvs.get(*position..) else { return Error::InvalidArgument as i32 };
    let mut rest = Tlvs::new(rest);
    let Some(tlv) = rest.next() else { return 0 };
    *position = len.saturating_sub(rest.as_bytes().len());
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(to_c(tlv.kind, tlv.value)) };
    1
}

fn to_c(kind: u8, value: &[u8]) -> realpeer_tlv {
    realpeer_tlv {
        value: value.as_ptr(),
        length: u32::try_from(value.len()).unwrap_or(u32::MAX),
        kind,
        reserved: [0; 3],
    }
}

/// Takes the first SSL TLV of a header apart.
///
/// @return 1, or 0 where there is none; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_tlv_ssl(
    tlvs: *const u8,
    len: usize,
    out: *mut realpeer_ssl,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let tlvs = unsafe { bytes(tlvs, len) };
    let out = Out::new(out, out_size, size_of::<realpeer_ssl>());
    let (Some(tlvs), Some(out)) = (tlvs, out) else { return Error::InvalidArgument as i32 };
    let Some(ssl) = Tlvs::new(tlvs).ssl() else { return 0 };
    let within = ssl.tlvs().as_bytes();
    let value = realpeer_ssl {
        tlvs: within.as_ptr(),
        tlvs_length: u32::try_from(within.len()).unwrap_or(u32::MAX),
        verify: ssl.verify(),
        client: ssl.client(),
        verified: ssl.verified().into(),
        reserved: [0; 6],
    };
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(value) };
    1
}

const SSL_FIELDS: i32 = 0x100;
const TYPED_FIELDS: i32 = 0x200;

fn field_number(field: TlvField) -> i32 {
    match field {
        TlvField::Kind(kind) => i32::from(kind),
        TlvField::Ssl(kind) => SSL_FIELDS | i32::from(kind),
        TlvField::SslVerified => TYPED_FIELDS | i32::from(types::SSL),
        TlvField::AwsVpceId => TYPED_FIELDS | i32::from(types::AWS),
        TlvField::AzureLinkId => TYPED_FIELDS | i32::from(types::AZURE),
        TlvField::GcpPscId => TYPED_FIELDS | i32::from(types::GCP),
    }
}

fn field(number: i32) -> Option<TlvField> {
    let kind = u8::try_from(number & 0xff).ok()?;
    let field = match (number & !0xff, kind) {
        (0, _) => TlvField::Kind(kind),
        (SSL_FIELDS, _) => TlvField::Ssl(kind),
        (TYPED_FIELDS, types::SSL) => TlvField::SslVerified,
        (TYPED_FIELDS, types::AWS) => TlvField::AwsVpceId,
        (TYPED_FIELDS, types::AZURE) => TlvField::AzureLinkId,
        (TYPED_FIELDS, types::GCP) => TlvField::GcpPscId,
        _ => return None,
    };
    Some(field)
}

/// The number of a named field: `alpn`, `authority`, `unique_id`, `netns`,
/// `ssl_version`, `ssl_cn`, `ssl_cipher`, `ssl_sig_alg`, `ssl_key_alg`,
/// `ssl_group`, `ssl_sig_scheme`, `ssl_client_cert`, `ssl_verified`,
/// `aws_vpce_id`, `azure_link_id`, `gcp_psc_id`, or `0x` and two hex digits for a
/// type.
///
/// @return a number for realpeer_tlv_text and realpeer_tlv_hex;
///   REALPEER_ERROR_BAD_FIELD; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `name` must be NULL or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_tlv_field(name: *const c_char, len: usize) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { bytes(name.cast::<u8>(), len) } {
        None => Error::InvalidArgument as i32,
        Some(name) => match TlvField::from_name(name) {
            Some(field) => field_number(field),
            None => Error::BadField as i32,
        },
    }
}

/// The names that realpeer_tlv_field knows, one by one, but for `0x` and two hex
/// digits.
///
/// @param place 0 for the first one
/// @return static; NULL behind the last one
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_tlv_field_name(place: usize) -> *const c_char {
    TlvField::c_name(place).map_or(core::ptr::null(), CStr::as_ptr)
}

/// Writes a field as text: UTF-8 without control characters (those, backslashes
/// and what is not UTF-8 become `\xHH`); numbers in decimal, `ssl_verified` as 1
/// or 0, `ssl_client_cert` in base64. `ssl_cn` is found only where it was
/// verified. No NUL is added.
///
/// @return the length of the text, at most 4 times that of the TLVs; nothing is
///   written if `size` is smaller; REALPEER_ERROR_NOT_FOUND;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_tlv_text(
    tlvs: *const u8,
    len: usize,
    field: i32,
    out: *mut c_char,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { write_field(tlvs, len, field, out, size, TlvField::text) }
}

/// Writes the bytes of a field as lower-case hex digits; for `ssl_verified` the
/// five bytes it is read from. No NUL is added.
///
/// @return as realpeer_tlv_text
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_tlv_hex(
    tlvs: *const u8,
    len: usize,
    field: i32,
    out: *mut c_char,
    size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { write_field(tlvs, len, field, out, size, TlvField::hex) }
}

/// # Safety
/// Pointers must be NULL or valid for the size given with them.
unsafe fn write_field(
    tlvs: *const u8,
    len: usize,
    number: i32,
    out: *mut c_char,
    size: usize,
    write: impl Fn(TlvField, Tlvs<'_>, &mut [u8]) -> Option<usize>,
) -> i32 {
    // SAFETY: the caller's promise.
    let tlvs = unsafe { bytes(tlvs, len) };
    let out = Buffer::new(out.cast::<u8>(), size);
    let (Some(tlvs), Some(out), Some(field)) = (tlvs, out, field(number)) else {
        return Error::InvalidArgument as i32;
    };
    let tlvs = Tlvs::new(tlvs);
    let Some(len) = write(field, tlvs, &mut []) else { return Error::NotFound as i32 };
    // SAFETY: the caller's promise on `out`.
    if let Some(out) = unsafe { out.zeroed(len) } {
        write(field, tlvs, out);
    }
    length(len)
}
