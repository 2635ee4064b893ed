//! Sends the same bytes to servers with realpeer and without, and tells what
//! each made of them:
//!
//! - docs/compared-with-nginx.md, beside nginx's own `proxy_protocol`;
//! - docs/compared-with-mod_remoteip.md, beside Apache's mod_remoteip;
//! - docs/results.md, the modules for nginx and Apache beside each other.
//!
//! `compare` prints the documents, `compare --write` writes them, and
//! `compare --check` fails where one does not say what came of it now; a name
//! (`nginx`, `remoteip`, `results`) makes it one. Any difference that no clause
//! explains is a failure as well.

mod inputs;
mod nginx;
mod remoteip;
mod results;
mod talk;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A document, or all that is wrong.
type Made = Result<String, Vec<String>>;

struct Document {
    name: &'static str,
    file: &'static str,
    make: fn() -> Made,
}

const DOCUMENTS: [Document; 3] = [
    Document { name: "nginx", file: "compared-with-nginx.md", make: nginx::make },
    Document { name: "remoteip", file: "compared-with-mod_remoteip.md", make: remoteip::make },
    Document { name: "results", file: "results.md", make: results::make },
];

fn main() -> ExitCode {
    let (options, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let option = options.first().map(String::as_str);
    let known = |name: &String| DOCUMENTS.iter().any(|document| document.name == name);
    if !matches!(option, None | Some("--write" | "--check"))
        || options.len() > 1
        || !names.iter().all(known)
    {
        eprintln!("usage: compare [nginx] [remoteip] [results] [--write | --check]");
        return ExitCode::FAILURE;
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|have| have == name);
    let mut all_well = true;
    for Document { file, make, .. } in DOCUMENTS.iter().filter(|document| wanted(document.name)) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
        all_well &= match make() {
            Ok(document) => put(option, file, path, &document),
            Err(faults) => {
                for fault in &faults {
                    eprintln!("{fault}");
                }
                eprintln!("docs/{file}: {} faults", faults.len());
                false
            }
        };
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn put(option: Option<&str>, file: &str, path: PathBuf, document: &str) -> bool {
    match option {
        None => print!("{document}"),
        Some("--write") => fs::write(path, document).expect("the folder docs"),
        _ => return is_as_written(file, &fs::read_to_string(path).unwrap_or_default(), document),
    }
    true
}

fn is_as_written(file: &str, written: &str, document: &str) -> bool {
    if written == document {
        return true;
    }
    eprintln!("docs/{file} is not what the servers do: compare --write");
    for line in document.lines().filter(|line| !written.lines().any(|have| have == *line)) {
        eprintln!("+ {line}");
    }
    for line in written.lines().filter(|line| !document.lines().any(|have| have == *line)) {
        eprintln!("- {line}");
    }
    false
}
