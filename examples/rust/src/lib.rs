//! What the servers in `src/bin` have in common: their page, and the rules on
//! their command lines. How they take the header off is theirs to show.
//!
//! - `server`: the shortest one.
//! - `blocking`: a thread for each connection, nothing but std.
//! - `tokio-hyper`: HTTP/1 and HTTP/2, with TLS by rustls or without.

mod page;
mod rules;
mod visit;

pub use rules::{BadRules, rules};
pub use visit::Visit;

// What docs/rust.md shows is compiled and run as a test: here is what it needs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
struct Guide;
