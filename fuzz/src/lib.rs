//! What is checked of some bytes, a module for each fuzz target; and what the
//! library is compared with: a second reading of the specification, and parsers of
//! other projects.
//!
//! Each `check` takes bytes and panics where something is wrong. So they can be
//! called without a fuzzer: `tests/replay.rs` does, with the corpora.

pub mod datagram;
pub mod decide;
pub mod differential;
pub mod ffi;
pub mod memory;
pub mod mutate;
pub use realpeer_testdata::oracle;
pub mod parse;
pub mod rules;
pub mod stream;
pub mod tlvs;
pub mod write;

/// A check.
pub type Check = fn(&[u8]);

/// All of them, by the name of their target.
pub const TARGETS: &[(&str, Check)] = &[
    ("parse", parse::check),
    ("tlvs", tlvs::check),
    ("rules", rules::check),
    ("decide", decide::check),
    ("write", write::check),
    ("datagram", datagram::check),
    ("ffi", ffi::check),
    ("differential", differential::check),
];
