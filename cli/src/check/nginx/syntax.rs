//! nginx's configuration as a tree: words, quotes, comments, blocks, includes.
//!
//! The rules are those of nginx's own reader and no more: what a directive means,
//! and whether it exists, is not known here.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::Chars;

use super::files::{Files, plain};
use crate::check::rules::Place;

/// `name argument...;`, or with a block behind it.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) place: Place,
    pub(super) block: Option<Vec<Directive>>,
}

/// Files within files within files: more than that is a circle.
const DEEPEST: usize = 64;

/// The name of an `include` that was left out. All others are replaced by what they
/// include.
pub(super) const INCLUDE: &str = "include";

/// A configuration as it was read.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) directives: Vec<Directive>,
    /// Included files that cannot be read, each with the place of its `include`, which
    /// stays in the tree.
    pub(super) missing: Vec<String>,
    /// Patterns in folders that are not there, and files that nothing includes.
    pub(super) warnings: Vec<String>,
}

/// Reads `main` with all that it includes from `files`.
pub(super) fn read(main: &Path, text: &[u8], files: &Files) -> Result<Text, String> {
    // Where nginx looks for included files with a relative name.
    let prefix = main.parent().unwrap_or(Path::new(""));
    let seen = BTreeSet::from([plain(main)]);
    let mut source = Source { files, prefix, seen, missing: Vec::new(), warnings: Vec::new() };
    let directives = file(main, text, &mut source, DEEPEST)?;
    let mut warnings = source.warnings;
    // nginx prints no file that it has not read.
    warnings.extend(files.not_in(&source.seen).into_iter().map(|path| {
        format!(
            "nothing in this output of nginx -T includes {}, and it is left out: if that heading \
             is a comment within another file, remove it there",
            path.display()
        )
    }));
    Ok(Text { directives, missing: source.missing, warnings })
}

/// What all files of a configuration have in common.
struct Source<'a> {
    files: &'a Files,
    prefix: &'a Path,
    /// Files that were read.
    seen: BTreeSet<PathBuf>,
    missing: Vec<String>,
    warnings: Vec<String>,
}

fn file(
    path: &Path,
    text: &[u8],
    source: &mut Source<'_>,
    depth: usize,
) -> Result<Vec<Directive>, String> {
    let text = String::from_utf8_lossy(text);
    let mut reader = Reader {
        chars: text.chars().peekable(),
        file: Rc::new(path.to_owned()),
        line: 1,
        source,
        depth,
    };
    reader.directives(None, DEEPEST)
}

struct Reader<'a, 'b> {
    chars: Peekable<Chars<'a>>,
    file: Rc<PathBuf>,
    line: usize,
    source: &'a mut Source<'b>,
    /// How many files may still be opened within this one.
    depth: usize,
}

/// What ends a word.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

impl Reader<'_, '_> {
    fn place(&self) -> Place {
        Place { file: Rc::clone(&self.file), line: self.line }
    }

    fn next_char(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    /// What stands in a block that was opened at `opened`, or in the whole file.
    fn directives(
        &mut self,
        opened: Option<&Place>,
        depth: usize,
    ) -> Result<Vec<Directive>, String> {
        let mut directives = Vec::new();
        let Some(deeper) = depth.checked_sub(1) else {
            return Err(format!("{}: blocks within blocks, too deep", self.place()));
        };
        loop {
            let (name, place) = match self.token()? {
                Some(Token::Word(name)) => (name, self.place()),
                Some(Token::Close) if opened.is_some() => return Ok(directives),
                Some(Token::Close) => {
                    return Err(format!(
                        "{}: \"}}\" closes a block that is not open",
                        self.place()
                    ));
                }
                Some(token @ (Token::End | Token::Open)) => {
                    let place = self.place();
                    // "{{ ... }}" and "{% ... %}"
                    return Err(match self.chars.peek() {
                        Some('{' | '%') if token == Token::Open => format!(
                            "{place}: this is a template and no configuration yet; check what is \
                             made from it"
                        ),
                        _ => format!("{place}: a directive has no name"),
                    });
                }
                None => match opened {
                    None => return Ok(directives),
                    Some(opened) => return Err(format!("{opened}: this block is never closed")),
                },
            };
            let directive = self.directive(name, place, deeper)?;
            match directive.name.as_str() {
                INCLUDE => directives.extend(self.include(directive)?),
                _ => directives.push(directive),
            }
        }
    }

    fn directive(&mut self, name: String, place: Place, depth: usize) -> Result<Directive, String> {
        let mut args = Vec::new();
        loop {
            match self.token()? {
                Some(Token::Word(word)) => args.push(word),
                Some(Token::End) => {
                    return Ok(Directive { name, args, place, block: None });
                }
                Some(Token::Open) if name.ends_with("_by_lua_block") => {
                    self.skip_lua(&place)?;
                    return Ok(Directive { name, args, place, block: None });
                }
                Some(Token::Open) => {
                    let block = self.directives(Some(&place), depth)?;
                    return Ok(Directive { name, args, place, block: Some(block) });
                }
                Some(Token::Close) | None => {
                    return Err(format!("{place}: \"{name}\" does not end with a semicolon"));
                }
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, String> {
        loop {
            match self.chars.peek() {
                None => return Ok(None),
                Some('#') => while !matches!(self.next_char(), None | Some('\n')) {},
                Some(char) if is_blank(*char) => {
                    self.next_char();
                }
                Some(_) => break,
            }
        }
        let first = self.next_char();
        let word = match first {
            Some(';') => return Ok(Some(Token::End)),
            Some('{') => return Ok(Some(Token::Open)),
            Some('}') => return Ok(Some(Token::Close)),
            Some(quote @ ('"' | '\'')) => {
                let word = self.quoted(quote)?;
                match self.chars.peek().copied() {
                    None | Some(';' | '{' | ')') => word,
                    Some(char) if is_blank(char) => word,
                    Some(char) => {
                        let place = self.place();
                        return Err(format!("{place}: unexpected \"{char}\" behind a quote"));
                    }
                }
            }
            Some(char) => self.bare(char),
            None => return Ok(None),
        };
        Ok(Some(Token::Word(word)))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let place = self.place();
        let mut word = String::new();
        loop {
            match self.next_char() {
                None => return Err(format!("{place}: the quote {quote} is never closed")),
                Some('\\') => self.escape(&mut word),
                Some(char) if char == quote => return Ok(word),
                Some(char) => word.push(char),
            }
        }
    }

    fn bare(&mut self, first: char) -> String {
        let mut word = String::new();
        let mut char = first;
        // Whether a brace would be that of a variable, and not of a block.
        let mut is_variable = false;
        loop {
            match char {
                '\\' => self.escape(&mut word),
                _ => word.push(char),
            }
            is_variable = char == '$' || (char == '{' && is_variable);
            match self.chars.peek() {
                None | Some(';') => return word,
                Some('{') if !is_variable => return word,
                Some(next) if is_blank(*next) => return word,
                Some(_) => {}
            }
            match self.next_char() {
                Some(next) => char = next,
                None => return word,
            }
        }
    }

    /// The character behind a backslash, which stays where it has no meaning.
    fn escape(&mut self, word: &mut String) {
        match self.next_char() {
            Some(char @ ('"' | '\'' | '\\')) => word.push(char),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(char) => word.extend(['\\', char]),
            None => word.push('\\'),
        }
    }

    /// A block in another language: up to the brace that closes it, leaving out
    /// those in its strings and comments.
    fn skip_lua(&mut self, opened: &Place) -> Result<(), String> {
        let mut depth = 1_usize;
        while let Some(char) = self.next_char() {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                '"' | '\'' => drop(self.quoted(char)?),
                '[' => drop(self.skip_lua_brackets()),
                '-' if self.chars.next_if_eq(&'-').is_some() => {
                    let is_long = self.chars.next_if_eq(&'[').is_some();
                    if !is_long || !self.skip_lua_brackets() {
                        while !matches!(self.chars.peek(), None | Some('\n')) {
                            self.next_char();
                        }
                    }
                }
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(format!("{opened}: this block is never closed"))
    }

    /// What stands in `[[ ]]` or `[==[ ]==]`, behind the first bracket; false if
    /// that was an ordinary one.
    fn skip_lua_brackets(&mut self) -> bool {
        let mut level = 0;
        while self.chars.next_if_eq(&'=').is_some() {
            level += 1;
        }
        if self.chars.next_if_eq(&'[').is_none() {
            return false;
        }
        let end = format!("]{}]", "=".repeat(level));
        let mut text = String::new();
        while let Some(char) = self.next_char() {
            text.push(char);
            if text.ends_with(&end) {
                break;
            }
        }
        true
    }

    fn include(&mut self, directive: Directive) -> Result<Vec<Directive>, String> {
        let place = &directive.place;
        let ([pattern], None) = (directive.args.as_slice(), &directive.block) else {
            return Err(format!("{place}: \"include\" takes one file"));
        };
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(format!("{place}: files include each other in a circle"));
        };
        let cannot =
            |name: &dyn fmt::Display, error| format!("{place}: cannot include {name}: {error}");
        let mut directives = Vec::new();
        let mut is_missing = false;
        let full = self.source.prefix.join(pattern);
        match self.source.files.find(&full) {
            Ok(paths) => {
                let missing = self.source.files.missing_folder(&full);
                if let (true, Some(folder)) = (paths.is_empty(), missing) {
                    self.source.warnings.push(format!(
                        "{place}: nothing is included by {pattern}: there is no folder {}",
                        folder.display()
                    ));
                }
                for path in paths {
                    match self.source.files.read(&path) {
                        Ok(text) => {
                            self.source.seen.insert(plain(&path));
                            directives.extend(file(&path, &text, self.source, depth)?);
                        }
                        Err(error) => {
                            self.source.missing.push(cannot(&path.display(), error));
                            is_missing = true;
                        }
                    }
                }
            }
            Err(error) => {
                self.source.missing.push(cannot(pattern, error));
                is_missing = true;
            }
        }
        if is_missing {
            directives.push(directive);
        }
        Ok(directives)
    }
}

/// The blanks of nginx, of which it has fewer than others.
fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::{Directive, Files, read};

    fn parse(text: &str) -> Result<Vec<Directive>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text).unwrap();
        let name = format!("{}/", folder.path().display());
        match read(&path, text.as_bytes(), &Files::Disk) {
            Ok(text) if text.missing.is_empty() => Ok(text.directives),
            Ok(text) => Err(text.missing.join("\n").replace(&name, "")),
            Err(error) => Err(error.replace(&name, "")),
        }
    }

    #[track_caller]
    fn words(text: &str, expected: &[&str]) {
        let directives = parse(text).unwrap();
        let [directive] = directives.as_slice() else { unreachable!("{directives:?}") };
        let words: Vec<_> = [&directive.name].into_iter().chain(&directive.args).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn words_as_nginx_reads_them() {
        words("a b  c\t\n d;", &["a", "b", "c", "d"]);
        words("a \"b c\" 'd;{}' # e;\n f;", &["a", "b c", "d;{}", "f"]);
        words(r#"a "b\"c\\" \; b\d 'it\'s';"#, &["a", "b\"c\\", "\\;", "b\\d", "it's"]);
        words("a ${b}c $d;", &["a", "${b}c", "$d"]);
        words("a b#c;", &["a", "b#c"]);
        words("a x\"y z\";", &["a", "x\"y", "z\""]);
        words("a \"b\")c ''{}", &["a", "b", ")c", ""]);
        words("a b\u{b}c\u{c}d\u{a0}e\r\n;", &["a", "b\u{b}c\u{c}d\u{a0}e"]);
        words(r"a \${b;}", &["a", r"\$"]);
        words("a $${{b}}{}", &["a", "$${{b}}"]);
    }

    #[test]
    fn blocks_and_lines() {
        let directives = parse("a {\n  b 1;\n  c { d; }\n}\ne;\n").unwrap();
        let line = |directive: &Directive| (directive.name.clone(), directive.place.line);
        let outer: Vec<_> = directives.iter().map(line).collect();
        assert_eq!(outer, [("a".to_owned(), 1), ("e".to_owned(), 5)]);
        let inner: Vec<_> = directives.first().unwrap().block.iter().flatten().map(line).collect();
        assert_eq!(inner, [("b".to_owned(), 2), ("c".to_owned(), 3)]);
    }

    #[test]
    fn lua_is_left_alone() {
        let text = "content_by_lua_block {\n -- it's }\n ngx.say(\"}\") if x then { } end\n}\na;";
        let directives = parse(text).unwrap();
        assert_eq!(directives.len(), 2);
        let text = "content_by_lua_block {\n a = [==[ }]] ]==] --[[ }\n}]] t[1] = 1 -- [[ }\n}\na;";
        assert_eq!(parse(text).unwrap().len(), 2);
    }

    #[test]
    fn says_where_it_breaks() {
        for (text, says) in [
            ("a;\nb", "nginx.conf:2: \"b\" does not end with a semicolon"),
            ("a;\n'b'c;", "nginx.conf:2: unexpected \"c\" behind a quote"),
            ("a {\n b;\n", "nginx.conf:1: this block is never closed"),
            ("a;\n}\n", "nginx.conf:2: \"}\" closes a block that is not open"),
            ("a;\n'b;\n", "nginx.conf:2: the quote ' is never closed"),
            (";", "nginx.conf:1: a directive has no name"),
            ("a;\n{{ if .X }} b; {{ end }}", "nginx.conf:2: this is a template"),
            ("{% for x in y %}", "nginx.conf:1: this is a template"),
            ("include a;\ninclude b;", "a: No such file or directory (os error 2)\nnginx.conf:2: "),
            ("include x {\n}", "nginx.conf:1: \"include\" takes one file"),
            ("include a b;", "nginx.conf:1: \"include\" takes one file"),
            ("a;\ninclude other.conf;", "nginx.conf:2: cannot include other.conf: No such file"),
            ("include nginx.conf;", "nginx.conf:1: files include each other in a circle"),
            (&"a{".repeat(100_000), "too deep"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
