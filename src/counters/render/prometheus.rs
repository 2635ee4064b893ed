//! The text format of Prometheus, version 0.0.4.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, Place};
use super::table::{self, Metric};
use super::{Counters, Kind, Shown, shown};
use crate::counters::result::Done;

pub(super) fn write(counters: Counters<'_>, out: &mut Output<'_>) {
    head(out, table::BUILD);
    out.texts(["realpeer_build_info{version=\"", table::VERSION, "\"} 1\n"]);
    head(out, table::STARTED);
    out.text("realpeer_counting_since_seconds ");
    out.number(counters.head.started.load(Relaxed));
    out.text("\n");

    head(out, table::CONNECTIONS);
    for shown in shown(counters) {
        for kind in Kind::all() {
            let labels = [("action", kind.done.name()), ("result", kind.outcome.name())];
            sample(out, table::CONNECTIONS, &shown, &labels, shown.listener.result(kind));
        }
    }
    head(out, table::HEADERS);
    for shown in shown(counters) {
        for (version, count) in shown.versions() {
            sample(out, table::HEADERS, &shown, &[("version", version)], count);
        }
    }
    head(out, table::SECONDS);
    shown(counters).for_each(|shown| histogram(out, &shown));

    each(counters, out, table::CHECKSUMS, |shown| shown.listener.checksums.load(Relaxed));
    each(counters, out, table::BYTES, |shown| shown.listener.bytes.load(Relaxed));
    each(counters, out, table::ANOTHER, |shown| shown.listener.another.load(Relaxed));
    each(counters, out, table::WAITING, |shown| shown.waiting);
    each(counters, out, table::DROPPED, |shown| shown.listener.dropped.load(Relaxed));

    head(out, table::HELD);
    for shown in shown(counters) {
        for kind in Kind::all().filter(|kind| kind.done == Done::Refused) {
            let labels = [("result", kind.outcome.name())];
            sample(out, table::HELD, &shown, &labels, shown.held(kind));
        }
    }
}

fn head(out: &mut Output<'_>, metric: Metric) {
    let Metric { name, suffix, kind, help, .. } = metric;
    out.texts(["# HELP realpeer_", name, suffix, " ", help, "\n"]);
    out.texts(["# TYPE realpeer_", name, suffix, " ", kind, "\n"]);
}

fn each(
    counters: Counters<'_>,
    out: &mut Output<'_>,
    metric: Metric,
    value: impl Fn(&Shown<'_>) -> u64,
) {
    head(out, metric);
    shown(counters).for_each(|shown| sample(out, metric, &shown, &[], value(&shown)));
}

fn sample(
    out: &mut Output<'_>,
    metric: Metric,
    shown: &Shown<'_>,
    labels: &[(&str, &str)],
    value: u64,
) {
    series(out, [metric.name, metric.suffix], shown, labels);
    out.number(value);
    out.text("\n");
}

fn series(out: &mut Output<'_>, name: [&str; 2], shown: &Shown<'_>, labels: &[(&str, &str)]) {
    out.text("realpeer_");
    out.texts(name);
    out.text("{subsystem=\"");
    out.foreign(Place::Label, shown.subsystem());
    out.text("\",listener=\"");
    out.foreign(Place::Label, shown.name());
    for (label, value) in labels {
        out.texts(["\",", label, "=\"", value]);
    }
    out.text("\"} ");
}

fn histogram(out: &mut Output<'_>, shown: &Shown<'_>) {
    let times = shown.times();
    for (end, count) in times {
        series(out, [table::SECONDS.name, "_bucket"], shown, &[("le", end)]);
        out.number(count);
        out.text("\n");
    }
    series(out, [table::SECONDS.name, "_sum"], shown, &[]);
    out.seconds(shown.listener.time.load(Relaxed));
    out.text("\n");
    series(out, [table::SECONDS.name, "_count"], shown, &[]);
    out.number(times.last().map_or(0, |&(_, count)| count));
    out.text("\n");
}
