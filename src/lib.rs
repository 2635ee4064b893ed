//! The real peer of a connection.
//!
//! A load balancer that passes TCP through hides the client. The [PROXY
//! protocol] puts the client's address in front of the stream, as one line of
//! text (version 1) or a binary block (version 2). This crate reads that header
//! and decides, for the source the connection came from, what to make of it.
//!
//! - [`parse`] turns bytes into a [`Header`], asks for more, or says at the first
//!   impossible byte what is wrong.
//! - [`Rules`] map the address that connected to a [`Policy`].
//! - [`decide`] joins the two: wait, pass on, accept, or refuse.
//! - [`Receiver`] takes the header off a stream, [`decide_datagram`] off a datagram.
//! - [`write_v1`] and [`Outgoing`] write headers.
//!
//! Nothing here allocates, keeps state, or panics; the bytes stay the caller's.
//! The same functions are exported to C (`include/realpeer.h`).
//!
//! ```
//! use realpeer::{parse, Limits, Progress};
//!
//! let stream = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
//!
//! // A part of the header is not an error, it is not enough.
//! assert!(matches!(parse(&stream[..20], &Limits::default()), Ok(Progress::More { .. })));
//!
//! let Ok(Progress::Done(header)) = parse(stream, &Limits::default()) else { panic!() };
//! assert_eq!(header.source(), Some("192.0.2.1:56324".parse().unwrap()));
//! assert_eq!(&stream[header.len()..], b"GET / HTTP/1.1\r\n");
//! ```
//!
//! [PROXY protocol]: https://www.haproxy.org/download/3.3/doc/proxy-protocol.txt

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
#[cfg(target_arch = "x86_64")]
mod cpu;
mod crc32c;
mod decide;
mod header;
mod outcome;
mod parse;
mod receiver;
mod rules;
mod scan;
mod text;
mod tlv;
mod tlv_field;
mod v1;
mod v2;
mod write;

#[cfg(feature = "ffi")]
pub mod ffi;
#[cfg(all(feature = "capi", not(test), panic = "abort"))]
mod panic;

pub use address::{AddressText, Family, Transport, canonical};
pub use decide::{Action, Decision, Event, NoAddress, Settings, decide, decide_datagram};
pub use header::{Command, Header, Progress, UnixPath, V1_MAX, Version};
pub use outcome::Outcome;
pub use parse::{Limits, MAX_HEADER, MIN_HEADER, Versions, parse};
pub use receiver::Receiver;
pub use rules::{Duplicate, Peer, Policy, Rule, RuleError, Rules};
pub use text::{escape, hex};
pub use tlv::{Ssl, Tlv, Tlvs, types};
pub use tlv_field::TlvField;
pub use write::{Outgoing, WriteError, write_ssl, write_v1};
