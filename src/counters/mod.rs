//! Counts what becomes of connections, in memory that processes share.
//!
//! | | |
//! |---|---|
//! | [`layout`] | how it lies in memory |
//! | [`result`] | where each result is counted |
//! | [`names`] | who is counted for: listeners |
//! | [`plan`] | whether counters are kept, and how large new ones have to be |
//! | [`count`] | what happens to connections |
//! | [`workers`] | who waits, and what becomes of that when a process dies |
//! | [`sources`] | the sources that were refused last |
//! | [`format`] | which format somebody asks for |
//! | [`render`] | the three formats |

pub(crate) mod count;
pub(crate) mod format;
pub(crate) mod layout;
pub(crate) mod names;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod result;
pub(crate) mod sources;
pub(crate) mod workers;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use layout::{Head, LAYOUT, Listener, MAGIC, Row, Source};

/// The counters, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters<'a> {
    pub(crate) head: &'a Head,
    pub(crate) listeners: &'a [Listener],
    pub(crate) sources: &'a [Source],
    pub(crate) rows: &'a [Row],
    /// Rows of [`layout::stride`] numbers each.
    pub(crate) waiting: &'a [AtomicU32],
}

impl<'a> Counters<'a> {
    /// A listener by its number; out of range is nobody's.
    pub(crate) fn listener(self, number: u32) -> Option<&'a Listener> {
        self.listeners.get(usize::try_from(number).ok()?)
    }

    /// Makes zeroed memory counters.
    pub(crate) fn begin(self, now: u64) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.head.listeners.store(number(self.listeners.len()), Relaxed);
        self.head.workers.store(number(self.rows.len()), Relaxed);
        self.head.started.store(now, Relaxed);
        self.head.layout.store(LAYOUT, Relaxed);
        self.head.magic.store(MAGIC, Relaxed);
    }
}

/// How many listeners fit into so many bytes beside so many workers.
pub(crate) fn room(size: usize, workers: usize) -> usize {
    let fixed = layout::size(0, workers);
    // As many listeners as their numbers of a worker fill a line.
    let each = layout::size(layout::LINE, workers).saturating_sub(fixed);
    let lines = size.saturating_sub(fixed).checked_div(each).unwrap_or(0);
    let full = lines.saturating_mul(layout::LINE);
    let more = (1..layout::LINE).take_while(|more| {
        let listeners = full.saturating_add(*more);
        layout::size(listeners, workers) <= size
    });
    full.saturating_add(more.count())
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}
