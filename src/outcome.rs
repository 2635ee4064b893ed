//! The one vocabulary of results: what became of a connection, and why.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::fmt;

/// What became of a connection, or of the bytes at its beginning.
///
/// The same words stand in logs, variables, counters and the C enum. Numbers
/// never change: 0 asks for more, positive ones let the connection go on,
/// negative ones do not.
///
/// # Examples
/// ```
/// use realpeer::{Limits, Outcome, parse};
///
/// let outcome = parse(b"GET / HTTP/1.1\r\n", &Limits::default()).unwrap_err();
/// assert_eq!(outcome, Outcome::NoHeader);
/// assert_eq!(outcome.name(), "no_header"); // for logs that programs read
/// assert_eq!(outcome.to_string(), "no PROXY protocol header"); // for people
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Outcome {
    /// The header is not whole yet.
    More = 0,

    /// Accepted: the address in the header replaces the peer's.
    Proxy = 1,
    /// Accepted: v2 LOCAL, the sender speaks for itself (section 2.2).
    Local = 2,
    /// A valid header without an address that could replace the peer: UNKNOWN,
    /// UNSPEC, UNIX, a datagram's in a stream, a stream's in a datagram.
    NoAddress = 3,

    /// Passed: the source's policy is not to look for a header.
    Direct = 4,
    /// Passed: policy `optional` or `strip`, and no header came.
    Absent = 5,
    /// Passed: policy `strip`, the header was read and thrown away.
    Stripped = 6,

    /// No rule allows this source, or one refuses it.
    Untrusted = -1,
    /// The bytes begin with neither signature (section 2.2, end).
    NoHeader = -2,
    /// The v1 line breaks the grammar of section 2.1.
    BadV1 = -3,
    /// The v2 signature is followed by a version other than 2.
    BadVersion = -4,
    /// A v2 command other than LOCAL and PROXY.
    BadCommand = -5,
    /// A v2 address family or transport that the specification does not have.
    BadFamily = -6,
    /// The v2 length is too small for the addresses of its family.
    ShortAddress = -7,
    /// The TLVs do not fit their block, or one breaks its own format.
    BadTlv = -8,
    /// The CRC32c does not match the header (section 2.2.3).
    BadChecksum = -9,
    /// The v2 header is longer than the limit that is set here.
    TooLong = -10,
    /// A version of the protocol that is switched off here.
    VersionDisallowed = -11,
    /// The peer closed the connection inside the header, or the datagram ends
    /// there.
    Truncated = -12,
    /// The header was not whole in time.
    Timeout = -13,
    /// The peer closed the connection before it sent a single byte.
    Silent = -14,
}

impl Outcome {
    /// Every outcome, in the order of the documentation.
    ///
    /// ```
    /// use realpeer::Outcome;
    ///
    /// // A counter for each.
    /// let counter = |outcome: &Outcome| (outcome.name(), 0);
    /// let counters: Vec<(&str, u64)> = Outcome::ALL.iter().map(counter).collect();
    /// assert!(counters.contains(&("bad_checksum", 0)));
    /// ```
    pub const ALL: &'static [Outcome] = &[
        Outcome::More,
        Outcome::Proxy,
        Outcome::Local,
        Outcome::NoAddress,
        Outcome::Direct,
        Outcome::Absent,
        Outcome::Stripped,
        Outcome::Untrusted,
        Outcome::NoHeader,
        Outcome::BadV1,
        Outcome::BadVersion,
        Outcome::BadCommand,
        Outcome::BadFamily,
        Outcome::ShortAddress,
        Outcome::BadTlv,
        Outcome::BadChecksum,
        Outcome::TooLong,
        Outcome::VersionDisallowed,
        Outcome::Truncated,
        Outcome::Timeout,
        Outcome::Silent,
    ];

    /// The one table of words: the name, and the phrase for people.
    const fn words(self) -> (&'static CStr, &'static CStr) {
        match self {
            Outcome::More => (c"more", c"the header is not whole yet"),
            Outcome::Proxy => (c"proxy", c"the header's address is used"),
            Outcome::Local => (c"local", c"the sender speaks for itself (LOCAL)"),
            Outcome::NoAddress => (c"no_address", c"the header names no TCP address"),
            Outcome::Direct => (c"direct", c"no header is looked for from this source"),
            Outcome::Absent => (c"absent", c"no header came, and none is needed from this source"),
            Outcome::Stripped => (c"stripped", c"the header was thrown away"),
            Outcome::Untrusted => (c"untrusted", c"this source is not allowed to connect here"),
            Outcome::NoHeader => (c"no_header", c"no PROXY protocol header"),
            Outcome::BadV1 => (c"bad_v1", c"malformed version 1 header"),
            Outcome::BadVersion => (c"bad_version", c"unknown PROXY protocol version"),
            Outcome::BadCommand => (c"bad_command", c"unknown version 2 command"),
            Outcome::BadFamily => (c"bad_family", c"unknown version 2 address family or transport"),
            Outcome::ShortAddress => {
                (c"short_address", c"version 2 header too short for its addresses")
            }
            Outcome::BadTlv => (c"bad_tlv", c"malformed version 2 TLV"),
            Outcome::BadChecksum => {
                (c"bad_checksum", c"the CRC32c checksum does not match the header")
            }
            Outcome::TooLong => (c"too_long", c"version 2 header longer than the limit set here"),
            Outcome::VersionDisallowed => {
                (c"version_disallowed", c"this PROXY protocol version is switched off here")
            }
            Outcome::Truncated => (c"truncated", c"the connection was closed inside the header"),
            Outcome::Timeout => (c"timeout", c"the header was not whole in time"),
            Outcome::Silent => (c"silent", c"the connection was closed before it sent anything"),
        }
    }

    /// The word for logs, variables and counters, such as `bad_checksum`.
    ///
    /// ```
    /// assert_eq!(realpeer::Outcome::BadTlv.name(), "bad_tlv");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        text_of(self.c_name())
    }

    /// A phrase that says what happened, fit to stand in a log line.
    ///
    /// ```
    /// assert_eq!(realpeer::Outcome::BadTlv.text(), "malformed version 2 TLV");
    /// ```
    #[must_use]
    pub const fn text(self) -> &'static str {
        text_of(self.c_text())
    }

    pub(crate) const fn c_name(self) -> &'static CStr {
        self.words().0
    }

    pub(crate) const fn c_text(self) -> &'static CStr {
        self.words().1
    }

    /// The outcome with this number.
    ///
    /// ```
    /// use realpeer::Outcome;
    ///
    /// assert_eq!(Outcome::from_number(-13), Some(Outcome::Timeout));
    /// assert_eq!(Outcome::from_number(99), None);
    /// ```
    #[must_use]
    pub fn from_number(number: i32) -> Option<Outcome> {
        Outcome::ALL.iter().copied().find(|&outcome| outcome as i32 == number)
    }

    /// Whether a refusal for this reason is ordinary, and nothing for the error
    /// log: a connection closed without a byte is what a TCP health check looks
    /// like.
    ///
    /// ```
    /// use realpeer::{Event, Outcome, Policy, Settings, decide};
    ///
    /// let check = decide(Some(Policy::Require), &Settings::default(), b"", Event::Closed);
    /// assert_eq!(check.outcome, Outcome::Silent);
    /// assert!(check.outcome.is_quiet());
    /// ```
    #[must_use]
    pub const fn is_quiet(self) -> bool {
        matches!(self, Outcome::Silent)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl core::error::Error for Outcome {}

/// The text of a C string literal.
pub(crate) const fn text_of(text: &'static CStr) -> &'static str {
    match text.to_str() {
        Ok(text) => text,
        Err(_) => "",
    }
}
