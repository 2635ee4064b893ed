//! `decide_datagram`: the decision of a stream that ends there, but for what a
//! datagram can and cannot be.

use realpeer::{Action, Event, NoAddress, Outcome, Policy, canonical, decide, decide_datagram};

use crate::decide::holds_together;
use crate::oracle::{self, Reading};
pub use crate::stream::PARAMETERS;
use crate::stream::Stream;

pub fn check(data: &[u8]) {
    let Some(stream) = Stream::new(data) else { return };
    let seen = decide_datagram(stream.policy, &stream.settings, stream.bytes);
    holds_together(stream.bytes.len(), &seen);
    assert_ne!(seen.action, Action::More);

    let limits = stream.settings.limits;
    let reading = oracle::read(stream.bytes, limits.max_header, stream.versions);
    let (true, Reading::Header(header)) = (stream.is_read(), reading) else {
        let closed = decide(stream.policy, &stream.settings, stream.bytes, Event::Closed);
        let outcome = match closed.outcome {
            Outcome::Silent => Outcome::NoHeader,
            outcome => outcome,
        };
        assert_eq!((seen.action, seen.outcome), (closed.action, outcome));
        assert_eq!((seen.consumed, seen.client), (0, None));
        return;
    };
    let counts = stream.policy != Some(Policy::Strip);
    let addresses = header.addresses.filter(|_| counts && !header.local && header.transport == 2);
    assert_eq!(seen.client, addresses.map(|(source, _)| canonical(source)));
    assert_eq!(seen.server, addresses.map(|(_, destination)| canonical(destination)));
    let word = match (counts, header.local, addresses) {
        (false, ..) => "stripped",
        (_, true, _) => "local",
        (.., Some(_)) => "proxy",
        _ => "no_address",
    };
    assert_eq!(seen.outcome.name(), word);
    let refused = word == "no_address" && stream.settings.no_address == NoAddress::Refuse;
    assert_eq!(seen.action == Action::Refuse, refused);
    assert_eq!(seen.consumed, if refused { 0 } else { header.len });
}
