//! The real peer of a connection.
//!
//! A load balancer that passes TCP through hides the client. The [PROXY
//! protocol] puts the client's address in front of the stream, as one line of
//! text (version 1) or a binary block (version 2). This crate reads that header
//! and decides, for the source the connection came from, what to make of it.
//!
//! | to | |
//! |---|---|
//! | say who may send a header | [`Rule`], [`Rules`], [`Policy`] |
//! | take it off a stream | [`Receiver`]; [`decide`] where the bytes are in a buffer anyway |
//! | take it off a datagram | [`decide_datagram`] |
//! | know why | [`Outcome`], with a word and a phrase for each |
//! | say what came instead of a header | [`looks_like`]; [`another_header`] after one |
//! | look into it | [`Header`], [`Tlvs`], [`Ssl`], [`TlvField`] |
//! | only read it, for whoever knows better whom to trust | [`parse`] |
//! | write one | [`write_v1`], [`Outgoing`], [`write_ssl`] |
//!
//! Nothing here allocates, keeps state, or panics; the bytes stay the caller's.
//! There is no I/O either: any stream will do, be it of std, of tokio, or TLS.
//!
//! # Receive
//!
//! Rules are made once. A source that none of them names is refused.
//!
//! ```
//! use realpeer::{Policy, Rule, Rules};
//!
//! let mut list = [
//!     Rule::parse("10.0.1.0/24", Policy::Require, 0)?.0, // the balancers
//!     Rule::parse("127.0.0.1", Policy::Direct, 0)?.0,    // monitoring, without a header
//! ];
//! let rules = Rules::prepare(&mut list)?;
//! # assert_eq!(rules.find("10.0.1.9".parse::<std::net::IpAddr>()?.into()), Some(Policy::Require));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Then each connection is asked for its header before anything else, TLS too.
//!
//! ```
//! use std::io::{self, Read};
//! use std::net::SocketAddr;
//! use realpeer::{Action, Receiver, Rules, Settings};
//!
//! /// Takes the header off, not a byte more, and says who is there.
//! fn real_peer(
//!     stream: &mut impl Read,
//!     peer: SocketAddr,
//!     rules: Rules<'_>,
//! ) -> io::Result<SocketAddr> {
//!     let mut buffer = [0; 4096];
//!     let policy = rules.find(peer.ip().into());
//!     let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
//!     while receiver.decision().action == Action::More {
//!         let n = stream.read(receiver.missing())?;
//!         receiver.filled(n);
//!     }
//!     let decision = receiver.decision();
//!     match decision.action {
//!         Action::Pass | Action::Accept => Ok(decision.client.unwrap_or(peer)),
//!         _ => Err(io::Error::other(decision.outcome)),
//!     }
//! }
//! # use realpeer::{Policy, Rule};
//! # let mut list = [Rule::parse("10.0.1.0/24", Policy::Require, 0)?.0];
//! # let rules = Rules::prepare(&mut list)?;
//!
//! let mut stream = &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n"[..];
//! let balancer = "10.0.1.9:41234".parse()?;
//! assert_eq!(real_peer(&mut stream, balancer, rules)?, "192.0.2.1:56324".parse()?);
//! assert_eq!(stream, b"GET / HTTP/1.1\r\n");
//!
//! // Whoever goes around the balancer is refused, whatever he says.
//! let mut stream = &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"[..];
//! let somebody = "203.0.113.5:1234".parse()?;
//! let error = real_peer(&mut stream, somebody, rules).unwrap_err();
//! assert_eq!(error.to_string(), "this source is not allowed to connect here");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A server has to give up at some time: [`Receiver::timed_out`]. And with the
//! policies that do without a header, [`Receiver::rest`] is what was read of the
//! application's.
//!
//! # Look into the header
//!
//! What else the sender says comes in TLVs, and is only as true as the sender.
//!
//! ```
//! use realpeer::{Limits, Outgoing, Progress, Tlv, TlvField, parse, types};
//! # let mut buffer = [0; 64];
//! # let alpn = Tlv { kind: types::ALPN, value: b"h2" };
//! # let len = Outgoing::proxy("192.0.2.1:1".parse()?, "192.0.2.2:2".parse()?).tlvs([alpn])
//! #     .write(&mut buffer)?;
//! # let bytes = &buffer[..len];
//!
//! let Progress::Done(header) = parse(bytes, &Limits::default())? else { panic!() };
//! assert_eq!(header.tlvs().find(types::ALPN), Some(&b"h2"[..]));
//!
//! // As text, without control characters:
//! let mut text = [0; 16];
//! let len = TlvField::Kind(types::ALPN).text(header.tlvs(), &mut text);
//! assert_eq!(len, Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Write
//!
//! ```
//! use realpeer::{Outgoing, Tlv, types};
//!
//! let (client, server) = ("192.0.2.1:56324".parse()?, "198.51.100.7:443".parse()?);
//! let host = Tlv { kind: types::AUTHORITY, value: b"www.example.com" };
//! let mut buffer = [0; 256];
//! let len = Outgoing::proxy(client, server).tlvs([host]).checksum(true).write(&mut buffer)?;
//! // buffer[..len] goes in front of everything else
//! # assert_eq!(len, 16 + 12 + 3 + 4 + 3 + 15);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Datagrams
//!
//! Each has its header in front of its payload: [`decide_datagram`].
//!
//! # Trust
//!
//! Whoever may send a header may say that he is anybody: the protocol has no
//! signature. Name the balancers in the rules, and as little else as you can.
//! [`Policy::Optional`] and [`Policy::Strip`] guess whether there is a header, and
//! are for the time of a change.
//!
//! # Features
//!
//! None is on by default, and no program in Rust needs one.
//!
//! - `ffi`: the functions of `realpeer.h`, as the module `ffi`, for whoever builds a
//!   C library of their own with this one in it. They need libc.
//! - `capi`: what the shipped C libraries are built with: `ffi`, and a panic handler
//!   that does not link. It cannot be switched on where there is std.
//!
//! Rust 1.85 is the oldest that will do.
//!
//! [PROXY protocol]: https://www.haproxy.org/download/3.3/doc/proxy-protocol.txt

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
#[cfg(feature = "ffi")]
mod counters;
#[cfg(target_arch = "x86_64")]
mod cpu;
mod crc32c;
mod decide;
mod header;
mod log_limit;
mod looks;
mod outcome;
mod parse;
mod policy;
mod quiet;
mod receiver;
mod relay;
mod rules;
mod scan;
mod text;
mod tlv;
mod tlv_field;
mod v1;
mod v2;
mod write;

#[cfg(feature = "ffi")]
#[cfg_attr(docsrs, doc(cfg(feature = "ffi")))]
pub mod ffi;
#[cfg(all(feature = "capi", not(test), panic = "abort"))]
mod panic;

pub use address::{AddressText, Family, Transport, canonical, in_family_of};
pub use decide::{Action, Decision, Event, NoAddress, Settings, decide, decide_datagram};
pub use header::{Command, Header, Progress, UnixPath, V1_MAX, Version};
pub use log_limit::{HeldBack, LogLimit, LogRate, LogRateError, Logged};
pub use looks::{another_header, looks_like};
pub use outcome::Outcome;
pub use parse::{Limits, MAX_HEADER, MIN_HEADER, Versions, parse};
pub use policy::Policy;
pub use quiet::QuietError;
pub use receiver::Receiver;
pub use relay::relayed;
pub use rules::{Duplicate, Peer, Rule, RuleError, Rules};
pub use text::{escape, hex};
pub use tlv::{Ssl, Tlv, Tlvs, types};
pub use tlv_field::TlvField;
pub use write::{Outgoing, WriteError, write_ssl, write_v1};

// What README.md shows of Rust is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
