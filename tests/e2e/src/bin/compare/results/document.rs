//! docs/results.md

use std::fmt::Write;

use super::servers::Program;
use super::{Finding, Row};

const INTRODUCTION: &str = include_str!("introduction.md");

/// A line of the table: headers about one thing with one result.
struct Line<'a> {
    title: &'a str,
    nginx: String,
    apache: String,
    count: usize,
}

/// Of rows in which all agree.
pub fn document(rows: &[Row<'_>]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut file = "";
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in rows {
        if row.vector.file != file {
            put(&mut text, &mut lines);
            file = &row.vector.file;
            write!(
                text,
                "\n## {file}\n\n| header | how many | nginx | Apache |\n|---|---|---|---|\n"
            )
            .expect("memory");
        }
        let title = row.vector.name.split_once(" [").map_or(&*row.vector.name, |(title, _)| title);
        let nginx = of(row, |program| matches!(program, Program::Nginx(_)));
        let apache = of(row, |program| matches!(program, Program::Apache(_)));
        match lines.iter_mut().find(|line| (line.title, &line.nginx) == (title, &nginx)) {
            Some(line) => line.count += 1,
            None => lines.push(Line { title, nginx, apache, count: 1 }),
        }
    }
    put(&mut text, &mut lines);
    text
}

/// What all servers of one program have found.
fn of(row: &Row<'_>, is: impl Fn(Program) -> bool) -> String {
    let (_, finding) =
        row.findings.iter().find(|(place, _)| is(place.program)).expect("a server of it");
    Finding::text(finding)
}

fn put(text: &mut String, lines: &mut Vec<Line<'_>>) {
    for Line { title, nginx, apache, count } in lines.drain(..) {
        writeln!(text, "| {title} | {count} | {nginx} | {apache} |").expect("memory");
    }
}
