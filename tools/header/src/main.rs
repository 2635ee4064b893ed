//! Writes `include/realpeer.h` from the C functions in `src/ffi`, or with
//! `--check` says whether the one that is checked in is up to date.
//!
//! cbindgen does the work; what it cannot do is done here: doc comments are
//! written for Rust, so what only Rust's readers know is taken out of them, and
//! the version macros come from `Cargo.toml`.

mod diff;

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

/// What C gets to see is in these files; the order is that of the header.
const SOURCES: [&str; 23] = [
    "src/outcome.rs",
    "src/address.rs",
    "src/parse.rs",
    "src/header.rs",
    "src/tlv.rs",
    "src/policy.rs",
    "src/rules.rs",
    "src/decide.rs",
    "src/counters/format.rs",
    "src/ffi/outcome.rs",
    "src/ffi/address.rs",
    "src/ffi/header.rs",
    "src/ffi/tlv.rs",
    "src/ffi/write.rs",
    "src/ffi/relay.rs",
    "src/ffi/config.rs",
    "src/ffi/decide.rs",
    "src/ffi/looks.rs",
    "src/ffi/socket.rs",
    "src/ffi/names.rs",
    "src/ffi/counters.rs",
    "src/ffi/status.rs",
    "src/ffi/log.rs",
];
const HEADER: &str = "include/realpeer.h";
const COLUMNS: usize = 79;

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
    let lines = diff::lines(&old, header).join("\n");
    Err(io::Error::other(format!(
        "{HEADER} is not what src/ffi says:\n{lines}\n\
         run `cargo run -p realpeer-header` and commit {HEADER}"
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

/// Makes of cbindgen's text one for readers of C: without the sections on safety
/// and errors, without links, within 79 columns.
fn for_c(header: &str) -> String {
    let mut out = String::new();
    for block in header.split("\n\n").map(|block| block.trim_matches('\n')) {
        if block.is_empty() || is_private_constant(block) {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let mut lines = without_rust_sections(block);
        lines.iter_mut().for_each(|line| *line = without_links(line));
        for line in wrapped(lines) {
            out.push_str(&hexadecimal_type(&line));
            out.push('\n');
        }
    }
    out
}

/// Constants of types that C does not get to see have no prefix.
fn is_private_constant(block: &str) -> bool {
    let last = block.lines().last().unwrap_or("");
    last.strip_prefix("#define ").is_some_and(|name| !name.starts_with("REALPEER_"))
}

/// Leaves out `# Safety` and the like, up to the end of their comment, and the
/// empty line in front of them.
fn without_rust_sections(block: &str) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut skipping = false;
    for line in block.lines() {
        if line.trim_start().starts_with("* # ") {
            skipping = true;
            if kept.last().is_some_and(|line| line.trim() == "*") {
                kept.pop();
            }
        }
        skipping &= line.trim() != "*/";
        if !skipping {
            kept.push(line.to_owned());
        }
    }
    kept
}

/// ``[text](target)`` becomes `text`, ``[`A::b`]`` becomes `b`.
fn without_links(line: &str) -> String {
    let Some((before, rest)) = line.split_once('[') else { return line.to_owned() };
    let Some((text, after)) = rest.split_once(']') else { return line.to_owned() };
    let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
    if target.is_none() && !text.starts_with('`') {
        return format!("{before}[{text}]{}", without_links(after));
    }
    let after = target.map_or(after, |(_, after)| after);
    match text.rsplit_once("::") {
        Some((_, last)) => format!("{before}`{last}{}", without_links(after)),
        None => format!("{before}{text}{}", without_links(after)),
    }
}

/// Carries the words of a comment that stand out over to the next line.
fn wrapped(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut lines = std::collections::VecDeque::from(lines);
    while let Some(line) = lines.pop_front() {
        let end = line.char_indices().nth(COLUMNS).map(|(at, _)| at);
        let Some(cut) = end.and_then(|end| line[..=end].rfind(' ')).filter(|_| is_text(&line))
        else {
            out.push(line);
            continue;
        };
        let words = line[cut..].trim_start().to_owned();
        out.push(line[..cut].to_owned());
        // Onto the next line where that goes on, else a line of its own, as far
        // in as the text it belongs to.
        let goes_on = lines.front().is_some_and(|next| is_text(next) && !starts_anew(next));
        if goes_on {
            if let Some(next) = lines.front_mut() {
                let at = margin(next).len();
                next.insert_str(at, &format!("{words} "));
            }
        } else {
            let deeper = if starts_anew(&line) { "  " } else { "" };
            lines.push_front(format!("{}{deeper}{words}", margin(&line)));
        }
    }
    out
}

/// What stands in front of the words of a comment's line.
fn margin(line: &str) -> &str {
    let words = line.trim_start_matches([' ', '*']);
    &line[..line.len() - words.len()]
}

fn is_text(line: &str) -> bool {
    line.trim_start().starts_with("* ")
}

fn starts_anew(line: &str) -> bool {
    let words = &line[margin(line).len()..];
    words.starts_with('@') || words.starts_with("- ")
}

/// Types of TLVs are written in hex by everybody.
fn hexadecimal_type(line: &str) -> String {
    let number = line
        .strip_prefix("#define REALPEER_TLV_")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(name, number)| Some((name, number.parse::<u8>().ok()?)));
    match number {
        Some((name, number)) => format!("#define REALPEER_TLV_{name} 0x{number:02X}"),
        None => line.to_owned(),
    }
}

/// What means nothing to whoever reads C must not get out unseen.
fn complain_of_rust(header: &str) -> io::Result<()> {
    const FOREIGN: [&str; 7] = ["[`", "`]", "Outcome", "Option", "`None`", "&[u8]", "crate::"];
    for (line, number) in header.lines().zip(1..) {
        let fault = if let Some(word) = FOREIGN.iter().find(|word| line.contains(**word)) {
            format!("{word} is Rust's")
        } else if !line.is_ascii() {
            "not ASCII".to_owned()
        } else if line.len() > COLUMNS {
            format!("longer than {COLUMNS} columns")
        } else {
            continue;
        };
        return Err(io::Error::other(format!("{HEADER}:{number}: {fault}: {line}")));
    }
    Ok(())
}
