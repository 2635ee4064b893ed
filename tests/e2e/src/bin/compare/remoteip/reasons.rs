//! Why mod_remoteip and realpeer differ: the clause of the specification, and
//! a line that says what mod_remoteip does instead.

use std::net::IpAddr;

use super::case::Case;
use crate::talk::Outcome;
use crate::text::Reason;

/// mod_remoteip has room for the header of two Unix sockets, and no more.
const LONGEST: usize = 232;

/// In the order of the document.
pub const REASONS: [Reason; 16] = [
    Reason {
        clause: "G1",
        section: "2",
        title: "which versions are accepted",
        why: "These inputs are about `RealPeerVersions`. mod_remoteip has no such setting and \
              always accepts both.",
    },
    Reason {
        clause: "A2",
        section: "2.1",
        title: "the family is `TCP4`, `TCP6` or `UNKNOWN`",
        why: "mod_remoteip skips blanks in front of a field, and takes a NUL for the end of the \
              line.",
    },
    Reason {
        clause: "A3, A4",
        section: "2.1",
        title: "`UNKNOWN` is accepted, whatever stands behind it",
        why: "mod_remoteip closes the connection where nothing does, which is how HAProxy sends \
              it. Where CR or LF does, it goes on reading.",
    },
    Reason {
        clause: "A5",
        section: "2.1",
        title: "an IPv4 address is four numbers from 0 to 255 without heading zeroes",
        why: "mod_remoteip leaves reading it to the system, which takes short and hex and \
              octal-looking forms, and logs the text as it came: `0300.0.2.1` in the log is 192.0.2.1 \
              in `Require ip`. The address of the destination is not looked at.",
    },
    Reason {
        clause: "A6",
        section: "2.1",
        title: "an IPv6 address has eight groups and at most one `::`",
        why: "The same, and the family of the line is not compared with the address.",
    },
    Reason {
        clause: "A7",
        section: "2.1",
        title: "there is one blank between all fields, and there are all fields",
        why: "mod_remoteip splits the line at blanks, however many there are, and does not miss \
              what is not there.",
    },
    Reason {
        clause: "A8",
        section: "2.1",
        title: "a port is a number from 0 to 65535 without heading zeroes",
        why: "mod_remoteip does not check what stands there: it takes the digits that it finds.",
    },
    Reason {
        clause: "A9",
        section: "2.1",
        title: "the line ends with CR LF, and with nothing else",
        why: "mod_remoteip goes on reading until there is a CR LF somewhere, and takes bytes of \
              the request for it.",
    },
    Reason {
        clause: "A11",
        section: "2.1",
        title: "a line has at most 107 characters",
        why: "mod_remoteip reads a longer one.",
    },
    Reason {
        clause: "B8, B9",
        section: "2.2",
        title: "a header without a TCP address may be accepted, with the peer's",
        why: "UNSPEC, Unix sockets and datagrams: mod_remoteip closes the connection. realpeer \
              does where `RealPeerNoAddress refuse` says so.",
    },
    Reason {
        clause: "B15",
        section: "2.2",
        title: "how long a header may be",
        why: "mod_remoteip's limit is 232 bytes in all, which a client's certificate, a long host \
              name or padding soon exceeds, and a LOCAL header may as well. realpeer's is \
              `RealPeerMaxHeader`, 4096 by default; some of these inputs come to servers where it \
              is set lower or higher.",
    },
    Reason {
        clause: "T2",
        section: "2.2",
        title: "TLVs fill their block exactly",
        why: "mod_remoteip does not look at TLVs.",
    },
    Reason {
        clause: "T5",
        section: "2.2.3",
        title: "a checksum that does not match makes the header invalid",
        why: "mod_remoteip verifies no checksum.",
    },
    Reason {
        clause: "T6",
        section: "2.2.3",
        title: "there is one checksum at most",
        why: "mod_remoteip verifies no checksum, and so does not count them.",
    },
    Reason {
        clause: "T8, T9",
        section: "2.2.5, 2.2.6",
        title: "the formats of UNIQUE_ID and SSL",
        why: "A unique id has at most 128 bytes, what is said of the client's TLS has five bytes \
              in front and TLVs that fill the rest. mod_remoteip does not look.",
    },
    Reason {
        clause: "attack 31",
        section: "",
        title: "one address has one text",
        why: "realpeer writes every address anew from its bits, and a mapped one \
              (`::ffff:192.0.2.1`) as the IPv4 address that it is, so that logs and access lists \
              know one form. mod_remoteip gives the text of a version 1 line as it came.",
    },
];

/// Some where the difference is one that is known and wanted.
pub fn reason(case: &Case<'_>) -> Option<&'static Reason> {
    let clause = match (&case.native, &case.realpeer) {
        (Outcome::Refused | Outcome::Waits, Outcome::Served(_)) => clause_of_serving(case)?,
        (_, Outcome::Refused) => clause_of_refusal(case)?,
        (Outcome::Served(native), Outcome::Served(realpeer)) => {
            let address = |text: &Option<String>| {
                text.as_deref()?.parse().ok().map(|ip: IpAddr| ip.to_canonical())
            };
            (address(&native.client)? == address(&realpeer.client)?).then_some("attack 31")?
        }
        _ => return None,
    };
    REASONS.iter().find(|reason| reason.clause == clause)
}

/// Only realpeer serves.
fn clause_of_serving(case: &Case<'_>) -> Option<&'static str> {
    let header = &case.input.header;
    if header.len() > LONGEST {
        return Some("B15");
    }
    let without_address = case.input.vector.expect == "no_address";
    without_address.then(|| if header.starts_with(b"PROXY") { "A3, A4" } else { "B8, B9" })
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
        "bad_v1" if about("attack 21") => Some("A8"),
        "bad_v1" => first(&["A2", "A5", "A6", "A8", "A9", "A11", "A7"]),
        "too_long" => Some("B15"),
        "bad_checksum" => Some("T5"),
        "bad_tlv" if about("T8") || about("T9") => Some("T8, T9"),
        "bad_tlv" if about("B10") => Some("T2"),
        "bad_tlv" => first(&["T2", "T6", "T5"]),
        _ => None,
    }
}
