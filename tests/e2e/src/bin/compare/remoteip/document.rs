//! docs/compared-with-mod_remoteip.md

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::case::Case;
use super::reasons::{REASONS, reason};
use super::servers::KINDS;
use crate::talk::{Kind, Outcome, Seen};
use crate::text::{Difference, Reason, line, section};

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

pub fn document(cases: &[Case<'_>]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n## In numbers\n\n");
    summary(&mut text, cases);
    text.push_str("\n## At the level of the connection\n\n");
    connection(&mut text, cases);
    text.push_str("\n## Every difference\n");
    for reason in &REASONS {
        differences(&mut text, cases, reason);
    }
    text
}

fn summary(text: &mut String, cases: &[Case<'_>]) {
    text.push_str(
        "| | sent | both serve, alike | both refuse | only realpeer serves \
         | only mod_remoteip serves | mod_remoteip waits for more, or misreads the request \
         | both serve, another text |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for kind in KINDS {
        let mut counts = [0; 6];
        for case in cases.iter().filter(|case| case.kind == kind) {
            let column = match (&case.native, &case.realpeer) {
                (Outcome::Refused, Outcome::Refused) => 1,
                (Outcome::Waits | Outcome::Misread(_), _) => 4,
                (Outcome::Refused, _) => 2,
                (_, Outcome::Refused) => 3,
                _ if case.is_alike() => 0,
                _ => 5,
            };
            counts[column] += 1;
        }
        let sent: usize = counts.iter().sum();
        let counts = counts.map(|count| count.to_string()).join(" | ");
        line(text, format_args!("| {} | {sent} | {counts} |", kind.name()));
    }
}

/// Whose the connection is, of all that both serve by the header's address.
fn connection(text: &mut String, cases: &[Case<'_>]) {
    text.push_str(
        "| | served by the header's address | `%{c}a` and `CONN_REMOTE_ADDR`: the client \
         | `REMOTE_PORT`: the client's |\n|---|---|---|---|\n",
    );
    for kind in KINDS {
        for (name, outcome) in [
            ("mod_remoteip", (|case| &case.native) as for<'a> fn(&'a Case<'_>) -> &'a Outcome),
            ("realpeer", |case| &case.realpeer),
        ] {
            let served: Vec<_> = cases
                .iter()
                .filter(|case| case.kind == kind && both_name(case))
                .map(|case| (outcome(case), case.wanted()))
                .collect();
            let count = |is: fn(&Seen, &Seen) -> bool| {
                let pairs = served.iter().filter_map(|(got, wanted)| match (got, wanted) {
                    (Outcome::Served(got), Outcome::Served(wanted)) => Some((got, wanted)),
                    _ => None,
                });
                pairs.filter(|(got, wanted)| is(got, wanted)).count()
            };
            let peers = count(|got, wanted| got.named == wanted.named);
            let ports = count(|got, wanted| got.port == wanted.port);
            line(
                text,
                format_args!("| {name}, {} | {} | {peers} | {ports} |", kind.name(), served.len()),
            );
        }
    }
}

/// Both serve, for the client that the header names.
fn both_name(case: &Case<'_>) -> bool {
    let names =
        |outcome: &Outcome| matches!(outcome, Outcome::Served(Seen { client: Some(_), .. }));
    names(&case.native) && names(&case.realpeer)
}

fn differences(text: &mut String, cases: &[Case<'_>], wanted: &Reason) {
    let here = cases.iter().filter(|case| !case.is_alike() && reason(case) == Some(wanted));
    let differences: Vec<_> = here
        .map(|case| Difference {
            place: case.kind,
            input: case.input,
            native: answer(&case.native, case),
            realpeer: answer(&case.realpeer, case),
            example: example(case),
        })
        .collect();
    text.push_str(&section(wanted, "mod_remoteip", &differences, where_text));
}

/// An answer, apart from the address that it is about.
fn answer(outcome: &Outcome, case: &Case<'_>) -> &'static str {
    let Outcome::Served(seen) = outcome else {
        return match outcome {
            Outcome::Refused => "refuses",
            Outcome::Waits => "waits for more",
            _ => "takes bytes of the header for the request's",
        };
    };
    if seen.client.is_none() {
        "serves, client: the balancer"
    } else if *outcome == case.wanted() || case.realpeer == Outcome::Refused {
        "serves, client: the one of the header"
    } else {
        "the same client, written in another way"
    }
}

/// What mod_remoteip said, where that is not how an address is written.
fn example(case: &Case<'_>) -> Option<String> {
    let Outcome::Served(Seen { client: Some(native), .. }) = &case.native else { return None };
    let canonical = native.parse().map(|ip: IpAddr| ip.to_canonical().to_string());
    if canonical.as_ref() == Ok(native) {
        return None;
    }
    match &case.realpeer {
        Outcome::Served(seen) => {
            seen.client.as_ref().map(|client| format!(", such as `{native}` and not `{client}`"))
        }
        _ => Some(format!(", such as `{native}`")),
    }
}

fn where_text(places: &BTreeSet<Kind>) -> String {
    match places.len() {
        2 => "both".to_owned(),
        _ => places.iter().map(|kind| kind.name()).collect(),
    }
}
