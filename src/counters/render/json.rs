//! JSON, for programs that do not read Prometheus' format.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, Place};
use super::table;
use super::{Counters, Kind, Shown, shown};
use crate::counters::result::Done;
use crate::counters::sources::Refused;

pub(super) fn write(counters: Counters<'_>, now: u64, out: &mut Output<'_>) {
    out.texts(["{\"version\":\"", table::VERSION, "\",\"time\":"]);
    out.number(now);
    out.texts([",\"", table::STARTED.name, "\":"]);
    out.number(counters.head.started.load(Relaxed));
    out.text(",\"listeners\":[");
    for (shown, separator) in shown(counters).zip(separators()) {
        out.text(separator);
        listener(out, &shown);
    }
    out.text("],\"refused\":[");
    for (refused, separator) in counters.refused_sources().zip(separators()) {
        out.text(separator);
        source(counters, out, refused);
    }
    out.text("]}\n");
}

/// What stands before each element of a list.
fn separators() -> impl Iterator<Item = &'static str> {
    core::iter::once("\n").chain(core::iter::repeat(",\n"))
}

fn listener(out: &mut Output<'_>, shown: &Shown<'_>) {
    names(out, shown.subsystem(), shown.name());
    value(out, table::WAITING.name, shown.waiting);
    value(out, table::DROPPED.name, shown.listener.dropped.load(Relaxed));

    out.texts([",\"", table::CONNECTIONS.name, "\":{"]);
    for (done, first) in Done::ALL.into_iter().zip([true, false, false]) {
        let kinds = Kind::all().filter(|kind| kind.done == done);
        let results = kinds.map(|kind| (kind.outcome.name(), shown.listener.result(kind)));
        object(out, first, done.name(), results);
    }
    out.text("}");

    object(out, false, table::HEADERS.name, shown.versions());
    value(out, table::CHECKSUMS.name, shown.listener.checksums.load(Relaxed));
    value(out, table::BYTES.name, shown.listener.bytes.load(Relaxed));
    value(out, table::ANOTHER.name, shown.listener.another.load(Relaxed));

    let times = shown.times();
    out.texts([",\"", table::SECONDS.name, "\":{\"sum\":"]);
    out.seconds(shown.listener.time.load(Relaxed));
    value(out, "count", times.last().map_or(0, |&(_, count)| count));
    object(out, false, "buckets", times.into_iter());
    out.text("}");

    let refusals = Kind::all().filter(|kind| kind.done == Done::Refused);
    let held = refusals.map(|kind| (kind.outcome.name(), shown.held(kind)));
    object(out, false, table::HELD.name, held);
    out.text("}");
}

fn source(counters: Counters<'_>, out: &mut Output<'_>, refused: Refused) {
    let names = counters.listener(refused.listener).and_then(|listener| listener.names());
    match names {
        Some((subsystem, name)) => self::names(out, subsystem.as_bytes(), name.as_bytes()),
        None => self::names(out, b"", b""),
    }
    out.text(",\"source\":\"");
    out.peer(refused.peer);
    out.texts(["\",\"result\":\"", refused.outcome.name(), "\""]);
    value(out, "count", refused.count);
    value(out, "time", refused.time);
    out.text("}");
}

/// Begins an object with who it is about.
fn names(out: &mut Output<'_>, subsystem: &[u8], name: &[u8]) {
    out.text("{\"subsystem\":\"");
    out.foreign(Place::Json, subsystem);
    out.text("\",\"listener\":\"");
    out.foreign(Place::Json, name);
    out.text("\"");
}

fn value(out: &mut Output<'_>, name: &str, value: u64) {
    out.texts([",\"", name, "\":"]);
    out.number(value);
}

fn object<'a>(
    out: &mut Output<'_>,
    first: bool,
    name: &str,
    values: impl Iterator<Item = (&'a str, u64)>,
) {
    out.texts([if first { "\"" } else { ",\"" }, name, "\":{"]);
    for ((name, value), first) in
        values.zip(core::iter::once(true).chain(core::iter::repeat(false)))
    {
        out.texts([if first { "\"" } else { ",\"" }, name, "\":"]);
        out.number(value);
    }
    out.text("}");
}
