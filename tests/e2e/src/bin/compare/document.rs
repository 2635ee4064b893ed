//! docs/compared-with-nginx.md

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use realpeer_e2e::Which;

use crate::case::Case;
use crate::inputs::Split;
use crate::reasons::{REASONS, Reason, reason};
use crate::servers::{Kind, version};
use crate::talk::Outcome;

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

/// Of many headers that are answered alike so many are named.
const NAMED: usize = 3;

const VERSIONS: [Which; 2] = [Which::Debian, Which::Built];

type Place = (&'static str, Kind);

/// One line of a table: inputs that nginx answers alike and realpeer alike.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    split: Option<Split>,
    native: &'static str,
    realpeer: &'static str,
    places: BTreeSet<Place>,
}

pub fn document(cases: &[Case<'_>]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n## In numbers\n\n");
    summary(&mut text, cases);
    text.push_str("\n## Every difference\n");
    for reason in &REASONS {
        differences(&mut text, cases, reason);
    }
    text
}

fn summary(text: &mut String, cases: &[Case<'_>]) {
    text.push_str(
        "| nginx | | sent | both serve, alike | both refuse | only realpeer serves \
         | only nginx serves | both serve, another address or text |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for which in VERSIONS {
        for kind in Kind::ALL {
            let mut counts = [0; 5];
            for case in cases.iter().filter(|case| case.which == which && case.kind == kind) {
                let column = match (&case.native, &case.realpeer) {
                    (Outcome::Refused, Outcome::Refused) => 1,
                    (Outcome::Refused, _) => 2,
                    (_, Outcome::Refused) => 3,
                    _ if case.is_alike() => 0,
                    _ => 4,
                };
                counts[column] += 1;
            }
            let sent: usize = counts.iter().sum();
            let counts = counts.map(|count| count.to_string()).join(" | ");
            line(
                text,
                format_args!("| {} | {} | {sent} | {counts} |", version(which), kind.name()),
            );
        }
    }
}

fn differences(text: &mut String, cases: &[Case<'_>], wanted: &Reason) {
    let here = cases.iter().filter(|case| !case.is_alike() && reason(case) == Some(wanted));
    let lines = lines(here);
    if lines.is_empty() {
        return;
    }
    let Reason { clause, section, title, why } = wanted;
    let section = if section.is_empty() { String::new() } else { format!(" (section {section})") };
    line(text, format_args!("\n### {clause}: {title}{section}\n\n{}\n", wrapped(why)));
    line(
        text,
        format_args!("| sent | headers | where | nginx | realpeer |\n|---|---|---|---|---|"),
    );
    for (Line { split, native, realpeer, places }, cases) in &lines {
        let names: BTreeSet<_> = cases.iter().map(|case| &case.input.vector.name).collect();
        let sent = match split {
            Some(split) => split.text().to_owned(),
            None => titles(cases),
        };
        let example = cases.iter().find_map(|case| example(case)).unwrap_or_default();
        let (count, places) = (names.len(), where_text(places));
        line(
            text,
            format_args!("| {sent} | {count} | {places} | {native}{example} | {realpeer} |"),
        );
    }
}

/// The cases of one clause by what came of them, and where.
fn lines<'a>(cases: impl Iterator<Item = &'a Case<'a>>) -> BTreeMap<Line, Vec<&'a Case<'a>>> {
    let mut inputs: BTreeMap<_, Vec<&Case<'_>>> = BTreeMap::new();
    for case in cases {
        let vector = &case.input.vector;
        let split = case.input.split.cuts_header().then_some(case.input.split);
        let outcomes = (answer(&case.native, case), answer(&case.realpeer, case));
        inputs.entry((split, outcomes, &vector.file, &vector.name)).or_default().push(case);
    }
    let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((split, (native, realpeer), ..), cases) in inputs {
        let places = cases.iter().map(|case| (version(case.which), case.kind)).collect();
        lines.entry(Line { split, native, realpeer, places }).or_default().extend(cases);
    }
    lines
}

/// An answer of nginx or of realpeer, apart from the address that it is about.
fn answer(outcome: &Outcome, case: &Case<'_>) -> &'static str {
    let Outcome::Served(seen) = outcome else {
        return match outcome {
            Outcome::Refused => "refuses",
            _ => "takes bytes of the header for the request's",
        };
    };
    if case.input.split.cuts_header() {
        "serves as if it had come whole"
    } else if seen.client.is_none() && seen.named.is_empty() {
        "serves, client: the balancer"
    } else if seen.client.is_none() {
        "serves, client: the balancer, though `$proxy_protocol_addr` is set"
    } else if *outcome == case.wanted() || case.realpeer == Outcome::Refused {
        "serves, client: the one of the header"
    } else if matches!(case.wanted(), Outcome::Served(wanted) if wanted.client == seen.client) {
        "the same, but `$proxy_protocol_addr` as it came"
    } else {
        "the same client, written in another way"
    }
}

/// What nginx said in one case, where that is not plainly what the header says.
fn example(case: &Case<'_>) -> Option<String> {
    let Outcome::Served(native) = &case.native else { return None };
    match (&native.client, &case.realpeer) {
        (None, _) if native.named.is_empty() => None,
        (None, _) => Some(format!(", such as to `{}`", native.named)),
        (Some(client), _) if *client != native.named => {
            Some(format!(", such as `{client}` of `{}`", native.named))
        }
        (Some(client), Outcome::Served(seen)) => {
            let realpeer = seen.client.as_ref()?;
            Some(format!(", such as `{client}` and not `{realpeer}`"))
        }
        _ => None,
    }
}

/// What the vectors of these cases are about, the first of them.
fn titles(cases: &[&Case<'_>]) -> String {
    let mut titles: Vec<&str> = Vec::new();
    for case in cases {
        let name = &case.input.vector.name;
        let (_, title) = name.split_once(": ").unwrap_or(("", name));
        let (title, _) = title.split_once(" [").unwrap_or((title, ""));
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    match titles.len() {
        0..=NAMED => titles.join("; "),
        all => format!("{}; and {} more", titles[..NAMED].join("; "), all - NAMED),
    }
}

fn where_text(places: &BTreeSet<Place>) -> String {
    let kinds = |version: &str| {
        let here = |kind: &Kind| places.iter().any(|place| *place == (version, *kind));
        Kind::ALL.into_iter().filter(here).collect::<Vec<_>>()
    };
    let [old, new] = VERSIONS.map(version);
    let text = |kinds: &[Kind]| match kinds.len() {
        4 => "all four".to_owned(),
        _ => kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
    };
    match (&kinds(old)[..], &kinds(new)[..]) {
        (one, other) if one == other && one.len() == 4 => "everywhere".to_owned(),
        (one, other) if one == other => format!("{}, both versions", text(one)),
        (one, []) => format!("{old}: {}", text(one)),
        ([], other) => format!("{new}: {}", text(other)),
        (one, other) => format!("{old}: {}; {new}: {}", text(one), text(other)),
    }
}

/// In lines of 80 characters, as the rest of the documents.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        if column + word.len() >= 80 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("memory");
}
