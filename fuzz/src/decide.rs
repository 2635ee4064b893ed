//! `decide` and [`Receiver`]: what comes out is what the header and the policy say,
//! the same whatever the cuts, and not a byte of the application is lost.

use realpeer::{
    Action, Decision, Event, NoAddress, Outcome, Policy, Receiver, Settings, canonical, decide,
};

use crate::oracle::{self, Reading};
pub use crate::stream::PARAMETERS;
use crate::stream::Stream;

pub fn check(data: &[u8]) {
    let Some(mut stream) = Stream::new(data) else { return };
    let whole = decide(stream.policy, &stream.settings, stream.bytes, stream.event);
    says_what_it_must(&stream, &whole);
    in_pieces(&mut stream);
    for way in [Way::Missing, Way::Room, Way::Peeked] {
        received(&mut stream, way);
    }
}

/// The decision as the second reading and the documentation have it.
fn says_what_it_must(stream: &Stream<'_>, seen: &Decision<'_>) {
    use Action::{Accept, More, Pass, Refuse};
    let answer = |action, word: &str| {
        assert_eq!((seen.action, seen.outcome.name()), (action, word));
    };
    holds_together(stream.bytes.len(), seen);
    match stream.policy {
        None | Some(Policy::Refuse) => return answer(Refuse, "untrusted"),
        Some(Policy::Direct) => return answer(Pass, "direct"),
        _ => {}
    }
    let must = stream.policy == Some(Policy::Require);
    let limits = stream.settings.limits;
    let wait = |undecided: bool| match (stream.event, undecided && !must) {
        (Event::Data, _) => answer(More, "more"),
        (_, true) => answer(Pass, "absent"),
        (Event::Closed, _) if stream.bytes.is_empty() => answer(Refuse, "silent"),
        (Event::Closed, _) => answer(Refuse, "truncated"),
        (Event::Timeout, _) => answer(Refuse, "timeout"),
        (event, _) => panic!("{event:?} is not in this reading yet"),
    };
    match oracle::read(stream.bytes, limits.max_header, stream.versions) {
        Reading::Refused("no_header") if !must => answer(Pass, "absent"),
        Reading::Refused(word) => answer(Refuse, word),
        // Whether a line was refused early is the business of `parse`.
        Reading::Part(0) if seen.outcome == Outcome::BadV1 => answer(Refuse, "bad_v1"),
        Reading::Part(_) => wait(match stream.bytes {
            [b'P', ..] => stream.bytes.len() < 5,
            bytes => bytes.len() < 12,
        }),
        Reading::Header(header) => {
            if stream.policy == Some(Policy::Strip) {
                return answer(Pass, "stripped");
            }
            let proxy = !header.local && header.transport == 1 && header.addresses.is_some();
            let refused = stream.settings.no_address == NoAddress::Refuse;
            match (header.local, proxy) {
                (true, _) => answer(Accept, "local"),
                (_, true) => answer(Accept, "proxy"),
                _ if refused => return answer(Refuse, "no_address"),
                _ => answer(Accept, "no_address"),
            }
            assert_eq!(seen.consumed, header.len);
            let addresses = header.addresses.filter(|_| proxy);
            assert_eq!(seen.client, addresses.map(|(source, _)| canonical(source)));
            assert_eq!(seen.server, addresses.map(|(_, destination)| canonical(destination)));
        }
    }
}

/// What is true of any decision.
pub fn holds_together(len: usize, seen: &Decision<'_>) {
    assert!(seen.consumed <= len);
    assert_eq!(seen.need > len, seen.action == Action::More, "{seen:?}");
    assert!(seen.need == 0 || seen.action == Action::More);
    assert!(seen.action != Action::Refuse || seen.consumed == 0);
    assert_eq!(seen.client.is_some(), seen.outcome == Outcome::Proxy);
    assert_eq!(seen.client.is_some(), seen.server.is_some());
    let number = seen.outcome as i32;
    match seen.action {
        Action::More => assert_eq!(number, 0),
        Action::Refuse => assert!(number < 0 || seen.outcome == Outcome::NoAddress),
        Action::Pass => assert!((4..=6).contains(&number)),
        Action::Accept => assert!((1..=3).contains(&number)),
    }
}

/// Asked again and again with more of the bytes, each time in memory of its own:
/// `More` until the decision, which is then that of the whole; what may be taken off
/// the stream early only grows, and is the header's.
fn in_pieces(stream: &mut Stream<'_>) {
    let whole = decide(stream.policy, &stream.settings, stream.bytes, Event::Data);
    let (mut len, mut taken) = (0, 0);
    loop {
        let part = stream.bytes[..len].to_vec();
        let seen = decide(stream.policy, &stream.settings, &part, Event::Data);
        holds_together(len, &seen);
        if seen.action == Action::More {
            assert!(seen.consumed >= taken, "takes back what was taken");
            taken = seen.consumed;
            if whole.action == Action::Accept || whole.outcome == Outcome::Stripped {
                assert!(seen.need <= whole.consumed, "asks for the application's bytes");
            }
            if whole.action == Action::Pass && whole.outcome != Outcome::Stripped {
                assert_eq!(taken, 0, "takes the application's bytes");
            }
            if len == stream.bytes.len() {
                assert_eq!(seen, whole);
                return;
            }
            let most = stream.bytes.len() - len;
            len += 1 + match stream.random(4) {
                0 => 0,
                1 => stream.random(most.min(8)),
                2 => (seen.need - len - 1).min(most - 1),
                _ => stream.random(most),
            };
            continue;
        }
        assert_eq!(format!("{seen:?}"), format!("{whole:?}"), "after {len} bytes");
        return;
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Missing,
    Room,
    Peeked,
}

/// A [`Receiver`] that is fed with the stream, and at its end with the event.
fn received(stream: &mut Stream<'_>, way: Way) {
    let size = match stream.random(4) {
        0 => stream.random(300),
        1 => 107,
        _ => 4096,
    };
    let limit = (stream.settings.limits.max_header as usize).min(size);
    // What the buffer cannot hold is refused: so the whole decision is asked for
    // with that limit.
    let mut settings = stream.settings;
    settings.limits.max_header = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut buffer = vec![0xaa; size];
    let mut receiver = Receiver::new(stream.policy, stream.settings, &mut buffer);
    let mut left = stream.bytes;
    while receiver.decision().action == Action::More && !left.is_empty() {
        let room = match way {
            Way::Missing => receiver.missing(),
            _ => receiver.room(),
        };
        let n = (1 + stream.random(left.len().min(100))).min(room.len()).min(left.len());
        assert!(n > 0, "undecided, and no room");
        room[..n].copy_from_slice(&left[..n]);
        if way == Way::Peeked {
            let take = receiver.peeked(n);
            assert!(take <= n);
            // As long as nothing is taken, the same bytes are seen again, and more.
            if take == 0 && receiver.decision().action == Action::More {
                undecided(stream, receiver, left, &settings);
                return;
            }
            left = &left[take..];
        } else {
            receiver.filled(n);
            left = &left[n..];
        }
    }
    ends(stream, receiver, left, way, &settings);
}

/// A peeked stream of which nothing may be taken yet: seen as far as there is room.
fn undecided(stream: &Stream<'_>, mut receiver: Receiver<'_>, left: &[u8], settings: &Settings) {
    let room = receiver.room();
    let n = room.len().min(left.len());
    room[..n].copy_from_slice(&left[..n]);
    let take = receiver.peeked(n);
    let mut left = &left[take..];
    while receiver.decision().action == Action::More && !left.is_empty() && take > 0 {
        let room = receiver.room();
        let n = room.len().min(left.len());
        room[..n].copy_from_slice(&left[..n]);
        let take = receiver.peeked(n);
        if take == 0 {
            break;
        }
        left = &left[take..];
    }
    ends(stream, receiver, left, Way::Peeked, settings);
}

fn ends(
    stream: &Stream<'_>,
    mut receiver: Receiver<'_>,
    left: &[u8],
    way: Way,
    settings: &Settings,
) {
    match stream.event {
        Event::Closed if receiver.decision().action == Action::More => receiver.closed(),
        Event::Timeout if receiver.decision().action == Action::More => receiver.timed_out(),
        _ => {}
    }
    let seen = receiver.decision();
    let whole = decide(stream.policy, settings, stream.bytes, stream.event);
    if seen.outcome == Outcome::TooLong && whole.outcome != Outcome::TooLong {
        // The buffer was full before the bytes were decided upon.
        assert!(receiver.rest().is_empty());
        return;
    }
    assert_eq!((seen.action, seen.outcome), (whole.action, whole.outcome), "{way:?}");
    assert_eq!((seen.client, seen.server), (whole.client, whole.server));
    match seen.action {
        Action::Accept | Action::Pass => {
            // Header, what was read behind it, and what was left: that is the stream.
            assert_eq!(seen.consumed, whole.consumed);
            let rest = [receiver.rest(), left].concat();
            assert_eq!(rest, stream.bytes[seen.consumed..], "{way:?}");
            if way == Way::Peeked || way == Way::Missing && seen.header.is_some() {
                assert!(receiver.rest().is_empty(), "took what is the application's");
            }
        }
        _ => assert!(receiver.rest().is_empty()),
    }
}
