//! The page for people. It needs nothing from anywhere else.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, Place};
use super::style::STYLE;
use super::table::{self, Metric};
use super::{Counters, Kind, Shown, shown};
use crate::counters::result::Done;
use crate::counters::sources::Refused;

/// Seconds until the page is fetched again.
const REFRESH: &str = "5";

pub(super) fn write(counters: Counters<'_>, now: u64, out: &mut Output<'_>) {
    out.texts([
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
        "<meta http-equiv=\"refresh\" content=\"",
        REFRESH,
        "\">\n<title>realpeer</title>\n<style>",
        STYLE,
        "</style>\n</head>\n<body>\n<header>\n<h1>realpeer</h1>\n<p>Version ",
        table::VERSION,
        ", counting for ",
    ]);
    span(out, now.saturating_sub(counters.head.started.load(Relaxed)), 2);
    out.texts([". Fetched again every ", REFRESH, " seconds.</p>\n</header>\n<main>\n"]);

    let mut any = false;
    for shown in shown(counters) {
        any = true;
        listener(out, &shown);
    }
    if !any {
        out.text("<section><p>No listener has a policy.</p></section>\n");
    }
    refused(counters, now, out);
    out.text("</main>\n</body>\n</html>\n");
}

fn listener(out: &mut Output<'_>, shown: &Shown<'_>) {
    let all = Done::ALL.map(|done| (done, shown.done(done)));
    let total = all.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));

    out.text("<section>\n<h2><small>");
    out.foreign(Place::Html, shown.subsystem());
    out.text("</small>");
    out.foreign(Place::Html, shown.name());
    out.text("</h2>\n<svg class=\"all\" role=\"img\" aria-label=\"shares, as listed below\">");
    let mut before = 0_u64;
    for (done, count) in all {
        bar(out, done, before, count, total);
        before = before.saturating_add(count);
    }
    out.text("</svg>\n<ul>");
    for (done, count) in all {
        out.texts(["<li class=\"", done.name(), "\"><b>"]);
        out.grouped(count);
        out.texts(["</b> ", done.name(), "</li>"]);
    }
    out.text("<li><b>");
    out.grouped(shown.waiting);
    out.texts(["</b> ", table::WAITING.title, "</li></ul>\n"]);
    if total == 0 {
        out.text("<p>No connection yet.</p>\n</section>\n");
        return;
    }
    out.text("<div class=\"halves\">\n");
    results(out, shown, total);
    out.text("<div>\n");
    facts(out, shown);
    times(out, shown);
    out.text("</div>\n</div>\n</section>\n");
}

/// What became of connections, where there were any.
fn results(out: &mut Output<'_>, shown: &Shown<'_>, total: u64) {
    out.text("<div>\n");
    out.text("<table>\n<tr><th>result</th><th class=\"why\">meaning</th>");
    out.text("<th class=\"n\">connections</th><th class=\"bar\"></th></tr>\n");
    for kind in Kind::all() {
        let count = shown.listener.result(kind);
        if count == 0 {
            continue;
        }
        out.texts(["<tr><td class=\"", kind.done.name(), "\">", kind.outcome.name()]);
        out.text("</td><td class=\"why\">");
        out.foreign(Place::Html, kind.outcome.text().as_bytes());
        out.text("</td><td class=\"n\">");
        out.grouped(count);
        out.text("</td><td class=\"bar\">");
        single(out, kind.done, count, total);
        out.text("</td></tr>\n");
    }
    out.text("</table>\n</div>\n");
}

fn facts(out: &mut Output<'_>, shown: &Shown<'_>) {
    out.text("<table>\n");
    for (version, count) in shown.versions() {
        out.texts(["<tr><td>", table::HEADERS.title, ", version ", version]);
        fact(out, count);
    }
    let of_listener = [
        (table::CHECKSUMS, shown.listener.checksums.load(Relaxed)),
        (table::BYTES, shown.listener.bytes.load(Relaxed)),
        (table::ANOTHER, shown.listener.another.load(Relaxed)),
        (table::DROPPED, shown.listener.dropped.load(Relaxed)),
        (table::HELD, shown.held_in_all()),
    ];
    for (Metric { title, .. }, count) in of_listener {
        out.texts(["<tr><td>", title]);
        fact(out, count);
    }
    out.text("</table>\n");
}

fn fact(out: &mut Output<'_>, count: u64) {
    out.text("</td><td class=\"n\">");
    out.grouped(count);
    out.text("</td></tr>\n");
}

/// How long headers took: a column for each bucket.
fn times(out: &mut Output<'_>, shown: &Shown<'_>) {
    let times = shown.listener.times.each_ref().map(|count| count.load(Relaxed));
    let most = times.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let total = times.iter().copied().fold(0, u64::saturating_add);
    let mean = shown.listener.time.load(Relaxed).checked_div(total).unwrap_or(0);
    out.texts(["<p>", table::SECONDS.title, ", on average "]);
    out.grouped(mean / 1000);
    out.text(".");
    out.number(mean % 1000 / 100);
    out.text(" ms</p>\n<svg class=\"times\" viewBox=\"0 0 160 100\" preserveAspectRatio=\"none\" ");
    out.text("role=\"img\" aria-label=\"histogram\">");
    for (count, x) in times.into_iter().zip((0_u64..).step_by(10)) {
        let height = share(count, most, 100).max(u64::from(count > 0));
        out.text("<rect class=\"accepted\" x=\"");
        out.number(x);
        out.text("\" y=\"");
        out.number(100_u64.saturating_sub(height));
        out.text("\" width=\"9\" height=\"");
        out.number(height);
        out.text("\"/>");
    }
    out.text("</svg>\n<p class=\"scale\"><span>0.5 ms</span><span>50 ms</span>");
    out.text("<span>more than 30 s</span></p>\n");
}

fn refused(counters: Counters<'_>, now: u64, out: &mut Output<'_>) {
    out.text("<section>\n<h2>Sources that were refused last</h2>\n");
    let most = counters.refused_sources().map(|refused| refused.count).max().unwrap_or(0);
    if most == 0 {
        out.text("<p>None.</p>\n</section>\n");
        return;
    }
    out.text("<table class=\"sources\">\n<tr><th>source</th><th>result</th><th class=\"why\">listener</th>");
    out.text("<th class=\"n\">times</th><th class=\"bar\"></th><th class=\"n\">ago</th></tr>\n");
    for refused in counters.refused_sources() {
        source(counters, out, refused, now, most);
    }
    out.text("</table>\n</section>\n");
}

fn source(counters: Counters<'_>, out: &mut Output<'_>, refused: Refused, now: u64, most: u64) {
    out.text("<tr><td class=\"source\">");
    out.peer(refused.peer);
    out.texts(["</td><td class=\"refused\">", refused.outcome.name()]);
    out.text("</td><td class=\"why\">");
    let listener = counters.listener(refused.listener);
    if let Some((subsystem, name)) = listener.and_then(|listener| listener.names()) {
        out.foreign(Place::Html, subsystem.as_bytes());
        out.text(" ");
        out.foreign(Place::Html, name.as_bytes());
    }
    out.text("</td><td class=\"n\">");
    out.grouped(refused.count);
    out.text("</td><td class=\"bar\">");
    single(out, Done::Refused, refused.count, most);
    out.text("</td><td class=\"n\">");
    span(out, now.saturating_sub(refused.time), 1);
    out.text("</td></tr>\n");
}

fn single(out: &mut Output<'_>, done: Done, count: u64, total: u64) {
    out.text("<svg aria-hidden=\"true\">");
    bar(out, done, 0, count, total);
    out.text("</svg>");
}

/// A bar from `before` on, `count` long, where the whole width is `total`.
fn bar(out: &mut Output<'_>, done: Done, before: u64, count: u64, total: u64) {
    if count == 0 {
        return;
    }
    out.texts(["<rect class=\"", done.name(), "\" height=\"100%\" x=\""]);
    percent(out, share(before, total, 1000));
    // What is there is to be seen, however little of the whole it is.
    out.text("\" width=\"");
    percent(out, share(count, total, 1000).max(4));
    out.text("\"/>");
}

fn percent(out: &mut Output<'_>, thousandths: u64) {
    out.number(thousandths / 10);
    out.text(".");
    out.number(thousandths % 10);
    out.text("%");
}

/// `count` as a part of `total`, which is `whole`.
fn share(count: u64, total: u64, whole: u64) -> u64 {
    let share = u128::from(count).saturating_mul(whole.into()).checked_div(total.into());
    u64::try_from(share.unwrap_or(0)).unwrap_or(whole).min(whole)
}

/// A time span in its largest units.
fn span(out: &mut Output<'_>, seconds: u64, most: u8) {
    let units = [(86_400, " d"), (3_600, " h"), (60, " min"), (1, " s")];
    let mut rest = seconds;
    let mut shown = 0_u8;
    for (size, unit) in units {
        let n = rest.checked_div(size).unwrap_or(0);
        rest = rest.checked_rem(size).unwrap_or(0);
        let nothing = n == 0 && (size > 1 || shown > 0);
        if shown == most || nothing {
            continue;
        }
        if shown > 0 {
            out.text(" ");
        }
        out.number(n);
        out.text(unit);
        shown = shown.saturating_add(1);
    }
}
