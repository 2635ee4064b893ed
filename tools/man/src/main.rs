//! Writes the manual pages (`man/`) and completions for shells (`completions/`), or
//! with `--check` says which of those that are checked in are not up to date. The pages
//! of the command come from what it says of itself, that of the library from the C
//! header, and those of the modules from their documents.

mod library;
mod markdown;
mod pages;
mod roff;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("realpeer-man: unknown argument {other}, only --check is known");
            return ExitCode::FAILURE;
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match files(&root).and_then(|files| settle(&root, &files, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("realpeer-man: {error}");
            ExitCode::FAILURE
        }
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What is to be in both folders.
fn files(root: &Path) -> io::Result<Files> {
    let mut command = realpeer_cli::Cli::command();
    let version = command.get_version().unwrap_or_default().to_owned();
    let mut files = BTreeMap::new();
    let header = fs::read_to_string(root.join("include/realpeer.h"))?;
    files.insert("man/librealpeer.3".into(), library::page(&header, &version).into());
    for (server, document) in [("nginx", "docs/nginx.md"), ("apache", "docs/apache.md")] {
        let page = module(server, &fs::read_to_string(root.join(document))?, &version);
        files.insert(format!("man/realpeer-{server}.5").into(), page.into());
    }
    for (name, page) in pages::all(&command)? {
        files.insert(Path::new("man").join(name), page);
    }
    let shells =
        [(Shell::Bash, "realpeer.bash"), (Shell::Zsh, "_realpeer"), (Shell::Fish, "realpeer.fish")];
    for (shell, name) in shells {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "realpeer", &mut text);
        files.insert(Path::new("completions").join(name), text);
    }
    Ok(files)
}

/// The page of a module, whose document is its reference.
fn module(server: &str, document: &str, version: &str) -> String {
    let phrase = format!("the PROXY protocol in {server}, by source: directives and variables");
    let mut page = roff::head(&format!("realpeer-{server}"), 5, version, &phrase);
    page += &markdown::page(document);
    let other = if server == "nginx" { "realpeer-apache" } else { "realpeer-nginx" };
    page + &roff::see_also(&[
        ("realpeer", 1),
        ("realpeer-check", 1),
        (other, 5),
        ("librealpeer", 3),
    ])
}

fn settle(root: &Path, files: &Files, check: bool) -> io::Result<()> {
    let mut stale = Vec::new();
    for (name, text) in files {
        let path = root.join(name);
        if fs::read(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if check {
            stale.push(name.clone());
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, text)?;
    }
    for folder in ["man", "completions"] {
        for entry in fs::read_dir(root.join(folder))? {
            let name = Path::new(folder).join(entry?.file_name());
            match files.contains_key(&name) {
                true => {}
                false if check => stale.push(name),
                false => fs::remove_file(root.join(&name))?,
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = stale.iter().map(|name| name.display().to_string()).collect();
    Err(io::Error::other(format!(
        "not what they are made from: {}; run `make man` and commit man/ and completions/",
        names.join(", ")
    )))
}
