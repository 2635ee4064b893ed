//! Writes `include/realpeer.h` from the C functions in `src/ffi`, or with
//! `--check` says whether the one that is checked in is up to date.
//!
//! cbindgen does the work; what it cannot do is done here: doc comments are
//! written for Rust, so what only Rust's readers know is taken out of them, and
//! the version macros come from `Cargo.toml`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

/// What C gets to see is in these files; the order is that of the header.
const SOURCES: [&str; 12] = [
    "src/outcome.rs",
    "src/address.rs",
    "src/parse.rs",
    "src/tlv.rs",
    "src/rules.rs",
    "src/decide.rs",
    "src/ffi/outcome.rs",
    "src/ffi/address.rs",
    "src/ffi/header.rs",
    "src/ffi/tlv.rs",
    "src/ffi/config.rs",
    "src/ffi/decide.rs",
];
const HEADER: &str = "include/realpeer.h";

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("realpeer-header: unknown argument {other}, only --check is known");
            return ExitCode::FAILURE;
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match generate(&root).and_then(|header| settle(&root, &header, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("realpeer-header: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settle(root: &Path, header: &str, check: bool) -> io::Result<()> {
    let path = root.join(HEADER);
    let old = fs::read_to_string(&path).unwrap_or_default();
    if old == header {
        return Ok(());
    }
    if !check {
        return fs::write(&path, header);
    }
    let line = 1 + old.lines().zip(header.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| text.lines().nth(line - 1).unwrap_or("(the end)").to_owned();
    Err(io::Error::other(format!(
        "{HEADER} is not what src/ffi says, from line {line} on:\n-{}\n+{}\n\
         run `cargo run -p realpeer-header` and commit {HEADER}",
        at(&old),
        at(header)
    )))
}

fn generate(root: &Path) -> io::Result<String> {
    let mut config =
        cbindgen::Config::from_file(root.join("cbindgen.toml")).map_err(io::Error::other)?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    config.after_includes = Some(version_macros(&manifest)?);

    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(source));
    }
    let mut text = Vec::new();
    builder.generate().map_err(io::Error::other)?.write(&mut text);
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let text = for_c(&text);
    complain_of_rust(&text)?;
    Ok(text)
}

fn version_macros(manifest: &str) -> io::Result<String> {
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .ok_or_else(|| io::Error::other("Cargo.toml states no version"))?;
    let parts: Result<Vec<u8>, _> = version.splitn(3, '.').map(str::parse).collect();
    let Ok(&[major, minor, patch]) = parts.as_deref() else {
        return Err(io::Error::other(format!("{version} is not of the form 1.2.3")));
    };
    let number = u32::from_be_bytes([0, major, minor, patch]);
    Ok(format!(
        "\n/**\n * The version of this header; realpeer_version() gives the library's.\n */\n\
         #define REALPEER_VERSION \"{version}\"\n\
         #define REALPEER_VERSION_MAJOR {major}\n\
         #define REALPEER_VERSION_MINOR {minor}\n\
         #define REALPEER_VERSION_PATCH {patch}\n\
         /**\n * The same as 0x00MMmmpp, to be compared.\n */\n\
         #define REALPEER_VERSION_NUMBER 0x{number:08x}\n"
    ))
}

/// Takes out of the comments what only Rust has: the sections on safety and
/// errors, and links.
fn for_c(header: &str) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in header.lines() {
        let text = line.trim_start().trim_start_matches("* ");
        if text.starts_with("# ") {
            skipping = true;
            // The empty line in front of the section goes with it.
            while out.ends_with(" *\n") {
                out.truncate(out.trim_end_matches(" *\n").len());
            }
        }
        if text.starts_with("*/") {
            skipping = false;
        }
        if !skipping {
            let _ = writeln!(out, "{}", without_links(line));
        }
    }
    out
}

/// ``[text](target)`` becomes `text`, ``[`A::b`]`` becomes `b`.
fn without_links(line: &str) -> String {
    let in_comment = line.trim_start().starts_with('*');
    let Some((before, rest)) = line.split_once('[').filter(|_| in_comment) else {
        return line.to_owned();
    };
    let Some((text, after)) = rest.split_once(']') else { return line.to_owned() };
    let after = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
        Some((_, after)) => after,
        None => after,
    };
    let text = match text.rsplit_once("::") {
        Some((_, last)) => format!("`{last}"),
        None => text.to_owned(),
    };
    format!("{before}{text}{}", without_links_again(after))
}

fn without_links_again(rest: &str) -> String {
    match without_links(&format!("*{rest}")).strip_prefix('*') {
        Some(rest) => rest.to_owned(),
        None => rest.to_owned(),
    }
}

/// Words that mean nothing to whoever reads C must not get out unseen.
fn complain_of_rust(header: &str) -> io::Result<()> {
    const FOREIGN: [&str; 9] =
        ["# Safety", "# Errors", "[`", "`]", "Outcome", "Option", "`None`", "&[u8]", "crate::"];
    for (number, line) in header.lines().enumerate() {
        if let Some(word) = FOREIGN.iter().find(|word| line.contains(**word)) {
            return Err(io::Error::other(format!(
                "{HEADER}:{}: a doc comment lets `{word}` into the C header: {line}",
                number + 1
            )));
        }
        if line.chars().count() > 79 {
            return Err(io::Error::other(format!(
                "{HEADER}:{}: more than 79 columns: {line}",
                number + 1
            )));
        }
    }
    Ok(())
}
