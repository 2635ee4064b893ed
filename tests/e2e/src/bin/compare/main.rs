//! Sends the same bytes to nginx's own `proxy_protocol` and to realpeer, and
//! tells what each made of them: docs/compared-with-nginx.md.
//!
//! `compare` prints the document, `compare --write` writes it, and
//! `compare --check` fails where it does not say what came of it now. Any
//! difference that no clause explains is a failure as well.

mod case;
mod document;
mod inputs;
mod reasons;
mod servers;
mod talk;

use std::fs;
use std::process::ExitCode;

use case::Case;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compared-with-nginx.md");

fn main() -> ExitCode {
    let inputs = inputs::inputs();
    let cases = case::cases(&inputs);
    let faults: Vec<_> = cases.iter().filter_map(fault).collect();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        eprintln!("{} faults", faults.len());
        return ExitCode::FAILURE;
    }
    let document = document::document(&cases);
    match std::env::args().nth(1).as_deref() {
        None => print!("{document}"),
        Some("--write") => fs::write(DOCUMENT, document).expect("the folder docs"),
        Some("--check") => return check(&document),
        Some(_) => {
            eprintln!("usage: compare [--write | --check]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// What is wrong with a case: realpeer does not as the vector has it, or
/// differs from nginx for no known reason.
fn fault(case: &Case<'_>) -> Option<String> {
    let what = if case.realpeer != case.wanted() {
        format!("wanted {:?}", case.wanted())
    } else if !case.is_alike() && reasons::reason(case).is_none() {
        "no clause explains this".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{} {}, {}, {}: nginx {:?}, realpeer {:?}: {what}",
        servers::version(case.which),
        case.kind.name(),
        case.input.vector.name.escape_debug(),
        case.input.split.text(),
        case.native,
        case.realpeer,
    ))
}

fn check(document: &str) -> ExitCode {
    let written = fs::read_to_string(DOCUMENT).unwrap_or_default();
    if written == document {
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/compared-with-nginx.md is not what the servers do: compare --write");
    for line in document.lines().filter(|line| !written.lines().any(|have| have == *line)) {
        eprintln!("+ {line}");
    }
    for line in written.lines().filter(|line| !document.lines().any(|have| have == *line)) {
        eprintln!("- {line}");
    }
    ExitCode::FAILURE
}
