//! The clauses of the specification that a header can break, in our words.

/// A section, and what it demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The number of the section; none where a setting decides.
    pub(crate) section: &'static str,
    pub(crate) demand: &'static str,
}

const fn clause(section: &'static str, demand: &'static str) -> Clause {
    Clause { section, demand }
}

pub(crate) const HEADER_FIRST: Clause =
    clause("2", "nothing may be processed before a whole and valid header has come");
pub(crate) const NEITHER: Clause =
    clause("2.2", "a connection that begins with neither signature is to be dropped");
pub(crate) const PARTIAL: Clause = clause("2.2", "a header that is not whole is to be refused");

pub(crate) const ONE_SPACE: Clause = clause("2.1", "exactly one space stands between two fields");
pub(crate) const V1_FAMILY: Clause =
    clause("2.1", "the protocol is TCP4, TCP6 or UNKNOWN, in upper case");
pub(crate) const V1_FIELDS: Clause =
    clause("2.1", "source address, destination address, source port and destination port follow");
pub(crate) const IPV4: Clause =
    clause("2.1", "an IPv4 address is four decimal numbers from 0 to 255 without heading zeroes");
pub(crate) const IPV6: Clause = clause(
    "2.1",
    "an IPv6 address is groups of up to four hex digits, at most one \"::\", 128 bits in all",
);
pub(crate) const PORT: Clause =
    clause("2.1", "a port is a decimal number from 0 to 65535 without heading zeroes");
pub(crate) const CRLF: Clause =
    clause("2.1", "the line ends with CR and LF, neither of which may stand alone");
pub(crate) const V1_LENGTH: Clause =
    clause("2.1", "CR and LF must come within the first 107 bytes");

pub(crate) const VERSION: Clause =
    clause("2.2", "the upper half of the 13th byte is the version, which must be 2");
pub(crate) const COMMAND: Clause =
    clause("2.2", "the lower half of the 13th byte is the command, 0 (LOCAL) or 1 (PROXY)");
pub(crate) const FAMILY: Clause =
    clause("2.2", "the upper half of the 14th byte is the address family, 0 to 3");
pub(crate) const TRANSPORT: Clause =
    clause("2.2", "the lower half of the 14th byte is the transport protocol, 0 to 2");
pub(crate) const ADDRESSES: Clause =
    clause("2.2", "the length covers the addresses: 12 bytes for IPv4, 36 for IPv6, 216 for Unix");
pub(crate) const TLV: Clause = clause(
    "2.2",
    "what follows the addresses is TLVs: a type, two bytes of length, and so many bytes of value",
);
pub(crate) const CHECKSUM: Clause = clause(
    "2.2.3",
    "the CRC32c covers the whole header with its own four bytes as zeroes, and must match",
);
pub(crate) const CHECKSUM_LENGTH: Clause = clause("2.2.3", "the CRC32c is a number of 32 bits");
pub(crate) const CHECKSUM_ONCE: Clause =
    clause("2.2.3", "there is one CRC32c, computed with its own bytes as zeroes");
pub(crate) const UNIQUE_ID: Clause = clause("2.2.5", "a unique id has up to 128 bytes");
pub(crate) const SSL: Clause =
    clause("2.2.6", "the value begins with one byte of flags and four of verify");
pub(crate) const SSL_TLV: Clause =
    clause("2.2.6", "what follows flags and verify is TLVs, up to the end of the value");

pub(crate) const LIMIT: Clause = clause("", "the limit is set with --max-header");
pub(crate) const VERSIONS: Clause = clause("", "the versions are set with --versions");
