//! What the tests of the library, of its C functions and of the servers have in
//! common: headers as data, and a way to make more of them.

mod checklist;
pub mod encode;
mod notation;
pub mod oracle;
mod vector;

pub use checklist::{Checklist, Group, Row, attacks, clauses};
pub use notation::bytes;
pub use vector::{Vector, vectors};
