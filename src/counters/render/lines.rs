//! A line for each number, as programs know them from Apache's mod_status.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, Place};
use super::{Counters, Kind, Shown, shown};
use crate::counters::result::Done;

pub(super) fn write(counters: Counters<'_>, out: &mut Output<'_>) {
    out.text("RealPeerCountingSince: ");
    out.number(counters.head.started.load(Relaxed));
    out.text("\n");
    for (shown, number) in shown(counters).zip(0_u64..) {
        Lines { out, number }.listener(&shown);
    }
}

/// The lines of one listener.
struct Lines<'a, 'b> {
    out: &'a mut Output<'b>,
    number: u64,
}

impl Lines<'_, '_> {
    fn listener(&mut self, shown: &Shown<'_>) {
        self.key(["Name", ""]);
        self.out.foreign(Place::Line, shown.name());
        self.out.text("\n");
        for kind in Kind::all() {
            let done = match kind.done {
                Done::Accepted => "Accepted_",
                Done::Passed => "Passed_",
                Done::Refused => "Refused_",
            };
            self.line([done, kind.outcome.name()], shown.listener.result(kind));
        }
        for (version, count) in shown.versions() {
            self.line(["HeadersVersion", version], count);
        }
        self.line(["HeaderChecksums", ""], shown.listener.checksums.load(Relaxed));
        self.line(["HeaderBytes", ""], shown.listener.bytes.load(Relaxed));
        self.line(["AnotherHeader", ""], shown.listener.another.load(Relaxed));
        for (end, count) in shown.times() {
            self.line(["HeaderSeconds_", end], count);
        }
        self.key(["HeaderSeconds", ""]);
        self.out.seconds(shown.listener.time.load(Relaxed));
        self.out.text("\n");
        self.line(["Waiting", ""], shown.waiting);
        self.line(["Dropped", ""], shown.listener.dropped.load(Relaxed));
        self.line(["LogHeld", ""], shown.held_in_all());
    }

    fn line(&mut self, name: [&str; 2], value: u64) {
        self.key(name);
        self.out.number(value);
        self.out.text("\n");
    }

    fn key(&mut self, name: [&str; 2]) {
        self.out.text("RealPeerListener[");
        self.out.number(self.number);
        self.out.text("]");
        self.out.texts(name);
        self.out.text(": ");
    }
}
