//! Real senders in front of real servers: each is started as its owners would,
//! pointed at nginx and at Apache, and what they log of it must be right.
//!
//! [`ROWS`] is the table: which sender, told to do what, and what is expected.
//! tests/senders.rs makes tests of it, the program `senders` makes
//! docs/senders.md.

mod balancers;
mod checks;
mod clients;
mod clouds;
mod datagrams;
mod dns;
mod envoy;
mod place;
mod program;
mod run;
mod starter;
mod table;
mod tls_ends;
mod varnish;
mod visit;
mod wanted;

pub use place::Place;
pub use program::Sender;
pub use run::run;
pub use table::{ROWS, Row};
pub use wanted::{Read, Tlv, Wanted, Whose};
