//! A part of somebody else's page, such as that of Apache's mod_status: without a
//! style of its own, and with words in ASCII, whatever that page is in.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, Place};
use super::table;
use super::{Counters, Kind, Shown, shown};

pub(super) fn write(counters: Counters<'_>, out: &mut Output<'_>) {
    out.text("<hr />\n<h2>PROXY protocol</h2>\n");
    let mut any = false;
    for shown in shown(counters) {
        any = true;
        listener(out, &shown);
    }
    if !any {
        out.text("<p>No listener has a policy.</p>\n");
    }
}

fn listener(out: &mut Output<'_>, shown: &Shown<'_>) {
    out.text("<h3>");
    out.foreign(Place::Html, shown.name());
    out.text("</h3>\n<table border=\"0\">\n");
    row(out, ["", table::WAITING.title], shown.waiting);
    for kind in Kind::all() {
        let count = shown.listener.result(kind);
        if count > 0 {
            row(out, [kind.done.name(), kind.outcome.name()], count);
        }
    }
    for (version, count) in shown.versions() {
        row(out, ["headers, version", version], count);
    }
    row(out, ["", table::CHECKSUMS.title], shown.listener.checksums.load(Relaxed));
    row(out, ["", table::BYTES.title], shown.listener.bytes.load(Relaxed));
    row(out, ["", table::ANOTHER.title], shown.listener.another.load(Relaxed));
    row(out, ["", table::DROPPED.title], shown.listener.dropped.load(Relaxed));
    row(out, ["", table::HELD.title], shown.held_in_all());
    out.text("</table>\n");
}

fn row(out: &mut Output<'_>, [before, name]: [&str; 2], count: u64) {
    let between = if before.is_empty() { "" } else { " " };
    out.texts(["<tr><td>", before, between, name, "</td><td align=\"right\">"]);
    out.number(count);
    out.text("</td></tr>\n");
}
