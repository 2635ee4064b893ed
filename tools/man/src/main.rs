//! Writes the manual pages of the command (`man/*.1`) and completions for shells
//! (`completions/`), or with `--check` says which of those that are checked in are
//! not up to date.

mod pages;

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
    match files().and_then(|files| settle(&root, &files, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("realpeer-man: {error}");
            ExitCode::FAILURE
        }
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What is to be in both folders.
fn files() -> io::Result<Files> {
    let mut command = realpeer_cli::Cli::command();
    let mut files = BTreeMap::new();
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
        "not what the command says of itself: {}; run `make man` and commit man/ and completions/",
        names.join(", ")
    )))
}
