//! The vectors, and the parser of the library itself, through Rust and through C.

#[path = "../../../../common/mod.rs"]
mod common;

use realpeer_testdata::Vector;

use crate::row::Held;
use crate::target::Column;

/// What is wrong, vector by vector.
pub fn held(vectors: &[Vector]) -> Vec<Held> {
    let one = |(number, vector): (usize, &Vector)| Held {
        column: Column::Library,
        vector: number,
        fault: fault(vector),
    };
    vectors.iter().enumerate().map(one).collect()
}

fn fault(vector: &Vector) -> Option<String> {
    let limits = common::limits(vector);
    let seen = common::via_rust(&vector.bytes, &limits);
    if seen != common::expected(vector, &seen) {
        return Some(format!("{seen:?}"));
    }
    if common::c::via_c(&vector.bytes, &common::c::settings(vector)) != seen {
        return Some("C has another answer".to_owned());
    }
    // The byte before the one that decides leaves it open.
    let before = vector.at.checked_sub(1).map(|at| &vector.bytes[..at])?;
    let open = common::via_rust(before, &limits) == common::Seen::More;
    (!open && vector.expect != "more").then(|| "decided too early".to_owned())
}
