//! Whether a configuration goes on with the counters there are, and how large new
//! ones have to be.
//!
//! Counters are kept as long as all listeners and workers of the new configuration
//! have room in them, whatever their size: what is kept loses nothing. New ones are
//! made where they have not, as large as it takes, or as large as the configuration
//! says; and where that is no better, the counters of now are kept too. In too small
//! ones listeners make room for workers: a worker without a row of its own may be
//! killed, and what waited there would be counted for ever.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::names::{Named, distinct};
use super::{Counters, layout, room};

/// Listeners and processes that there is room for in any case.
const LISTENERS: usize = 16;
const ROWS: usize = 32;

/// What a configuration needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs<'a, N> {
    /// Its listeners. The same one may come again.
    pub(crate) names: N,
    /// Its processes at a time.
    pub(crate) workers: usize,
    /// Those of before that are about to end are among them, as the server never has
    /// more; else they come on top.
    pub(crate) among: bool,
    /// Bytes that new counters are to have; `None`: as many as it takes.
    pub(crate) size: Option<usize>,
    /// The counters of now.
    pub(crate) old: Option<Counters<'a>>,
}

/// What to do. The places that all share who find no other are not in the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The counters of now are kept.
    pub(crate) keep: bool,
    /// Listeners, each counted once.
    pub(crate) names: usize,
    /// How many of them, and how many of the workers, have room in those of now.
    pub(crate) placed: usize,
    pub(crate) seated: usize,
    /// What is made if they are not kept.
    pub(crate) fresh: Fresh,
    /// Bytes in which all have room.
    pub(crate) enough: usize,
}

/// Counters that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) listeners: usize,
    pub(crate) rows: usize,
    pub(crate) size: usize,
}

impl<'n, N: Iterator<Item = Named<'n>> + Clone> Needs<'_, N> {
    pub(crate) fn plan(self) -> Plan {
        let names = distinct(self.names.clone()).count();
        // Old processes stay for a while after a reload, and after the next one.
        let rows = self.workers.saturating_mul(if self.among { 2 } else { 4 }).max(ROWS);
        let room = self.old.map(|old| old.room_for(self.names)).unwrap_or_default();
        let free = self.old.map_or(0, |old| old.rows_for(self.among));
        let seated = free.min(self.workers);

        let fresh = match self.size {
            Some(size) => Fresh::within(size, names, self.workers, rows),
            None => Fresh::new(places(names, room.recent), rows),
        };
        let (listeners, workers) = (fresh.listeners.min(names), fresh.rows.min(self.workers));
        let no_worse = listeners >= room.placed && workers >= seated;
        let better = no_worse && (listeners > room.placed || workers > seated);
        Plan {
            keep: self.old.is_some() && !better,
            names,
            placed: room.placed,
            seated,
            fresh,
            enough: Fresh::new(names, rows).size,
        }
    }
}

/// Room for twice as many, and for those that old processes still count for.
fn places(names: usize, recent: usize) -> usize {
    let least = names.saturating_mul(2).max(names.saturating_add(recent));
    let mut places = LISTENERS;
    while places < least {
        places = places.saturating_mul(2);
    }
    places
}

impl Fresh {
    fn new(listeners: usize, rows: usize) -> Self {
        let size = layout::size(listeners.saturating_add(1), rows.saturating_add(1));
        Fresh { listeners, rows, size }
    }

    /// The best that can be had in so many bytes: rows of processes that are about to
    /// end give way first, then listeners, then workers.
    fn within(size: usize, names: usize, workers: usize, rows: usize) -> Self {
        let with = |rows: usize| {
            let listeners = room(size, rows.saturating_add(1)).saturating_sub(1);
            Fresh { listeners, rows, size }
        };
        let mut fresh = with(rows);
        while fresh.listeners < names && fresh.rows > workers.max(1) {
            fresh = with((fresh.rows / 2).max(workers).max(1));
        }
        while fresh.listeners == 0 && fresh.rows > 1 {
            fresh = with(fresh.rows / 2);
        }
        fresh
    }
}

/// What the counters of now have for the listeners of a configuration to come.
#[derive(Debug, Default, Clone, Copy)]
struct Room {
    /// Listeners that have a place, or can have one.
    placed: usize,
    /// Places of others that old processes may still count in.
    recent: usize,
}

impl Counters<'_> {
    fn room_for<'n>(self, names: impl Iterator<Item = Named<'n>> + Clone) -> Room {
        let next = self.head.generation.load(Relaxed).wrapping_add(1);
        let Some((_, places)) = self.listeners.split_last() else { return Room::default() };
        let (mut names_in_all, mut known, mut known_and_gone) = (0_usize, 0_usize, 0_usize);
        for name in distinct(names) {
            names_in_all = names_in_all.saturating_add(1);
            if let Some((place, _)) = self.place_of(name) {
                known = known.saturating_add(1);
                known_and_gone = known_and_gone.saturating_add(place.is_to_be_had(next).into());
            }
        }
        let to_be_had = places.iter().filter(|place| place.is_to_be_had(next)).count();
        let free = to_be_had.saturating_sub(known_and_gone);
        let others = places.len().saturating_sub(known).saturating_sub(free);
        let new = names_in_all.saturating_sub(known);
        Room { placed: known.saturating_add(new.min(free)), recent: others }
    }

    /// Rows for workers to come, and for those that are there if they are among them.
    fn rows_for(self, among: bool) -> usize {
        let Some((_, rows)) = self.rows.split_last() else { return 0 };
        rows.iter().filter(|row| among || row.process.load(Relaxed) == 0).count()
    }
}
