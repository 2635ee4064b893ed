//! What to do with a connection: policy and bytes joined.
#![forbid(unsafe_code)]

use core::net::SocketAddr;

use crate::address::{Transport, canonical};
use crate::header::{Header, Progress, Version};
use crate::outcome::Outcome;
use crate::parse::{Limits, Signature, parse, signature};
use crate::policy::Policy;

/// What happens to a valid header that names no TCP address.
///
/// # Examples
/// ```
/// use realpeer::{Action, Event, NoAddress, Outcome, Policy, Settings, decide};
///
/// let line = b"PROXY UNKNOWN\r\n";
/// let mut settings = Settings::default();
/// let decision = decide(Some(Policy::Require), &settings, line, Event::Data);
/// assert_eq!((decision.action, decision.client), (Action::Accept, None));
///
/// settings.no_address = NoAddress::Refuse;
/// let decision = decide(Some(Policy::Require), &settings, line, Event::Data);
/// assert_eq!((decision.action, decision.outcome), (Action::Refuse, Outcome::NoAddress));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum NoAddress {
    /// The connection goes on with its own address.
    #[default]
    Accept = 0,
    /// It is refused.
    Refuse = 1,
}

/// All that can be set about headers.
///
/// ```
/// use realpeer::{Limits, NoAddress, Settings, Versions};
///
/// let settings = Settings {
///     limits: Limits { versions: Versions::V2, ..Limits::default() },
///     no_address: NoAddress::Refuse,
/// };
/// assert_ne!(settings, Settings::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Settings {
    /// What a header may be like.
    pub limits: Limits,
    /// What becomes of one that names no TCP address.
    pub no_address: NoAddress,
}

/// Why a decision is asked for.
///
/// # Examples
/// ```
/// use realpeer::{Event, Outcome, Policy, Settings, decide};
///
/// let half = b"PROXY TCP4 192.0.2.1";
/// let ask = |event| decide(Some(Policy::Require), &Settings::default(), half, event).outcome;
/// assert_eq!(ask(Event::Data), Outcome::More);
/// assert_eq!(ask(Event::Closed), Outcome::Truncated);
/// assert_eq!(ask(Event::Timeout), Outcome::Timeout);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Event {
    /// Bytes came, or may still come.
    Data = 0,
    /// The peer closed its side: no more bytes will come.
    Closed = 1,
    /// The time for the header has passed.
    Timeout = 2,
}

/// What to do.
///
/// # Examples
/// ```
/// use realpeer::{Action, Event, Policy, Settings, decide};
///
/// let ask = |policy| decide(Some(policy), &Settings::default(), b"GET / HTTP/1.1", Event::Data);
/// let words = match ask(Policy::Require).action {
///     Action::Refuse => "close it",
///     Action::More => "wait for more bytes",
///     Action::Pass | Action::Accept => "go on",
/// };
/// assert_eq!(words, "close it");
/// assert_eq!(ask(Policy::Optional).action, Action::Pass);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Action {
    /// Close the connection; nothing of it may reach the protocol above.
    Refuse = -1,
    /// Wait for more bytes, the peer's end, or the timeout, and ask again.
    More = 0,
    /// Go on with the connection's own address.
    Pass = 1,
    /// Go on as the header says: with [`Decision::client`] as the peer, or with
    /// the connection's own address where the header names none.
    Accept = 2,
}

/// A decision and its reason.
///
/// ```
/// use realpeer::{Action, Event, Outcome, Policy, Settings, decide};
///
/// let stream = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
/// let decision = decide(Some(Policy::Require), &Settings::default(), stream, Event::Data);
/// assert_eq!(decision.action, Action::Accept);
/// assert_eq!(decision.outcome, Outcome::Proxy);
/// assert_eq!(decision.client, Some("192.0.2.1:56324".parse()?));
/// assert_eq!(decision.server, Some("198.51.100.7:443".parse()?));
/// assert_eq!(&stream[decision.consumed..], b"GET / HTTP/1.1\r\n");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// What to do.
    pub action: Action,
    /// Why, in one word.
    pub outcome: Outcome,
    /// Bytes to take off the stream before the protocol above may see it. With
    /// [`Action::More`]: those that are certainly a header's and may be taken off
    /// already, to be given again with the next call.
    pub consumed: usize,
    /// With [`Action::More`]: bytes the header has at least, see
    /// [`Progress::More`].
    pub need: usize,
    /// The header, where a valid one came; also one that is refused for naming no
    /// address. One that is thrown away is not here: nothing that it says may count.
    pub header: Option<Header<'a>>,
    /// The version of the header where a valid one came, even if it is thrown away.
    pub version: Option<Version>,
    /// The address that replaces the peer's, in [canonical](canonical) form.
    pub client: Option<SocketAddr>,
    /// The address the client connected to, in canonical form; for information.
    pub server: Option<SocketAddr>,
}

impl<'a> Decision<'a> {
    fn new(action: Action, outcome: Outcome) -> Self {
        Decision {
            action,
            outcome,
            consumed: 0,
            need: 0,
            header: None,
            version: None,
            client: None,
            server: None,
        }
    }

    fn of_header(action: Action, outcome: Outcome, header: Header<'a>) -> Self {
        Decision {
            consumed: header.len(),
            header: Some(header),
            version: Some(header.version()),
            ..Decision::new(action, outcome)
        }
    }
}

/// Decides about a connection by the policy for its source (`None`: no rule
/// matched) and the bytes that have come so far.
///
/// The function keeps no state: while it answers [`Action::More`], ask again with
/// the same bytes and those that have come since. Where the policy does not
/// [read](Policy::reads), the answer does not depend on the bytes.
///
/// ```
/// use realpeer::{Action, Event, Policy, Settings, decide};
///
/// let stream = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
/// let ask = |bytes, event| decide(Some(Policy::Require), &Settings::default(), bytes, event);
///
/// // Up to `need` bytes are certainly the header's.
/// let decision = ask(&stream[..15], Event::Data);
/// assert_eq!(decision.action, Action::More);
/// assert!((16..=stream.len()).contains(&decision.need));
///
/// assert_eq!(ask(&stream[..15], Event::Timeout).action, Action::Refuse);
/// assert_eq!(ask(&stream[..], Event::Data).action, Action::Accept);
/// ```
#[must_use]
#[inline(always)]
pub fn decide<'a>(
    policy: Option<Policy>,
    settings: &Settings,
    bytes: &'a [u8],
    event: Event,
) -> Decision<'a> {
    let policy = match policy {
        None | Some(Policy::Refuse) => return Decision::new(Action::Refuse, Outcome::Untrusted),
        Some(Policy::Direct) => return Decision::new(Action::Pass, Outcome::Direct),
        Some(policy) => policy,
    };
    let need = match parse(bytes, &settings.limits) {
        Ok(Progress::Done(header)) => return whole(policy, settings, header),
        Ok(Progress::More { need }) => need,
        Err(Outcome::NoHeader) if policy != Policy::Require => {
            return Decision::new(Action::Pass, Outcome::Absent);
        }
        Err(outcome) => return Decision::new(Action::Refuse, outcome),
    };
    // Before the signature is whole, the bytes may as well be another protocol's.
    let undecided = matches!(signature(bytes), Signature::Partial(_));
    let may_be_absent = undecided && policy != Policy::Require;
    match event {
        Event::Data => Decision {
            need,
            consumed: if may_be_absent { 0 } else { bytes.len() },
            ..Decision::new(Action::More, Outcome::More)
        },
        _ if may_be_absent => Decision::new(Action::Pass, Outcome::Absent),
        Event::Closed if bytes.is_empty() => Decision::new(Action::Refuse, Outcome::Silent),
        Event::Closed => Decision::new(Action::Refuse, Outcome::Truncated),
        Event::Timeout => Decision::new(Action::Refuse, Outcome::Timeout),
    }
}

/// Decides about one datagram, which has its header in front of its payload
/// (section 2). The payload begins at [`Decision::consumed`].
///
/// There is nothing to wait for: [`Action::More`] is never the answer, and a part
/// of a header is [`Outcome::Truncated`]. A datagram without a header, be it
/// empty, is [`Outcome::NoHeader`] where one must come, and [`Outcome::Absent`]
/// where none has to.
///
/// Only the address of a [datagram](Transport::Datagram) over IP replaces the peer
/// here, as only that of a stream does in [`decide`]. So a line of version 1,
/// which knows nothing but TCP, is [`Outcome::NoAddress`].
///
/// ```
/// use realpeer::{Action, Outgoing, Policy, Settings, Transport, decide_datagram};
///
/// let mut datagram = [0; 64];
/// let len = Outgoing::proxy("192.0.2.1:5353".parse()?, "198.51.100.7:53".parse()?)
///     .transport(Transport::Datagram)
///     .write(&mut datagram)?;
/// datagram[len..len + 5].copy_from_slice(b"query");
///
/// let datagram = &datagram[..len + 5];
/// let decision = decide_datagram(Some(Policy::Require), &Settings::default(), datagram);
/// assert_eq!(decision.action, Action::Accept);
/// assert_eq!(decision.client, Some("192.0.2.1:5353".parse()?));
/// assert_eq!(&datagram[decision.consumed..], b"query");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn decide_datagram<'a>(
    policy: Option<Policy>,
    settings: &Settings,
    datagram: &'a [u8],
) -> Decision<'a> {
    let decision = decide(policy, settings, datagram, Event::Closed);
    match (decision.outcome, decision.header) {
        (Outcome::Silent, _) => Decision { outcome: Outcome::NoHeader, ..decision },
        (Outcome::Proxy | Outcome::NoAddress, Some(header)) => {
            accept(settings, header, header.outcome_for(Transport::Datagram))
        }
        _ => decision,
    }
}

#[inline(always)]
fn whole<'a>(policy: Policy, settings: &Settings, header: Header<'a>) -> Decision<'a> {
    if policy == Policy::Strip {
        // Its sender may be anybody, and callers ask for TLVs wherever there are some.
        let stripped = Decision::of_header(Action::Pass, Outcome::Stripped, header);
        return Decision { header: None, ..stripped };
    }
    accept(settings, header, header.outcome())
}

/// Where a header counts: by what it means for the connection or datagram.
#[inline(always)]
fn accept<'a>(settings: &Settings, header: Header<'a>, outcome: Outcome) -> Decision<'a> {
    match outcome {
        Outcome::Proxy => Decision {
            client: header.source().map(canonical),
            server: header.destination().map(canonical),
            ..Decision::of_header(Action::Accept, outcome, header)
        },
        Outcome::NoAddress if settings.no_address == NoAddress::Refuse => {
            Decision { consumed: 0, ..Decision::of_header(Action::Refuse, outcome, header) }
        }
        _ => Decision::of_header(Action::Accept, outcome, header),
    }
}
