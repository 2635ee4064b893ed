//! The tables that nginx and Apache have in common.

use std::collections::BTreeMap;

use crate::Bench;
use crate::case::{Case, REQUESTS, Way};
use crate::load::Talk;
use crate::measure::{calls, instructions, times};
use crate::profile::Profile;
use crate::server::{Server, Setup};
use crate::table::{digits, head, row, spread};
use crate::usage::Worked;
use crate::{load, usage};

const WAYS: [&str; 4] = ["no header", "its own", "realpeer", "realpeer / its own"];

fn columns<'a>(first: &[&'a str]) -> Vec<&'a str> {
    first.iter().copied().chain(WAYS).collect()
}

/// How a case is called, as cells.
fn names(case: &Case) -> [String; 2] {
    [case.name.to_owned(), case.kind.name().to_owned()]
}

fn progress(what: &str, case: &Case) {
    eprintln!("  {what}: {} {}", case.name, case.kind.name());
}

/// A case without its header is the same whatever that would have been.
type Bares<T> = BTreeMap<(Talk, bool), T>;

/// Instructions of a connection, and where those of realpeer are.
pub(crate) fn instruction_table(bench: &Bench, setup: &Setup, cases: &[Case]) {
    let mut bares: Bares<f64> = BTreeMap::new();
    let mut profiles: Vec<(Case, Profile, Profile)> = Vec::new();
    head("Instructions of a connection, those of the kernel apart:", &columns(&["", "header"]));
    for case in cases {
        progress("instructions", case);
        let count = |way| instructions(setup, case, way, bench.counted(case));
        let bare = *bares.entry((case.talk, case.stream)).or_insert_with(|| count(Way::Bare).total);
        let (native, realpeer) = (count(Way::Native), count(Way::Realpeer));
        let ratio = realpeer.total / native.total;
        let totals = [bare, native.total, realpeer.total].map(digits);
        row(&[&names(case)[..], &totals, &[format!("{ratio:.3}")]].concat());
        profiles.push((*case, native, realpeer));
    }
    per_request(&bares, &profiles);
    functions(&profiles);
}

/// What each request costs behind the first one.
fn per_request(bares: &Bares<f64>, profiles: &[(Case, Profile, Profile)]) {
    let find = |requests, kind| {
        profiles.iter().find(|(case, ..)| {
            case.talk == Talk::Http(requests) && case.kind == kind && !case.apart
        })
    };
    head("Instructions of each further request of a connection:", &columns(&["", "header"]));
    for (case, native, realpeer) in profiles {
        let Some((one, native_one, realpeer_one)) = find(1, case.kind) else { continue };
        if case.talk != Talk::Http(REQUESTS) {
            continue;
        }
        #[allow(clippy::cast_precision_loss, reason = "a hundred")]
        let further = (REQUESTS - 1) as f64;
        let bare = bares[&(case.talk, false)] - bares[&(one.talk, false)];
        let native = native.total - native_one.total;
        let realpeer = realpeer.total - realpeer_one.total;
        let each = [bare, native, realpeer].map(|all| digits(all / further));
        row(&[
            &["a request".to_owned(), case.kind.name().to_owned()][..],
            &each,
            &[format!("{:.3}", realpeer / native)],
        ]
        .concat());
    }
}

/// The functions by which the two ways differ most, for the first case.
fn functions(profiles: &[(Case, Profile, Profile)]) {
    for (case, native, realpeer) in profiles {
        if case.talk != Talk::Http(1) || case.apart {
            continue;
        }
        let names: std::collections::BTreeSet<_> =
            native.functions.keys().chain(realpeer.functions.keys()).collect();
        let cost = |profile: &Profile, name| profile.functions.get(name).copied().unwrap_or(0.0);
        let mut all: Vec<_> = names
            .into_iter()
            .map(|name| (name, cost(native, name), cost(realpeer, name)))
            .filter(|(_, native, realpeer)| (realpeer - native).abs() >= 20.0)
            .collect();
        all.sort_by(|a, b| (b.2 - b.1).total_cmp(&(a.2 - a.1)));
        head(
            &format!(
                "Functions that cost otherwise with realpeer ({}, {}), instructions of a connection:",
                case.name,
                case.kind.name()
            ),
            &["function", "its own", "realpeer", "difference"],
        );
        for (name, native, realpeer) in all {
            row(&[
                format!("`{name}`"),
                digits(native),
                digits(realpeer),
                format!("{:+.0}", realpeer - native),
            ]);
        }
    }
}

/// System calls of a connection.
pub(crate) fn call_table(bench: &Bench, setup: &Setup, cases: &[Case]) {
    let mut bares: Bares<BTreeMap<String, f64>> = BTreeMap::new();
    let mut lists = Vec::new();
    head(
        "System calls of a connection, but those that wait, of which there are the fewer the \
         faster its client is:",
        &columns(&["", "header"]),
    );
    for case in cases {
        progress("system calls", case);
        let count = |way| calls(setup, case, way, bench.counted(case));
        let bare =
            bares.entry((case.talk, case.stream)).or_insert_with(|| count(Way::Bare)).clone();
        let (native, realpeer) = (count(Way::Native), count(Way::Realpeer));
        let totals = [&bare, &native, &realpeer].map(but_waiting);
        let ratio = totals[2] / totals[1];
        row(&[&names(case)[..], &totals.map(digits), &[format!("{ratio:.3}")]].concat());
        lists.push((case, [bare, native, realpeer]));
    }
    head("The same, by their names:", &["", "header", "way", "system calls"]);
    for (case, ways) in &lists {
        for (way, calls) in WAYS.iter().zip(ways) {
            let list: Vec<_> =
                calls.iter().map(|(name, n)| format!("{name} {}", short(*n))).collect();
            row(&[&names(case)[..], &[(*way).to_owned(), list.join(", ")]].concat());
        }
    }
}

fn but_waiting(calls: &BTreeMap<String, f64>) -> f64 {
    // The last two are how the threads of Apache wait for each other.
    let waits = ["epoll_wait", "poll", "futex"];
    calls.iter().filter(|(name, _)| !waits.contains(&&name[..])).map(|(_, n)| n).sum()
}

fn short(n: f64) -> String {
    let text = format!("{n:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Processor time of a connection, and how many there are in a second.
pub(crate) fn time_tables(bench: &Bench, setup: &Setup, cases: &[Case]) {
    let mut all = Vec::new();
    for case in cases {
        progress("times", case);
        all.push((case, times(setup, case, &bench.cores, &bench.effort)));
    }
    head(
        "Microseconds of the worker's processor for a connection, kernel included \
         (the middle one of the rounds, least and most):",
        &columns(&["", "header"]),
    );
    for (case, times) in &all {
        let each = Way::ALL.map(|way| spread(times.of(way, |round| round.cpu)));
        let ratio = spread(times.ratio(Way::Realpeer, Way::Native, |round| round.cpu));
        row(&[&names(case)[..], &each, &[ratio]].concat());
    }
    head(
        "Connections in a second, and for how much of the time the worker had something to do:",
        &columns(&["", "header"]),
    );
    for (case, times) in &all {
        let each = Way::ALL.map(|way| {
            let rate = digits(times.of(way, |round| round.rate).middle);
            format!("{rate}, {:.0} %", times.of(way, |round| round.busy).middle * 100.0)
        });
        let ratio = spread(times.ratio(Way::Realpeer, Way::Native, |round| round.rate));
        row(&[&names(case)[..], &each, &[ratio]].concat());
    }
}

/// Bytes of memory for each of those who have sent so much and wait.
pub(crate) fn memory(server: &Server, worked: &Worked, count: usize, part: &[u8]) -> f64 {
    let before = (worked.memory(), worked.descriptors());
    let waiting = load::waiting(server.load.port, count, part);
    usage::wait_for_descriptors(worked, before.1 + count);
    worked.wait_until_at_rest();
    let after = worked.memory();
    drop(waiting);
    #[allow(clippy::cast_precision_loss, reason = "not that many")]
    let each = (after as f64 - before.0 as f64) / count as f64;
    each
}
