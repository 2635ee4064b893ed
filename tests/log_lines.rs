//! docs/troubleshooting.md against the sources: each text that the nginx modules, the
//! Apache module and the library can write has a line there, and no line is there that
//! nobody writes.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use realpeer::Outcome;

const PAGE: &str = "docs/troubleshooting.md";

/// Texts of the C sources that reach nobody's log: what `apachectl -L` says of
/// directives that take any number of words, and what stands for no name.
const NO_LINES: &[&str] = &[
    "a policy (require, optional, strip, direct, refuse) and the sources it is for \
     (addresses, CIDR blocks, \"all\"), and at the end \"quiet=\" with results that are \
     ordinary for these; or \"off\"",
    "the versions that are accepted: 1, 2 or both",
    "TLVs to be put into REALPEER_TLV_* as well",
    "(no name)",
    "GET, HEAD",
    "only GET and HEADn",
    "the format is prometheus, json or htmln",
    "default-src 'none'; style-src 'unsafe-inline'",
    "text/plain; version=0.0.4; charset=utf-8",
    "text/html; charset=utf-8",
    "text/plain; charset=utf-8",
    "<hr />n<pre>n",
    "how large the memory is in which connections are counted, such as \"64k\", or \"off\"",
    "how many lines refused connections get in the log, such as \"10r/s burst=100\", or \"off\"",
];

/// A text with gaps, where something is filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Text(Vec<String>);

impl Text {
    /// Of a format, with what nginx and APR know behind a `%`.
    fn of_format(format: &str) -> Text {
        const GAPS: &[&str] = &[
            "%\0", "%.*s", "%*s", "%uA", "%uD", "%ui", "%uz", "%V", "%d", "%i", "%s", "%u", "%z",
            "\0",
        ];
        let mut pieces = vec![String::new()];
        let mut rest = format;
        while let Some(c) = rest.chars().next() {
            let gap = GAPS.iter().find(|gap| rest.starts_with(**gap));
            assert!(c != '%' || gap.is_some(), "an unknown format in {format:?}");
            match gap {
                Some(_) => pieces.push(String::new()),
                None => pieces.last_mut().expect("there is one").push(c),
            }
            rest = &rest[gap.map_or(c.len_utf8(), |gap| gap.len())..];
        }
        Text(pieces)
    }

    /// Whether its pieces are in the line, in their order.
    fn is_in(&self, line: &str) -> bool {
        let mut rest = line;
        self.0.iter().all(|piece| match rest.find(piece.as_str()) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    }
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The string literals of a source in C or Rust, those side by side as one; a macro
/// between or behind them is a gap.
fn literals(source: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut joins = false;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(end) = comment(rest) {
            rest = &rest[end..];
            continue;
        }
        let mut len = c.len_utf8();
        match c {
            '"' => {
                let (text, end) = literal(rest);
                match found.last_mut().filter(|_| joins) {
                    Some(last) => last.push_str(&text),
                    None => found.push(text),
                }
                (joins, len) = (true, end);
            }
            '\'' if rest.len() > 2 && rest[2..].starts_with('\'') => len = 3,
            'A'..='Z' if joins => {
                len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(1);
                found.last_mut().expect("it joins").push('\0');
            }
            _ if c.is_whitespace() => {}
            _ => joins = false,
        }
        rest = &rest[len..];
    }
    found
}

/// The length of the comment that begins here.
fn comment(source: &str) -> Option<usize> {
    let ends = if source.starts_with("/*") {
        "*/"
    } else if source.starts_with("//") {
        "\n"
    } else {
        return None;
    };
    Some(source.find(ends).map_or(source.len(), |at| at + ends.len()))
}

/// What the literal that begins here says, and its length.
fn literal(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut chars = source.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => text.push(c),
        }
    }
    panic!("a literal without an end: {source:.60}");
}

/// The files in C or Rust in a folder, and in those within.
fn sources(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).expect(folder) {
        let entry = entry.expect(folder);
        let name = format!("{folder}/{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.file_type().expect(folder).is_dir() {
            files.extend(sources(&name));
        } else if name.ends_with(".c") || name.ends_with(".rs") {
            files.push(name);
        }
    }
    files
}

/// What there is to be listed, and where it is written.
fn texts() -> Vec<(String, Text)> {
    let mut texts = Vec::new();
    for file in ["ngx_module", "apache_module"].iter().flat_map(|folder| sources(folder)) {
        let source = read(&file);
        let code = source.lines().filter(|line| !line.starts_with("#include"));
        for text in literals(&code.collect::<Vec<_>>().join("\n")) {
            texts.push((file.clone(), text));
        }
    }
    for file in sources("src") {
        let source = read(&file);
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        for (at, _) in code.match_indices("c\"") {
            if !code[..at].ends_with(|before: char| before.is_alphanumeric()) {
                texts.push((file.clone(), literal(&code[at + 1..]).0));
            }
        }
    }
    texts.retain(|(_, text)| text.trim().contains(' ') && !NO_LINES.contains(&text.as_str()));
    let mut texts: Vec<_> =
        texts.into_iter().map(|(file, text)| (file, Text::of_format(&text))).collect();
    // Those of the results again, as they stand in a line.
    for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::More) {
        let line = match (*outcome as i32) < 0 {
            true => format!("refused {} ({})", outcome.name(), outcome.text()),
            false => outcome.text().to_owned(),
        };
        texts.push(("src/outcome.rs".to_owned(), Text(vec![line])));
    }
    texts
}

/// The first cells of the tables whose head says that lines are in them.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    let mut listing = false;
    for row in read(PAGE).lines() {
        listing = row.starts_with("| line |") || listing && row.starts_with('|');
        if let Some(rest) = row.strip_prefix("| `").filter(|_| listing) {
            lines.push(rest.split_once("` |").expect("one line in a cell").0.to_owned());
        }
    }
    lines
}

#[test]
fn every_text_of_the_sources_is_listed() {
    let lines = lines();
    let texts = texts();
    assert!(texts.len() > 60, "only {} texts found", texts.len());
    let missing: Vec<_> =
        texts.iter().filter(|(_, text)| !lines.iter().any(|line| text.is_in(line))).collect();
    assert!(missing.is_empty(), "{PAGE} has no line for {missing:#?}");
}

#[test]
fn every_line_that_is_listed_is_written_by_somebody() {
    let texts = texts();
    let lines = lines();
    assert!(lines.len() > 60, "only {} lines found", lines.len());
    let nobodys: Vec<_> =
        lines.iter().filter(|line| !texts.iter().any(|(_, text)| text.is_in(line))).collect();
    assert!(nobodys.is_empty(), "{PAGE} has lines that nobody writes: {nobodys:#?}");
}

#[test]
fn literals_are_joined_and_comments_left_out() {
    let source = "f(\"a \\\"%V\\\" \"\n  \"b\", x); /* \"no\" */ g(\"c \" VERSION \" %s\");";
    assert_eq!(literals(source), ["a \"%V\" b", "c \0 %s"]);
    assert!(Text::of_format("a \"%V\" b").is_in("[emerg] a \"x\" b"));
    assert!(!Text::of_format("a \"%V\" b").is_in("a \"x\" c"));
}
