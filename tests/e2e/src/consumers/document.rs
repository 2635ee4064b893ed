//! docs/consumers.md

use std::fmt::Write;

use crate::consumers::row::{On, Row};

const INTRODUCTION: &str = include_str!("introduction.md");

/// What the table says; that it is so is what the tests are for.
pub fn document(rows: &[Row]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut server = "";
    for row in rows {
        if row.server != server {
            server = row.server;
            let line = "| what | goes by the address of | |\n|---|---|---|";
            write!(text, "\n## {server}\n\n{line}\n").expect("memory");
        }
        let whose = row.whose.name();
        let mut notes = vec![row.note];
        match row.on {
            On::DebianNginx(_) => notes.push("looked at on 1.22.1, the other is built without"),
            On::ApacheWith(..) => notes.push("looked at where the module is installed"),
            On::Nginx(_) | On::Apache(_) => {}
        }
        notes.retain(|note| !note.is_empty());
        writeln!(text, "| {} | {whose} | {} |", row.what, notes.join("; ")).expect("memory");
    }
    text
}
