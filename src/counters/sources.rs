//! The sources that were refused last.
//!
//! Bounded, and each source has one place: whoever comes again and again is there
//! once, with a count. Of IPv6 the first 64 bits are the source, because one host
//! has all addresses behind them.
#![forbid(unsafe_code)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::fence;

use super::Counters;
use super::layout::{SOURCES, Source};
use crate::address::{Family, canonical_ip};
use crate::outcome::Outcome;
use crate::rules::Peer;

/// Seconds after which somebody who is still writing must have died.
const DEAD: u64 = 10;
/// The number of a listener that is no longer there.
const NOBODY: u32 = 0xff_ffff;
/// How often to look whether somebody has done writing.
const PATIENCE: usize = 64;

/// A source as it is for the moment of looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) peer: Peer,
    pub(crate) outcome: Outcome,
    pub(crate) listener: u32,
    pub(crate) count: u64,
    /// Seconds since 1970.
    pub(crate) time: u64,
}

/// What stands in a place for a source.
#[derive(Clone, Copy)]
struct Key {
    family: u32,
    address: [u64; 2],
}

impl Key {
    fn new(peer: Peer) -> Self {
        let (family, address) = match peer {
            Peer::Ip(ip) => match canonical_ip(ip) {
                IpAddr::V4(v4) => (Family::Inet, u128::from(v4.to_bits()) << 96),
                IpAddr::V6(v6) => (Family::Inet6, v6.to_bits()),
            },
            Peer::Unix => (Family::Unix, 0),
        };
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        Key { family: family as u32, address: [half(address >> 64), half(address)] }
    }

    fn peer(self) -> Option<Peer> {
        let [high, low] = self.address;
        let bits = u128::from(high) << 64 | u128::from(low);
        match self.family {
            1 => {
                let bits = u32::try_from(bits >> 96).unwrap_or(0);
                Some(Peer::Ip(Ipv4Addr::from_bits(bits).into()))
            }
            2 => Some(Peer::Ip(Ipv6Addr::from_bits(bits).into())),
            3 => Some(Peer::Unix),
            _ => None,
        }
    }

    fn is_same(self, other: Key) -> bool {
        self.family == other.family && self.address.first() == other.address.first()
    }
}

impl Source {
    fn key(&self) -> Key {
        let [high, low] = &self.address;
        Key {
            family: self.what.load(Relaxed) & 0xff,
            address: [high.load(Relaxed), low.load(Relaxed)],
        }
    }

    /// Nobody else writes from here on; `None` where somebody does. A process that
    /// died while it wrote is not waited for.
    fn begin(&self, now: u64) -> Option<u64> {
        for _ in 0..PATIENCE {
            let state = self.state.load(Acquire);
            let held = state & 1 == 1;
            if held && now.saturating_sub(self.time.load(Relaxed)) < DEAD {
                core::hint::spin_loop();
                continue;
            }
            let mine = if held { state.wrapping_add(2) } else { state | 1 };
            if self.state.compare_exchange(state, mine, AcqRel, Relaxed).is_ok() {
                self.time.store(now, Relaxed);
                fence(Release);
                return Some(mine);
            }
        }
        None
    }

    fn read(&self) -> Option<Refused> {
        let before = self.state.load(Acquire);
        if before == 0 || before & 1 == 1 {
            return None;
        }
        let refused = Refused {
            peer: self.key().peer()?,
            outcome: Outcome::from_number(self.result.load(Relaxed))?,
            listener: self.what.load(Relaxed) >> 8,
            count: self.count.load(Relaxed),
            time: self.time.load(Relaxed),
        };
        fence(Acquire);
        (self.state.load(Relaxed) == before).then_some(refused)
    }
}

impl Counters<'_> {
    /// Remembers who was refused, in place of whoever was longest ago.
    pub(crate) fn refused(self, listener: u32, peer: Peer, outcome: Outcome, now: u64) {
        let key = Key::new(peer);
        let order = self.head.refusals.fetch_add(1, Relaxed).wrapping_add(1);
        let same = self.sources.iter().find(|source| source.key().is_same(key));
        let oldest = || self.sources.iter().min_by_key(|source| source.order.load(Relaxed));
        let Some(source) = same.or_else(oldest) else { return };

        let Some(state) = source.begin(now) else { return };
        // Somebody else may have taken the place in the meantime.
        let before = if source.key().is_same(key) { source.count.load(Relaxed) } else { 0 };
        let [high, low] = key.address;
        source.address.iter().zip([high, low]).for_each(|(to, half)| to.store(half, Relaxed));
        source.what.store(key.family | listener << 8, Relaxed);
        source.result.store(outcome as i32, Relaxed);
        source.count.store(before.saturating_add(1), Relaxed);
        source.order.store(order, Relaxed);
        source.state.store(state.wrapping_add(1), Release);
    }

    /// The place of a listener goes to another one, which refused none of these.
    pub(crate) fn forget_listener(self, listener: u32) {
        for source in self.sources {
            let what = source.what.load(Relaxed);
            if what >> 8 == listener {
                source.what.store(what & 0xff | NOBODY << 8, Relaxed);
            }
        }
    }

    /// Those that were refused, the last one first.
    pub(crate) fn refused_sources(self) -> impl Iterator<Item = Refused> {
        let mut orders = [0; SOURCES];
        let now = self.sources.iter().map(|source| source.order.load(Relaxed));
        orders.iter_mut().zip(now).for_each(|(order, now)| *order = now);
        let mut below = u64::MAX;
        let places = core::iter::from_fn(move || {
            let left = orders.iter().copied().zip(self.sources);
            let next = left.filter(|&(order, _)| order != 0 && order < below);
            let (order, source) = next.max_by_key(|&(order, _)| order)?;
            below = order;
            Some(source)
        });
        places.filter_map(Source::read)
    }
}
