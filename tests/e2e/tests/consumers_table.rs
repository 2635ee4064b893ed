//! A test for each thing that uses an address, on each server, from the table
//! in src/consumers/, and one that docs/consumers.md says what the table does.

use std::fs;

use libtest_mimic::{Arguments, Failed, Trial};
use realpeer_e2e::consumers::{document, rows};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/consumers.md");

fn main() {
    let rows = rows();
    let mut trials = Vec::new();
    for row in &rows {
        if let Some(missing) = row.missing() {
            eprintln!("skipped: {}: no {missing}", row.what);
        }
        for (server, look) in row.looks() {
            let wanted = row.whose;
            let test = move || match look() {
                found if found == wanted => Ok(()),
                found => Err(Failed::from(format!("{found:?} instead of {wanted:?}"))),
            };
            let name = format!("{}: {}::at_{server}", row.server, row.what.replace('`', ""));
            trials.push(Trial::test(name, test).with_ignored_flag(row.missing().is_some()));
        }
    }
    let wanted = document(&rows);
    trials.push(Trial::test("the_document_is_what_the_table_says", move || {
        if fs::read_to_string(DOCUMENT).unwrap_or_default() == wanted {
            return Ok(());
        }
        Err("docs/consumers.md: cargo run -p realpeer-e2e --bin consumers -- --write".into())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
