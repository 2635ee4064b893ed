//! What the tests of attacks ask: the same in Rust and C.

use realpeer::{Action, Decision, Event, Limits, MAX_HEADER, Policy, Settings, Versions, decide};
use realpeer_testdata::bytes;

use super::{Accepted, Seen, via_rust};

pub const ALL: Limits = Limits { max_header: MAX_HEADER, versions: Versions::BOTH };
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// What becomes of the bytes, with what follows in the same segment: the same in Rust
/// and C, at any place in memory, whatever was there before.
pub fn see(bytes: &[u8]) -> Seen {
    let seen = via_rust(bytes, &ALL);
    for offset in 0..3 {
        // Stale bytes of a connection before this one, in front and behind.
        let stale = b"PROXY TCP4 203.0.113.66 203.0.113.66 666 666\r\n";
        let memory = [&stale[..offset], bytes, &stale[..]].concat();
        assert_eq!(via_rust(&memory[offset..offset + bytes.len()], &ALL), seen);
    }
    #[cfg(feature = "ffi")]
    {
        let settings =
            realpeer::ffi::realpeer_settings { max_header: MAX_HEADER, ..Default::default() };
        assert_eq!(super::c::via_c(bytes, &settings), seen, "C and Rust");
    }
    seen
}

pub fn accepted(bytes: &[u8]) -> Accepted {
    match see(bytes) {
        Seen::Accepted(accepted) => *accepted,
        other => panic!("{other:?} from {bytes:02x?}"),
    }
}

#[track_caller]
pub fn refused(bytes: &[u8], word: &'static str) {
    assert_eq!(see(bytes), Seen::Refused(word), "{bytes:02x?}");
}

/// A version 2 header and a request in the same segment.
pub fn fused(header: &str) -> Vec<u8> {
    [bytes(header), REQUEST.to_vec()].concat()
}

pub fn required(data: &[u8], event: Event) -> Decision<'_> {
    decide(Some(Policy::Require), &Settings::default(), data, event)
}

pub fn word(decision: &Decision<'_>) -> (Action, &'static str) {
    (decision.action, decision.outcome.name())
}

pub fn line(text: &str) -> Seen {
    see(text.as_bytes())
}
