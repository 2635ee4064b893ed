//! Listeners: who is counted for.
//!
//! They are named when a configuration is read, by one process at a time, and
//! found by their number from then on. One that a configuration has no longer
//! keeps its place and its counts, until somebody needs the place. Connections that
//! still wait there are then the new one's, until they have been decided about.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};
use core::sync::atomic::{Ordering::Relaxed, fence};

use super::Counters;
use super::layout::{Listener, NAME, SUBSYSTEM};

/// Those that found no place are one listener of this name.
pub(crate) const SPARE: (&[u8], &[u8]) = (b"any", b"other");

/// A name as it is for the moment of looking at it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Name<N> {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(text).for_each(|(to, &from)| *to = from);
        Name { bytes }
    }

    fn load(words: &[AtomicU64]) -> Self {
        let mut bytes = [0; N];
        for (to, word) in bytes.chunks_mut(8).zip(words) {
            let word = word.load(Relaxed).to_ne_bytes();
            to.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
        Name { bytes }
    }

    fn store(self, words: &[AtomicU64]) {
        for (from, word) in self.bytes.chunks(8).zip(words) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

pub(crate) type Names = (Name<SUBSYSTEM>, Name<NAME>);

impl Listener {
    /// `None` where nobody has the place, or it is being given to somebody.
    pub(crate) fn names(&self) -> Option<Names> {
        let before = self.state.load(Ordering::Acquire);
        if before == 0 || before & 1 == 1 {
            return None;
        }
        let names = (Name::load(&self.subsystem), Name::load(&self.name));
        fence(Ordering::Acquire);
        (self.state.load(Relaxed) == before).then_some(names)
    }

    /// Gives the place to somebody; of whoever had it nothing is left.
    fn give(&self, (subsystem, name): &Names) {
        let state = self.state.load(Relaxed) | 1;
        self.state.store(state, Relaxed);
        fence(Ordering::Release);
        subsystem.store(&self.subsystem);
        name.store(&self.name);
        self.counts().for_each(|counter| counter.store(0, Relaxed));
        self.log.iter().for_each(|word| word.store(0, Relaxed));
        // 0 means free, which it is not.
        self.state.store(state.wrapping_add(1).max(2), Ordering::Release);
    }

    /// All that counts, in an order that never changes.
    fn counts(&self) -> impl Iterator<Item = &AtomicU64> {
        let single = [&self.dropped, &self.checksums, &self.bytes, &self.time];
        let many = self.results.iter().chain(&self.versions).chain(&self.times);
        many.chain(single).chain(&self.held)
    }
}

impl Counters<'_> {
    /// A configuration is about to name its listeners.
    pub(crate) fn name_anew(self) {
        self.head.generation.fetch_add(1, Relaxed);
    }

    /// The number of a listener: the one it had, a place that is free, the place
    /// of somebody whom neither this configuration nor the one before has, and
    /// else the one for all who find none.
    pub(crate) fn number(self, subsystem: &[u8], name: &[u8]) -> u32 {
        let generation = self.head.generation.load(Relaxed);
        let names = (Name::new(subsystem), Name::new(name));
        let Some((spare, places)) = self.listeners.split_last() else { return 0 };
        let places = || places.iter().zip(0_u32..);

        let known = places().find(|(place, _)| place.names() == Some(names));
        if let Some((place, number)) = known {
            place.generation.store(generation, Relaxed);
            return number;
        }

        let age = |place: &Listener| generation.wrapping_sub(place.generation.load(Relaxed));
        let free = places().find(|(place, _)| place.state.load(Relaxed) == 0);
        let gone =
            || places().filter(|(place, _)| age(place) > 1).max_by_key(|(place, _)| age(place));
        if let Some((place, number)) = free.or_else(gone) {
            self.forget_listener(number);
            place.generation.store(generation, Relaxed);
            place.give(&names);
            return number;
        }

        if spare.names().is_none() {
            spare.give(&(Name::new(SPARE.0), Name::new(SPARE.1)));
        }
        u32::try_from(self.listeners.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Takes over what was counted elsewhere: into places of the same name.
    pub(crate) fn take_over(self, from: Counters<'_>) {
        self.head.started.store(from.head.started.load(Relaxed), Relaxed);
        for theirs in from.listeners {
            let Some((subsystem, name)) = theirs.names() else { continue };
            let number = self.number(subsystem.as_bytes(), name.as_bytes());
            let Some(ours) = self.listener(number) else { continue };
            for (ours, theirs) in ours.counts().zip(theirs.counts()) {
                ours.fetch_add(theirs.load(Relaxed), Relaxed);
            }
        }
    }
}
