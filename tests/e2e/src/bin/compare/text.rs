//! What the documents have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Arguments, Write};

use crate::inputs::{Input, Split};

/// A row of the conformance checklist, or of the attacks on other receivers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    pub clause: &'static str,
    pub section: &'static str,
    pub title: &'static str,
    pub why: &'static str,
}

/// One input that two servers in one place answer otherwise.
#[derive(Debug)]
pub struct Difference<'a, P> {
    pub place: P,
    pub input: &'a Input,
    pub native: &'static str,
    pub realpeer: &'static str,
    /// What the native one said, where that tells something.
    pub example: Option<String>,
}

/// One line of a table: inputs that both answer alike, each in its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line<P> {
    split: Option<Split>,
    native: &'static str,
    realpeer: &'static str,
    places: BTreeSet<P>,
}

/// The section about one reason, with a table; nothing where there is no
/// difference.
pub fn section<P: Ord + Copy>(
    reason: &Reason,
    native_name: &str,
    differences: &[Difference<'_, P>],
    where_text: impl Fn(&BTreeSet<P>) -> String,
) -> String {
    let mut text = String::new();
    if differences.is_empty() {
        return text;
    }
    let Reason { clause, section, title, why } = reason;
    let section = if section.is_empty() { String::new() } else { format!(" (section {section})") };
    line(&mut text, format_args!("\n### {clause}: {title}{section}\n\n{}\n", wrapped(why)));
    line(
        &mut text,
        format_args!(
            "| sent | headers | where | {native_name} | realpeer |\n|---|---|---|---|---|"
        ),
    );
    for (Line { split, native, realpeer, places }, here) in &lines(differences) {
        let names: BTreeSet<_> = here.iter().map(|each| &each.input.vector.name).collect();
        let sent = match split {
            Some(split) => split.text().to_owned(),
            None => titles(here.iter().map(|each| each.input)),
        };
        let example = here.iter().find_map(|each| each.example.as_deref()).unwrap_or_default();
        let (count, places) = (names.len(), where_text(places));
        line(
            &mut text,
            format_args!("| {sent} | {count} | {places} | {native}{example} | {realpeer} |"),
        );
    }
    text
}

/// The differences by what came of them, and where.
fn lines<'a, P: Ord + Copy>(
    differences: &'a [Difference<'a, P>],
) -> BTreeMap<Line<P>, Vec<&'a Difference<'a, P>>> {
    let mut inputs: BTreeMap<_, Vec<&Difference<'_, P>>> = BTreeMap::new();
    for each in differences {
        let vector = &each.input.vector;
        let split = each.input.split.cuts_header().then_some(each.input.split);
        let outcomes = (each.native, each.realpeer);
        inputs.entry((split, outcomes, &vector.file, &vector.name)).or_default().push(each);
    }
    let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((split, (native, realpeer), ..), here) in inputs {
        let places = here.iter().map(|each| each.place).collect();
        lines.entry(Line { split, native, realpeer, places }).or_default().extend(here);
    }
    lines
}

/// Of many headers that are answered alike so many are named.
const NAMED: usize = 3;

/// What these vectors are about, the first of them.
fn titles<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> String {
    let mut titles: Vec<&str> = Vec::new();
    for input in inputs {
        let title = input.vector.title();
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    match titles.len() {
        0..=NAMED => titles.join("; "),
        all => format!("{}; and {} more", titles[..NAMED].join("; "), all - NAMED),
    }
}

/// In lines of 80 characters, as the rest of the documents.
pub fn wrapped(paragraph: &str) -> String {
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

pub fn line(text: &mut String, content: Arguments<'_>) {
    writeln!(text, "{content}").expect("memory");
}
