//! Prints docs/consumers.md, or writes it with `--write`. The test
//! consumers_table sees to it that it is written, and true.

use std::fs;
use std::process::ExitCode;

use realpeer_e2e::consumers::{document, rows};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/consumers.md");

fn main() -> ExitCode {
    let document = document(&rows());
    match std::env::args().nth(1).as_deref() {
        None => print!("{document}"),
        Some("--write") => fs::write(DOCUMENT, document).expect("the folder docs"),
        Some(_) => {
            eprintln!("usage: consumers [--write]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
