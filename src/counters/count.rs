//! What happens to a connection, as it happens.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::layout::{BUCKETS, Listener, REFUSALS_FROM};
use super::result::Kind;
use super::{Counters, add};

/// The upper ends of the histogram's buckets: in microseconds, and in the words of
/// all formats. Each holds what is not in those before it.
pub(crate) const ENDS: [(u64, &str); BUCKETS] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (u64::MAX, "+Inf"),
];

/// The header that a connection brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brought {
    pub(crate) version: u8,
    pub(crate) bytes: u32,
    pub(crate) checksum_verified: bool,
    /// Since accept.
    pub(crate) microseconds: u64,
}

impl Counters<'_> {
    /// A connection has been decided about.
    pub(crate) fn decided(self, listener: u32, kind: Kind, brought: Option<Brought>) {
        let Some(listener) = self.listener(listener) else { return };
        if let Some(counter) = kind.place().and_then(|place| listener.results.get(place)) {
            add(counter, 1);
        }
        if let Some(brought) = brought {
            listener.brought(brought);
        }
    }

    /// The line of a refused connection was held back.
    pub(crate) fn held(self, listener: u32, kind: Kind) {
        let held = self.listener(listener).and_then(|listener| listener.held(kind));
        if let Some(counter) = held {
            add(counter, 1);
        }
    }

    /// Another header follows that of an accepted connection.
    pub(crate) fn another_header(self, listener: u32) {
        if let Some(listener) = self.listener(listener) {
            add(&listener.another, 1);
        }
    }

    /// A connection has been closed without a decision, for reasons of the server's.
    pub(crate) fn dropped(self, listener: u32) {
        if let Some(listener) = self.listener(listener) {
            add(&listener.dropped, 1);
        }
    }
}

impl Listener {
    fn brought(&self, header: Brought) {
        let version = usize::from(header.version).checked_sub(1);
        if let Some(counter) = version.and_then(|version| self.versions.get(version)) {
            add(counter, 1);
        }
        add(&self.bytes, header.bytes.into());
        if header.checksum_verified {
            add(&self.checksums, 1);
        }
        let bucket = self.times.iter().zip(ENDS).find(|(_, (end, _))| header.microseconds <= *end);
        if let Some((counter, _)) = bucket {
            add(counter, 1);
        }
        // A sum of zero is a sum that is not to be written.
        if header.microseconds > 0 {
            add(&self.time, header.microseconds);
        }
    }

    /// Lines held back about refusals of a kind.
    pub(crate) fn held(&self, kind: Kind) -> Option<&AtomicU64> {
        self.held.get(kind.place()?.checked_sub(REFUSALS_FROM)?)
    }

    pub(crate) fn result(&self, kind: Kind) -> u64 {
        let counter = kind.place().and_then(|place| self.results.get(place));
        counter.map_or(0, |counter| counter.load(Relaxed))
    }
}
