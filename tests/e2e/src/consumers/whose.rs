//! Three parties, and how to tell whose address something goes by.

use std::collections::BTreeSet;

/// Whom the header names.
pub(super) const CLIENT: &str = "192.0.2.7";
/// Who connects, and writes the header.
pub(super) const BALANCER: &str = "127.0.0.9";
/// Whom it connects to.
pub(super) const SERVER: &str = "127.0.0.1";
/// All of them.
pub(super) const PARTIES: [&str; 3] = [CLIENT, BALANCER, SERVER];
/// Where the header says the client went.
pub(super) const FRONT: &str = "198.51.100.1:443";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Client,
    Balancer,
    /// The server's own.
    Server,
    Nobody,
}

impl Whose {
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "the client",
            Self::Balancer => "the balancer",
            Self::Server => "the server itself",
            Self::Nobody => "nobody",
        }
    }

    /// By the address that was told.
    #[track_caller]
    pub(super) fn is(address: &str) -> Self {
        match address {
            CLIENT => Self::Client,
            BALANCER => Self::Balancer,
            SERVER => Self::Server,
            other => panic!("{other:?} is nobody's address"),
        }
    }

    /// By text in which addresses stand, if any.
    #[track_caller]
    pub(super) fn is_in(text: &str) -> Self {
        let found: Vec<_> = PARTIES.into_iter().filter(|address| has(text, address)).collect();
        match found[..] {
            [] => Self::Nobody,
            [address] => Self::is(address),
            _ => panic!("several addresses in {text}"),
        }
    }

    /// By whom it says yes to.
    #[track_caller]
    pub(super) fn chosen(mut yes: impl FnMut(&str) -> bool) -> Self {
        let found: Vec<_> = PARTIES.into_iter().filter(|address| yes(address)).collect();
        match found[..] {
            [] => Self::Nobody,
            [address] => Self::is(address),
            _ => panic!("yes to {found:?}"),
        }
    }

    /// By who is counted together. `visit` is somebody's through a balancer,
    /// and says whether there was room; there is for one.
    #[track_caller]
    pub(super) fn counted(mut visit: impl FnMut(&str, &str) -> bool) -> Self {
        assert!(visit(CLIENT, BALANCER), "no room for the first");
        let other_client = visit("192.0.2.8", BALANCER);
        let other_balancer = visit(CLIENT, "127.0.0.10");
        match (other_client, other_balancer) {
            (true, false) => Self::Client,
            (false, true) => Self::Balancer,
            (false, false) => panic!("everybody is counted together"),
            (true, true) => Self::Nobody,
        }
    }

    /// By what it depends on where somebody lands.
    #[track_caller]
    pub(super) fn spread(mut land: impl FnMut(&str, &str) -> String) -> Self {
        // Different enough for hashes that are simple.
        let client = |n: u16| format!("2001:db8:{:x}:{:x}::{:x}", n * 7, n * 77, n * 777);
        let clients: BTreeSet<_> = (1..=16).map(|n| land(&client(n), BALANCER)).collect();
        let balancers: BTreeSet<_> =
            (1..=16).map(|n| land(CLIENT, &format!("127.0.0.{n}"))).collect();
        match (clients.len(), balancers.len()) {
            (2.., 1) => Self::Client,
            (1, 2..) => Self::Balancer,
            (1, 1) => Self::Nobody,
            _ => panic!("by both: {clients:?} {balancers:?}"),
        }
    }
}

/// The address, and not as a part of another.
fn has(text: &str, address: &str) -> bool {
    let part = |c: char| c.is_ascii_digit();
    text.match_indices(address).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + address.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}
