//! What is wrong with a line of version 1.

use realpeer::V1_MAX;

use super::clause::{self, Clause};
use super::fault::Found;

/// The fault of a line that is spoilt by the byte at `last`.
pub(crate) fn find(bytes: &[u8], last: usize) -> Found {
    let before = bytes.get(..last).unwrap_or(bytes);
    let byte = bytes.get(last).copied().unwrap_or(0);
    let field = before.iter().filter(|&&byte| byte == b' ').count();
    let start = before.iter().rposition(|&byte| byte == b' ').map_or(0, |space| space + 1);
    let token = before.get(start..).unwrap_or(&[]);
    let fault = Place { last, byte, token, is_v4: bytes.get(6..10) == Some(b"TCP4") };
    let is_unknown = bytes.get(6) == Some(&b'U');
    let found = match field {
        // All the rest is allowed: it can only be too long.
        _ if is_unknown && before.len() > 13 && before.get(13) != Some(&b'\r') => fault.too_long(),
        _ if before.last() == Some(&b'\r') => fault.found(clause::CRLF, "CR is not followed by LF"),
        _ if last + 1 >= V1_MAX && byte != b'\n' && fault.could_go_on() => fault.too_long(),
        0 => fault.found(clause::ONE_SPACE, "no space behind PROXY"),
        1 => fault.family(),
        2 => fault.address("source address"),
        3 => fault.address("destination address"),
        4 => fault.port("source port"),
        _ => fault.port("destination port"),
    };
    Found { sound: start.saturating_sub(1).max(5).min(last), ..found }
}

struct Place<'a> {
    last: usize,
    byte: u8,
    /// What stands between the last space and the byte.
    token: &'a [u8],
    is_v4: bool,
}

impl Place<'_> {
    fn found(&self, clause: Clause, reason: impl Into<String>) -> Found {
        Found::new(self.last, 1, clause, reason)
    }

    fn too_long(&self) -> Found {
        self.found(clause::V1_LENGTH, "the line is too long")
    }

    fn shown(&self) -> String {
        match self.byte {
            b' ' => "a space".to_owned(),
            b'\r' => "CR".to_owned(),
            b'\n' => "LF".to_owned(),
            b'\t' => "a tab".to_owned(),
            0 => "NUL".to_owned(),
            byte @ b'!'..=b'~' => format!("'{}'", char::from(byte)),
            byte => format!("byte 0x{byte:02x}"),
        }
    }

    /// Whether the byte would be right in a shorter line.
    fn could_go_on(&self) -> bool {
        match self.byte {
            b'\r' | b' ' => true,
            byte if self.is_v4 => byte.is_ascii_digit() || byte == b'.',
            byte => byte.is_ascii_hexdigit() || byte == b':' || byte == b'.',
        }
    }

    fn family(&self) -> Found {
        match (self.token, self.byte) {
            ([], b' ') => self.found(clause::ONE_SPACE, "two spaces behind PROXY"),
            (b"UNKNOWN", b'\n') => self.found(clause::CRLF, "LF without CR in front of it"),
            (b"TCP4" | b"TCP6", b'\r' | b'\n') => {
                self.found(clause::V1_FIELDS, "the line ends behind the protocol")
            }
            (b"TCP4" | b"TCP6" | b"UNKNOWN", _) => self.found(
                clause::ONE_SPACE,
                format!("{} behind the protocol, not one space", self.shown()),
            ),
            _ => self.found(clause::V1_FAMILY, format!("{} in the protocol", self.shown())),
        }
    }

    /// The faults that all fields behind the protocol can have.
    fn common(&self, what: &str, end: u8) -> Option<Found> {
        match self.byte {
            b' ' if self.token.is_empty() => {
                Some(self.found(clause::ONE_SPACE, format!("two spaces in front of the {what}")))
            }
            b'\n' => Some(self.found(clause::CRLF, "LF without CR in front of it")),
            b'\r' if end != b'\r' => {
                Some(self.found(clause::V1_FIELDS, format!("the line ends at the {what}")))
            }
            b' ' if end != b' ' => {
                Some(self.found(clause::CRLF, "something follows the destination port"))
            }
            _ => None,
        }
    }

    fn address(&self, what: &str) -> Found {
        if let Some(found) = self.common(what, b' ') {
            return found;
        }
        match self.is_v4 {
            true => self.ipv4(what),
            false => self.ipv6(what),
        }
    }

    fn ipv4(&self, what: &str) -> Found {
        let octets = self.token.iter().filter(|&&byte| byte == b'.').count() + 1;
        let octet = self.token.rsplit(|&byte| byte == b'.').next().unwrap_or(&[]);
        let reason = match self.byte {
            b'0'..=b'9' if octet == b"0" => "a heading zero in the".to_owned(),
            b'0'..=b'9' => "a number of more than 255 in the".to_owned(),
            b'.' if octet.is_empty() => "an empty number in the".to_owned(),
            b'.' => "more than four numbers in the".to_owned(),
            b' ' if octet.is_empty() => "the last number is missing from the".to_owned(),
            b' ' => format!("only {octets} of four numbers in the"),
            b':' | b'a'..=b'f' | b'A'..=b'F' => {
                format!("{} in an IPv4 address; TCP6 has IPv6 ones: the", self.shown())
            }
            _ => format!("{} in the", self.shown()),
        };
        self.found(clause::IPV4, format!("{reason} {what}"))
    }

    fn ipv6(&self, what: &str) -> Found {
        let group = self.token.rsplit(|&byte| byte == b':').next().unwrap_or(&[]);
        let reason = match self.byte {
            b'%' => "a zone in the".to_owned(),
            b'[' | b']' => "a bracket in the".to_owned(),
            b'.' if !self.token.contains(&b':') => {
                "an IPv4 address in a line of TCP6: the".to_owned()
            }
            b':' if group.is_empty() && self.token.len() > 2 => "a second \"::\" in the".to_owned(),
            byte if byte.is_ascii_hexdigit() && group.len() >= 4 => {
                "a group of more than four digits in the".to_owned()
            }
            byte if byte.is_ascii_hexdigit() || byte == b':' => "too many groups in the".to_owned(),
            b' ' => "not 128 bits in the".to_owned(),
            _ => format!("{} in the", self.shown()),
        };
        self.found(clause::IPV6, format!("{reason} {what}"))
    }

    fn port(&self, what: &str) -> Found {
        let end = if what == "source port" { b' ' } else { b'\r' };
        if let Some(found) = self.common(what, end) {
            return found;
        }
        let reason = match self.byte {
            b'0'..=b'9' if self.token == b"0" => "a heading zero in the".to_owned(),
            b'0'..=b'9' => "a number of more than 65535: the".to_owned(),
            b'\r' => "no digit in the".to_owned(),
            _ => format!("{} in the", self.shown()),
        };
        self.found(clause::PORT, format!("{reason} {what}"))
    }
}
