//! Listeners: who is counted for.
//!
//! They are named when a configuration is read, by one process at a time, and
//! found by their number from then on. One that a configuration has no longer
//! keeps its place and its counts, until another needs the place: what was counted is
//! added to the spare listener's then, so that no sum ever becomes smaller. Connections
//! that still wait there are the new one's, until they have been decided about.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};
use core::sync::atomic::{Ordering::Relaxed, fence};

use super::layout::{Listener, NAME, SUBSYSTEM};
use super::{Counters, add};

/// Those that found no place are one listener of this name, the last one. No other
/// place ever has it.
pub(crate) const SPARE: Named<'static> = (b"any", b"other");

/// A subsystem and a name.
pub(crate) type Named<'a> = (&'a [u8], &'a [u8]);

/// Each of these once, as far as names are kept.
pub(crate) fn distinct<'a>(
    names: impl Iterator<Item = Named<'a>> + Clone,
) -> impl Iterator<Item = Named<'a>> {
    let names = names.map(|(subsystem, name)| {
        (subsystem.get(..SUBSYSTEM).unwrap_or(subsystem), name.get(..NAME).unwrap_or(name))
    });
    let before = names.clone();
    names.enumerate().filter_map(move |(number, name)| {
        let again = before.clone().take(number).any(|other| other == name);
        (!again && name != SPARE).then_some(name)
    })
}

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

    /// Whether this is what stands there.
    fn is(&self, words: &[AtomicU64]) -> bool {
        self.bytes
            .chunks(8)
            .zip(words)
            .all(|(bytes, word)| word.load(Relaxed).to_ne_bytes() == *bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

pub(crate) type Names = (Name<SUBSYSTEM>, Name<NAME>);

/// Names as they are kept.
fn names_of((subsystem, name): Named<'_>) -> Names {
    (Name::new(subsystem), Name::new(name))
}

impl Listener {
    /// `None` where the place is free, or is being given away.
    pub(crate) fn names(&self) -> Option<Names> {
        let before = self.state.load(Ordering::Acquire);
        if before == 0 || before & 1 == 1 {
            return None;
        }
        let names = (Name::load(&self.subsystem), Name::load(&self.name));
        fence(Ordering::Acquire);
        (self.state.load(Relaxed) == before).then_some(names)
    }

    /// The same without a copy, for the process that names listeners.
    fn has(&self, (subsystem, name): &Names) -> bool {
        let state = self.state.load(Relaxed);
        state != 0 && state & 1 == 0 && name.is(&self.name) && subsystem.is(&self.subsystem)
    }

    /// Gives the place away. Who had it has left nothing there, see [`Self::pour`].
    fn give(&self, (subsystem, name): &Names) {
        let state = self.state.load(Relaxed) | 1;
        self.state.store(state, Relaxed);
        fence(Ordering::Release);
        subsystem.store(&self.subsystem);
        name.store(&self.name);
        self.log.iter().for_each(|word| word.store(0, Relaxed));
        // 0 means free, which it is not.
        self.state.store(state.wrapping_add(1).max(2), Ordering::Release);
    }

    /// Free, or of a listener that neither the configuration of this generation nor
    /// the one before has: no process counts there any more.
    pub(crate) fn is_to_be_had(&self, generation: u32) -> bool {
        self.state.load(Relaxed) == 0 || self.age(generation) > 1
    }

    fn age(&self, generation: u32) -> u32 {
        generation.wrapping_sub(self.generation.load(Relaxed))
    }

    fn has_counted(&self) -> bool {
        self.counts().any(|counter| counter.load(Relaxed) != 0)
    }

    /// Moves all that was counted to another listener.
    fn pour(&self, to: &Listener) {
        for (theirs, ours) in self.counts().zip(to.counts()) {
            add(ours, theirs.swap(0, Relaxed));
        }
    }

    /// All that counts, in an order that never changes.
    fn counts(&self) -> impl Iterator<Item = &AtomicU64> {
        let single = [&self.dropped, &self.checksums, &self.bytes, &self.time, &self.another];
        let many = self.results.iter().chain(&self.versions).chain(&self.times);
        many.chain(single).chain(&self.held)
    }
}

impl<'a> Counters<'a> {
    /// A configuration comes, with these listeners: those that have a place keep it,
    /// before the others get places that are free, and then those of listeners that
    /// are gone. Returns how many find none.
    pub(crate) fn configure<'n>(self, names: impl Iterator<Item = Named<'n>> + Clone) -> usize {
        let generation = self.head.generation.fetch_add(1, Relaxed).wrapping_add(1);
        for name in distinct(names.clone()) {
            if let Some((place, _)) = self.place_of(name) {
                place.generation.store(generation, Relaxed);
            }
        }
        distinct(names).filter(|name| self.number(*name) == self.spare_number()).count()
    }

    /// The number of a listener: the one it had, a place that is free, the place of
    /// one that neither this configuration nor the one before has, and else the one
    /// for all who find none.
    pub(crate) fn number(self, name: Named<'_>) -> u32 {
        let generation = self.head.generation.load(Relaxed);
        if let Some((place, number)) = self.place_of(name) {
            place.generation.store(generation, Relaxed);
            return number;
        }
        let gone = || {
            let gone = self.places().filter(|(place, _)| place.is_to_be_had(generation));
            gone.max_by_key(|(place, _)| place.age(generation))
        };
        let place = if name == SPARE { None } else { self.free().or_else(gone) };
        if let Some((place, number)) = place {
            if place.has_counted()
                && let Some(spare) = self.spare()
            {
                place.pour(spare);
            }
            self.forget_listener(number);
            place.generation.store(generation, Relaxed);
            place.give(&names_of(name));
            return number;
        }
        self.spare();
        self.spare_number()
    }

    /// Takes over what was counted elsewhere: into places of the same name, else into
    /// those that are free, where listeners of the last configuration come before
    /// those that were gone already, and else it is added to what the spare one has.
    pub(crate) fn take_over(self, from: Counters<'_>) {
        self.head.started.store(from.head.started.load(Relaxed), Relaxed);
        let Some((spare, listeners)) = from.listeners.split_last() else { return };
        let last = from.head.generation.load(Relaxed);
        for of_last in [true, false] {
            for theirs in listeners.iter().filter(|one| (one.age(last) == 0) == of_last) {
                let Some((subsystem, name)) = theirs.names() else { continue };
                self.add_gone((subsystem.as_bytes(), name.as_bytes()), theirs);
            }
        }
        self.add_gone(SPARE, spare);
    }

    /// Adds what a listener has counted that is no longer there, unless it is.
    fn add_gone(self, name: Named<'_>, theirs: &Listener) {
        let free = || {
            let (place, number) = self.free().filter(|_| name != SPARE)?;
            // A listener that is there may have the place at once.
            let long_ago = self.head.generation.load(Relaxed).wrapping_sub(2);
            place.generation.store(long_ago, Relaxed);
            place.give(&names_of(name));
            Some((place, number))
        };
        let place = self.place_of(name).or_else(free).map(|(place, _)| place);
        let spare = || if theirs.has_counted() { self.spare() } else { None };
        let Some(ours) = place.or_else(spare) else { return };
        for (ours, theirs) in ours.counts().zip(theirs.counts()) {
            add(ours, theirs.load(Relaxed));
        }
    }

    /// All places but the spare one.
    fn places(self) -> impl Iterator<Item = (&'a Listener, u32)> {
        let places = self.listeners.split_last().map_or(&[][..], |(_, places)| places);
        places.iter().zip(0..)
    }

    /// The place that has this name.
    pub(crate) fn place_of(self, name: Named<'_>) -> Option<(&'a Listener, u32)> {
        let names = names_of(name);
        self.places().find(|(place, _)| place.has(&names))
    }

    fn free(self) -> Option<(&'a Listener, u32)> {
        self.places().find(|(place, _)| place.state.load(Relaxed) == 0)
    }

    fn spare_number(self) -> u32 {
        u32::try_from(self.listeners.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// The one for all who find no other, which has its name from then on.
    fn spare(self) -> Option<&'a Listener> {
        let spare = self.listeners.last()?;
        if spare.names().is_none() {
            spare.give(&names_of(SPARE));
        }
        Some(spare)
    }
}
