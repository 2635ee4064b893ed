//! docs/compared-with-nginx.md

use std::collections::BTreeSet;

use realpeer_e2e::Which;

use super::case::Case;
use super::reasons::{REASONS, reason};
use super::servers::version;
use crate::talk::{Kind, Outcome};
use crate::text::{Difference, Reason, line, section};

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

const VERSIONS: [Which; 2] = [Which::Debian, Which::Built];

type Place = (&'static str, Kind);

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
    let differences: Vec<_> = here
        .map(|case| Difference {
            place: (version(case.which), case.kind),
            input: case.input,
            native: answer(&case.native, case),
            realpeer: answer(&case.realpeer, case),
            example: example(case),
        })
        .collect();
    text.push_str(&section(wanted, "nginx", &differences, where_text));
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
