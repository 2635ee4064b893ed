//! docs/conformance.md

use std::fmt::Write;

use realpeer_testdata::{Checklist, Row};

use crate::row::{Outcome, tests_of};
use crate::target::{Column, Target};

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

pub fn document(lists: &[Checklist], outcome: &Outcome) -> String {
    let mut text = INTRODUCTION.to_owned();
    numbers(&mut text, lists, outcome);
    for list in lists {
        for group in &list.groups {
            let here = |row: &&Row| row.id.starts_with(&*group.id);
            let rows: Vec<_> = list.rows.iter().filter(here).collect();
            line(&mut text, format_args!("\n## {}\n", group.title));
            table(&mut text, &rows, outcome);
            line(&mut text, format_args!("\nTests by name:\n"));
            for row in rows {
                named(&mut text, row);
            }
        }
    }
    text
}

fn numbers(text: &mut String, lists: &[Checklist], outcome: &Outcome) {
    let counts = lists.iter().map(|list| list.rows.len()).collect::<Vec<_>>();
    let named = lists.iter().flat_map(|list| &list.rows).flat_map(|row| &row.tests);
    let named: std::collections::BTreeSet<_> = named.collect();
    line(text, format_args!("\n## In numbers\n"));
    let columns = Column::ALL.map(Column::name).join(" | ");
    line(text, format_args!("| | {columns} |\n|---|{}", "---|".repeat(Column::ALL.len())));
    let held = Column::ALL.map(|column| outcome.all.get(&column).copied().unwrap_or_default());
    let held = held.map(|held| held.to_string()).join(" | ");
    line(text, format_args!("| vectors that hold | {held} |"));
    line(
        text,
        format_args!(
            "\n{} clauses, {} faults of others, {} tests by name.",
            counts[0],
            counts[1],
            named.len()
        ),
    );
}

fn table(text: &mut String, rows: &[&Row], outcome: &Outcome) {
    let mut heads = vec!["", "§", "", "what is asked; what realpeer does"];
    let is_fault = rows.iter().any(|row| row.level.is_empty());
    if is_fault {
        heads = vec!["", "who", "what went wrong; what realpeer does"];
    }
    for target in Target::ALL {
        heads.extend(target.columns().map(Column::name));
        heads.push("tests");
    }
    line(text, format_args!("| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len())));
    for row in rows {
        let Row { id, section, level, asks, does, .. } = row;
        let id = id.strip_prefix("attack ").unwrap_or(id);
        let mut cells = vec![id.to_owned(), section.clone()];
        if !is_fault {
            cells.push(level.clone());
        }
        cells.push(format!("{asks} *{does}*"));
        for target in Target::ALL {
            cells.extend(target.columns().map(|column| cell(outcome.count(row, column))));
            cells.push(cell(tests_of(row, target).count()));
        }
        line(text, format_args!("| {} |", cells.join(" | ")));
    }
}

fn cell(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

fn named(text: &mut String, row: &Row) {
    let mut words = Vec::new();
    for target in Target::ALL {
        let tests: Vec<_> = tests_of(row, target).map(|test| format!("`{test}`")).collect();
        if !tests.is_empty() {
            words.push(format!("{}: {}", target.name(), tests.join(", ")));
        } else if let Some(why) = row.without.get(target.name()) {
            words.push(format!("{}: none, {why}", target.name()));
        }
    }
    if !words.is_empty() {
        let id = row.id.strip_prefix("attack ").unwrap_or(&row.id);
        line(text, format_args!("- **{id}** {}", words.join("; ")));
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("memory");
}
