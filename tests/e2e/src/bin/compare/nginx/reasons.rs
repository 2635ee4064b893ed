//! Why nginx's own `proxy_protocol` and realpeer differ: the clause of the
//! specification, and a line that says what nginx does instead.

use std::net::IpAddr;

use realpeer_e2e::Which;

use super::case::Case;
use crate::talk::{Kind, Outcome, Seen};
use crate::text::Reason;

/// In the order of the document.
pub const REASONS: [Reason; 17] = [
    Reason {
        clause: "G1",
        section: "2",
        title: "which versions are accepted",
        why: "These inputs are about `realpeer_versions`. nginx has no such setting and always \
              accepts both.",
    },
    Reason {
        clause: "G2",
        section: "2",
        title: "a header can come in parts",
        why: "TCP keeps no borders. nginx reads once, and closes the connection where that did \
              not bring the whole header; realpeer waits for the rest until `realpeer_timeout`.",
    },
    Reason {
        clause: "A2",
        section: "2.1",
        title: "the family is `TCP4`, `TCP6` or `UNKNOWN`",
        why: "nginx compares the beginning of the word: whatever starts with `UNKNOWN` is taken \
              for it.",
    },
    Reason {
        clause: "A5",
        section: "2.1",
        title: "an IPv4 address is four numbers from 0 to 255 without heading zeroes",
        why: "nginx looks at which characters an address is made of (hex digits, dots, colons), \
              and not at the family of the line. What can be read in some way becomes \
              `$remote_addr`, octal-looking numbers as decimal ones; what cannot leaves the \
              balancer there, as if it were the client. `$proxy_protocol_addr` is in either case \
              the text as it came. `255.255.255.255` is how nginx's own reader says that it has \
              failed, so that this address leaves the balancer as well.",
    },
    Reason {
        clause: "A6",
        section: "2.1",
        title: "an IPv6 address has eight groups and at most one `::`",
        why: "As with IPv4, nginx looks at the characters only.",
    },
    Reason {
        clause: "A8",
        section: "2.1",
        title: "a port is a number from 0 to 65535 without heading zeroes",
        why: "nginx takes any number of heading zeroes.",
    },
    Reason {
        clause: "A9",
        section: "2.1",
        title: "the line ends with CR LF, and with nothing else",
        why: "Behind `UNKNOWN` nginx looks for the next CR LF, however far it is: a line that ends \
              with LF or CR alone takes a line of the request with it.",
    },
    Reason {
        clause: "A11",
        section: "2.1",
        title: "a line has at most 107 characters",
        why: "nginx takes what its buffer holds, see B15.",
    },
    Reason {
        clause: "B6",
        section: "2.2",
        title: "commands other than LOCAL and PROXY must be dropped",
        why: "nginx takes every other command for LOCAL.",
    },
    Reason {
        clause: "B7",
        section: "2.2",
        title: "families and transports that are not defined must be dropped",
        why: "nginx serves such a connection as the balancer's own.",
    },
    Reason {
        clause: "B11",
        section: "2.2",
        title: "the length has room for the addresses of the family",
        why: "nginx looks at the length for TCP over IPv4 and IPv6 only. Where it has no use for \
              the address (Unix sockets, datagrams) it serves without one.",
    },
    Reason {
        clause: "B15",
        section: "2.2",
        title: "how long a header may be",
        why: "realpeer has one limit for all, `realpeer_max_header`, 4096 by default; some of \
              these inputs come to servers where it is set lower or higher. nginx's limit is the \
              size of a buffer: in plain http `client_header_buffer_size`, 1 KiB by default; \
              elsewhere 107 bytes before 1.23.3 and 4096 since, on TLS one byte more.",
    },
    Reason {
        clause: "T2",
        section: "2.2",
        title: "TLVs fill their block exactly",
        why: "nginx does not look at TLVs before a variable asks for one.",
    },
    Reason {
        clause: "T5",
        section: "2.2.3",
        title: "a checksum that does not match makes the header invalid",
        why: "nginx verifies no checksum.",
    },
    Reason {
        clause: "T6",
        section: "2.2.3",
        title: "there is one checksum at most",
        why: "nginx verifies no checksum, and so does not count them.",
    },
    Reason {
        clause: "T8, T9",
        section: "2.2.5, 2.2.6",
        title: "the formats of UNIQUE_ID and SSL",
        why: "A unique id has at most 128 bytes, what is said of the client's TLS has five bytes \
              in front and TLVs that fill the rest. nginx does not look.",
    },
    Reason {
        clause: "attack 31",
        section: "",
        title: "one address has one text",
        why: "realpeer writes every address anew from its bits, and a mapped one \
              (`::ffff:192.0.2.1`) as the IPv4 address that it is, so that logs and access lists \
              know one form. nginx gives the text of a version 1 line as it came in \
              `$proxy_protocol_addr`, and leaves a mapped address mapped.",
    },
];

/// Some where the difference is one that is known and wanted.
pub fn reason(case: &Case<'_>) -> Option<&'static Reason> {
    let clause = match (&case.native, &case.realpeer) {
        (Outcome::Refused, Outcome::Served(_)) if case.input.split.cuts_header() => "G2",
        (Outcome::Refused, Outcome::Served(_)) => {
            (case.input.header.len() > native_limit(case)).then_some("B15")?
        }
        (Outcome::Served(_), Outcome::Refused) => clause_of_refusal(case)?,
        (Outcome::Served(native), Outcome::Served(realpeer)) => {
            clause_of_address(native, realpeer)?
        }
        _ => return None,
    };
    REASONS.iter().find(|reason| reason.clause == clause)
}

/// The longest header that nginx's own buffers hold.
fn native_limit(case: &Case<'_>) -> usize {
    match (case.kind, case.which) {
        (Kind::Http, _) => 1024,
        (Kind::Https, Which::Debian) => 108,
        (Kind::Https, Which::Built) => 4097,
        (_, Which::Debian) => 107,
        (_, Which::Built) => 4096,
    }
}

/// What realpeer refuses must be refused for the clause that the vector is
/// about.
fn clause_of_refusal(case: &Case<'_>) -> Option<&'static str> {
    let vector = &case.input.vector;
    let about = |clause: &str| vector.clauses.iter().any(|have| have == clause);
    let first = |clauses: &[&'static str]| clauses.iter().copied().find(|clause| about(clause));
    match vector.expect.as_str() {
        "version_disallowed" => Some("G1"),
        "bad_v1" if about("A13") => Some("A11"),
        "bad_v1" => first(&["A2", "A5", "A6", "A8", "A9", "A11"]),
        "bad_command" => Some("B6"),
        "bad_family" => Some("B7"),
        "short_address" => Some("B11"),
        "too_long" => Some("B15"),
        "bad_checksum" => Some("T5"),
        "bad_tlv" if about("T8") || about("T9") => Some("T8, T9"),
        "bad_tlv" if about("B10") => Some("T2"),
        "bad_tlv" => first(&["T2", "T6", "T5"]),
        _ => None,
    }
}

/// Both have served, each for somebody else, or by another name.
fn clause_of_address(native: &Seen, realpeer: &Seen) -> Option<&'static str> {
    let address = |text: &str| text.parse().ok().map(|ip: IpAddr| ip.to_canonical());
    let client = address(realpeer.client.as_deref()?)?;
    if address(&native.named)? != client {
        return None;
    }
    match &native.client {
        Some(text) if native.port == realpeer.port => {
            (address(text)? == client).then_some("attack 31")
        }
        None => (client == IpAddr::from([255; 4])).then_some("A5"),
        Some(_) => None,
    }
}
