//! Results, errors and the version.

use core::ffi::{CStr, c_char};

use crate::log_limit::LogRateError;
use crate::outcome::Outcome;
use crate::quiet::QuietError;
use crate::rules::{Duplicate, RuleError};
use crate::write::WriteError;

/// Why a call was refused, or found nothing. Results of a connection are
/// realpeer_result; the two never share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Error {
    /// A pointer is NULL, a size too small, or a number no enumerator.
    InvalidArgument = -64,
    /// The word is no policy.
    BadPolicy = -65,
    /// The text is no source.
    BadSource = -66,
    /// The prefix length does not fit its address.
    BadPrefix = -67,
    /// A source is named twice.
    DuplicateSource = -68,
    /// The name is no field of a TLV.
    BadField = -69,
    /// The header does not carry it.
    NotFound = -70,
    /// The buffer is too small for the header.
    NoRoom = -71,
    /// A header or a TLV cannot be that long.
    TooMuch = -72,
    /// Version 1 has no form for an IPv4 and an IPv6 address in one line.
    MixedFamilies = -73,
    /// Addresses that a header cannot say.
    BadAddress = -74,
    /// The value of a TLV is not of the form that its type demands.
    InvalidTlv = -75,
    /// A system call failed, and errno says why.
    Socket = -76,
    /// The text is no rate of lines.
    BadRate = -77,
    /// The text is no burst of lines.
    BadBurst = -78,
    /// Nothing is connected to the socket, such as one that listens. The program
    /// has a mistake.
    NotConnected = -79,
    /// The address has no form in this family: an IPv6 client on a socket of
    /// AF_INET. Close the connection.
    OtherFamily = -80,
    /// The text names no results that refuse.
    BadQuiet = -81,
    /// The policy never refuses with such a result.
    NeverRefused = -82,
}

impl Error {
    const ALL: [(Error, &'static CStr, &'static CStr); 19] = [
        (Error::InvalidArgument, c"invalid_argument", c"invalid argument"),
        (
            Error::BadPolicy,
            c"bad_policy",
            c"not a policy, which are \"require\", \"optional\", \"strip\", \"direct\" and \"refuse\"",
        ),
        (Error::BadSource, c"bad_source", RuleError::BadSource.c_text()),
        (Error::BadPrefix, c"bad_prefix", RuleError::BadPrefix.c_text()),
        (Error::DuplicateSource, c"duplicate_source", Duplicate::TEXT),
        (Error::BadField, c"bad_field", c"not the name of a TLV"),
        (Error::NotFound, c"not_found", c"the header does not carry it"),
        (Error::NoRoom, c"no_room", WriteError::NoRoom { needed: 0 }.c_text()),
        (Error::TooMuch, c"too_much", WriteError::TooMuch.c_text()),
        (Error::MixedFamilies, c"mixed_families", WriteError::MixedFamilies.c_text()),
        (Error::BadAddress, c"bad_address", WriteError::BadAddress.c_text()),
        (Error::InvalidTlv, c"invalid_tlv", WriteError::InvalidTlv.c_text()),
        (Error::Socket, c"socket", c"a system call on the socket failed"),
        (Error::BadRate, c"bad_rate", LogRateError::BadRate.c_text()),
        (Error::BadBurst, c"bad_burst", LogRateError::BadBurst.c_text()),
        (Error::NotConnected, c"not_connected", c"the socket is not connected"),
        (
            Error::OtherFamily,
            c"other_family",
            c"the address cannot be written in the family of the socket",
        ),
        (Error::BadQuiet, c"bad_quiet", QuietError::BadResult.c_text()),
        (Error::NeverRefused, c"never_refused", QuietError::NeverRefused.c_text()),
    ];
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoRoom { .. } => Error::NoRoom,
            WriteError::TooMuch => Error::TooMuch,
            WriteError::MixedFamilies => Error::MixedFamilies,
            WriteError::BadAddress => Error::BadAddress,
            WriteError::InvalidTlv => Error::InvalidTlv,
        }
    }
}

fn words(number: i32) -> (&'static CStr, &'static CStr) {
    if let Some(outcome) = Outcome::from_number(number) {
        return (outcome.c_name(), outcome.c_text());
    }
    match Error::ALL.iter().find(|(error, ..)| *error as i32 == number) {
        Some(&(_, name, text)) => (name, text),
        None => (c"unknown", c"unknown result"),
    }
}

/// The version of the library that is linked, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// The version of the library that is linked, as 0x00MMmmpp; compare with
/// REALPEER_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_version_number() -> u32 {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number & 0xff,
            Err(_) => 0xff,
        }
    }
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// The word for a realpeer_result or realpeer_error, such as "bad_checksum", for
/// logs and metrics; "unknown" for any other number. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_result_name(result: i32) -> *const c_char {
    words(result).0.as_ptr()
}

/// A phrase for people that says what a realpeer_result or realpeer_error means,
/// fit to follow a colon. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_strerror(result: i32) -> *const c_char {
    words(result).1.as_ptr()
}

/// Whether a refusal for this reason is ordinary and nothing for the error log:
/// a connection closed before it sent a byte, as TCP health checks do. Where there
/// are rules, realpeer_rule_is_quiet knows what is so for the source.
///
/// @return 1 or 0
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_result_is_quiet(result: i32) -> i32 {
    Outcome::from_number(result).is_some_and(Outcome::is_quiet).into()
}
