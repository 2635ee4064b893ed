//! Prints the tables of docs/performance.md: `time`, `count`, `rules`, `agreement`.

use std::collections::HashMap;
use std::process::ExitCode;
use std::{env, io, panic};

use realpeer_bench_parsers::agreement::{Does, does, strictness};
use realpeer_bench_parsers::contenders::{BARE, NGINX, OURS, OURS_C, contenders, nobody};
use realpeer_bench_parsers::count::{Count, count, counted};
use realpeer_bench_parsers::rows::{Row, rows};
use realpeer_bench_parsers::table::{markdown, number};
use realpeer_bench_parsers::timing::{Time, pin, time};
use realpeer_bench_parsers::{Contender, rules};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match *words {
        ["agreement"] => {
            print_strictness();
            Ok(())
        }
        ["time", rounds] => rounds.parse().map(print_times).map_err(io::Error::other),
        ["rules", rounds] => rounds.parse().map(print_rules).map_err(io::Error::other),
        ["count", folder] => count(folder.as_ref()).map(|counts| print_counts(&counts)),
        ["counted"] => {
            counted();
            Ok(())
        }
        _ => Err(io::Error::other("time ROUNDS | rules ROUNDS | count FOLDER | agreement")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench/parsers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// To be built without `panic = "abort"`, for there are those that panic.
fn print_strictness() {
    panic::set_hook(Box::new(|_| {}));
    let lines: Vec<_> = contenders()
        .iter()
        .map(|contender| {
            let of = strictness(contender);
            vec![
                contender.name.to_owned(),
                format!("{} of {}", of.accepts, of.to_refuse),
                format!("{} of {}", of.refuses, of.to_accept),
                format!("{} of {}", of.mistakes, of.to_accept),
                format!("{} of {}", of.impatient, of.partial),
                of.panics.to_string(),
            ]
        })
        .collect();
    let head = [
        "tests/vectors",
        "accepts what is to be refused",
        "refuses valid headers",
        "mistakes address or length",
        "refuses beginnings",
        "panics",
    ];
    println!("{}", markdown(&head.map(str::to_owned), &lines));
}

/// A number, and what is not as it should be.
fn cell(does: Does, number: String) -> String {
    match does {
        Does::All => number,
        Does::WithoutLooking => format!("{number}†"),
        Does::Wrong(_) => "–".to_owned(),
    }
}

fn head(contenders: &[Contender]) -> Vec<String> {
    let names = contenders.iter().map(|contender| contender.name.to_owned());
    std::iter::once(String::new()).chain(names).collect()
}

fn print_times(rounds: usize) {
    match pin() {
        Some(cpu) => println!("pinned to processor {cpu}; {rounds} rounds, the fastest counts\n"),
        None => println!("not pinned; {rounds} rounds, the fastest counts\n"),
    }
    let contenders = contenders();
    // One of them twice: how far two equal ones are apart is what cannot be told.
    let mut all = contenders.clone();
    all.extend(contenders.iter().find(|contender| contender.name == BARE));
    all.push(nobody());
    let mut lines = Vec::new();
    let mut summary = Vec::new();
    let (mut noise, mut disturbed) = (1.0_f64, Vec::new());
    for row in rows() {
        let does: Vec<Does> = contenders.iter().map(|contender| does(contender, &row)).collect();
        let times = time(&all, &row, rounds);
        let cells = times.iter().zip(&does).map(|(time, &does)| cell(does, number(time.least)));
        lines.push(std::iter::once(row.name.to_owned()).chain(cells).collect());
        let of = |name: &str| {
            let at = all.iter().position(|contender| contender.name == name);
            at.map_or(f64::NAN, |at| times[at].least)
        };
        let again = times[contenders.len()].least;
        noise = noise.max(again / of(BARE)).max(of(BARE) / again);
        disturbed.extend(times.iter().map(|time| time.median / time.least));
        summary.push(targets(&row, &contenders, &does, &times, &of));
    }
    println!("Nanoseconds per header\n\n{}", markdown(&head(&contenders), &lines));
    println!("{}", MARKS);
    let head = ["", OURS, "to bare C", "C less Rust, ns", "best other", "its time to ours", NGINX];
    println!("\nHow realpeer stands\n\n{}", markdown(&head.map(str::to_owned), &summary));
    disturbed.sort_by(f64::total_cmp);
    println!(
        "Noise: the same code twice differs by up to {:.1} %; the median round took {:.0} % \
         more than the fastest.",
        (noise - 1.0) * 100.0,
        (disturbed.get(disturbed.len() / 2).copied().unwrap_or(1.0) - 1.0) * 100.0
    );
}

const MARKS: &str = "– gives a wrong answer. † does not notice a wrong checksum, or TLVs that do \
                     not fit.";

/// The line of a row in the table of the targets.
fn targets(
    row: &Row,
    contenders: &[Contender],
    does: &[Does],
    times: &[Time],
    of: &impl Fn(&str) -> f64,
) -> Vec<String> {
    let others = contenders.iter().zip(does).zip(times);
    let best = others
        .filter(|((who, does), _)| {
            **does == Does::All && !who.yardstick && !who.name.starts_with(OURS)
        })
        .map(|((who, _), time)| (who.name, time.least))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    let ours = of(OURS);
    let ratio = |time: f64| format!("{:.2}", time / ours);
    let nginx = contenders.iter().position(|who| who.name == NGINX);
    let nginx = nginx.filter(|&at| !matches!(does[at], Does::Wrong(_)));
    vec![
        row.name.to_owned(),
        number(ours),
        format!("{:.2}", ours / of(BARE)),
        format!("{:+.1}", of(OURS_C) - ours),
        best.map_or("nobody".to_owned(), |(name, _)| name.to_owned()),
        best.map_or("–".to_owned(), |(_, time)| ratio(time)),
        nginx.map_or("–".to_owned(), |at| ratio(times[at].least)),
    ]
}

fn print_counts(counts: &HashMap<(String, String), Count>) {
    let contenders = contenders();
    let rows = rows();
    let table = |value: fn(&Count) -> f64| {
        let line = |row: &Row| {
            let cells = contenders.iter().map(|who| {
                let count = counts.get(&(row.name.to_owned(), who.name.to_owned()));
                count.map_or("?".to_owned(), |count| cell(does(who, row), number(value(count))))
            });
            std::iter::once(row.name.to_owned()).chain(cells).collect()
        };
        markdown(&head(&contenders), &rows.iter().map(line).collect::<Vec<_>>())
    };
    println!("Instructions per header\n\n{}", table(|count| count.instructions));
    println!("Branches per header that are not foreseen\n\n{}", table(|count| count.missed));
}

fn print_rules(rounds: usize) {
    pin();
    let line = |&count: &usize| {
        let found = rules::measure(count, rounds);
        let n = count as f64;
        let per = found.prepare / (n * n.log2().max(1.0));
        let times = [found.v4_hit, found.v4_miss, found.v6_hit, found.v6_miss];
        let mut cells = vec![count.to_string()];
        cells.extend(times.map(number));
        cells.push(number(found.prepare / 1_000.0));
        cells.push(number(per));
        cells
    };
    let head = [
        "rules",
        "IPv4, named",
        "IPv4, not",
        "IPv6, named",
        "IPv6, not",
        "prepared in µs",
        "ns / (n log n)",
    ];
    let lines: Vec<_> = rules::SIZES.iter().map(line).collect();
    println!("Nanoseconds to find a rule\n\n{}", markdown(&head.map(str::to_owned), &lines));
}
