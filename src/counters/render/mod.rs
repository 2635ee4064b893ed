//! The counters as text.
//!
//! Names and what they mean stand in [`table`], for all formats. Nothing is kept:
//! text is handed on in pieces as it comes, and each number is read once.
#![forbid(unsafe_code)]

mod html;
mod json;
mod lines;
mod output;
mod prometheus;
mod section;
mod style;
mod table;

use core::sync::atomic::Ordering::Relaxed;

pub(crate) use output::Output;

use super::Counters;
use super::count::ENDS;
use super::format::Format;
use super::layout::{BUCKETS, Listener};
use super::names::Names;
use super::result::{Done, Kind};

/// Where text goes. It says whether it has taken it.
pub(crate) type Write<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// Writes the counters; whether all of it was taken.
pub(crate) fn render(counters: Counters<'_>, format: Format, now: u64, to: Write<'_>) -> bool {
    let mut out = Output::new(to);
    match format {
        Format::Prometheus => prometheus::write(counters, &mut out),
        Format::Json => json::write(counters, now, &mut out),
        Format::Html => html::write(counters, now, &mut out),
        Format::Lines => lines::write(counters, &mut out),
        Format::Section => section::write(counters, &mut out),
    }
    out.finish()
}

/// A listener with its names, and how many wait there.
struct Shown<'a> {
    listener: &'a Listener,
    names: Names,
    waiting: u64,
}

impl Shown<'_> {
    fn subsystem(&self) -> &[u8] {
        self.names.0.as_bytes()
    }

    fn name(&self) -> &[u8] {
        self.names.1.as_bytes()
    }

    fn done(&self, done: Done) -> u64 {
        let kinds = Kind::all().filter(|kind| kind.done == done);
        kinds.map(|kind| self.listener.result(kind)).fold(0, u64::saturating_add)
    }

    fn versions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["1", "2"].into_iter().zip(self.listener.versions.iter().map(|n| n.load(Relaxed)))
    }

    fn held(&self, kind: Kind) -> u64 {
        self.listener.held(kind).map_or(0, |held| held.load(Relaxed))
    }

    /// Lines held back about all refusals.
    fn held_in_all(&self) -> u64 {
        let refusals = Kind::all().filter(|kind| kind.done == Done::Refused);
        refusals.map(|kind| self.held(kind)).fold(0, u64::saturating_add)
    }

    /// How many headers took at most so long: each bucket holds those before it.
    fn times(&self) -> [(&'static str, u64); BUCKETS] {
        let mut sum = 0_u64;
        let mut out = [("", 0); BUCKETS];
        let counts = self.listener.times.iter().zip(ENDS);
        for (to, (count, (_, end))) in out.iter_mut().zip(counts) {
            sum = sum.saturating_add(count.load(Relaxed));
            *to = (end, sum);
        }
        out
    }
}

fn shown(counters: Counters<'_>) -> impl Iterator<Item = Shown<'_>> {
    counters.listeners.iter().zip(0_usize..).filter_map(move |(listener, number)| {
        let names = listener.names()?;
        Some(Shown { listener, names, waiting: counters.waiting(number) })
    })
}
