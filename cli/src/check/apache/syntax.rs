//! Apache's configuration as lines: continuations, quotes, variables, conditions,
//! includes. What is left out by a condition is not among them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::check::rules::Place;
use crate::input;

/// A directive, or the beginning (`<VirtualHost`) or end (`</VirtualHost`) of a
/// section.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) place: Place,
}

/// Files within files within files: more than that is a circle.
const DEEPEST: usize = 64;

/// In httpd itself, wherever it comes from.
const BUILT_IN: [&str; 4] = ["core_module", "so_module", "http_module", "realpeer_module"];

pub(super) fn read(path: &Path) -> Result<Vec<Line>, String> {
    let mut reader = Reader {
        lines: Vec::new(),
        root: path.parent().unwrap_or(Path::new("")).to_owned(),
        defines: BTreeMap::new(),
        modules: BUILT_IN.into_iter().map(str::to_owned).collect(),
        skipping: Vec::new(),
    };
    reader.file(path, DEEPEST)?;
    Ok(reader.lines)
}

struct Reader {
    lines: Vec<Line>,
    /// Where files with a relative name are.
    root: PathBuf,
    defines: BTreeMap<String, String>,
    modules: BTreeSet<String>,
    /// The conditions that are open, and whether they leave out what follows.
    skipping: Vec<bool>,
}

impl Reader {
    fn file(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        let bytes = input::read(Some(path)).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let file = Rc::new(path.to_owned());
        let mut lines = text.lines().enumerate();
        let conditions = self.skipping.len();
        while let Some((index, line)) = lines.next() {
            let place = Place { file: Rc::clone(&file), line: index + 1 };
            let mut line = line.trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().map_or("", |(_, more)| more.trim()));
            }
            if !line.is_empty() && !line.starts_with('#') {
                self.line(&line, place, depth)?;
            }
        }
        match self.skipping.len() == conditions {
            true => Ok(()),
            false => Err(format!("{}: a condition is opened and not closed", path.display())),
        }
    }

    fn line(&mut self, line: &str, place: Place, depth: usize) -> Result<(), String> {
        let line = self.replaced(line);
        let is_section = line.starts_with('<');
        let inner = match is_section {
            true => line
                .trim_end()
                .strip_suffix('>')
                .ok_or_else(|| format!("{place}: a section does not end with \">\": {line}"))?,
            false => &line,
        };
        let mut args = words(inner).map_err(|error| format!("{place}: {error}"))?;
        if args.is_empty() {
            return Ok(());
        }
        let name = args.remove(0);
        let first = args.first().map_or("", String::as_str);
        let skipped = self.skipping.contains(&true);
        match name.to_ascii_lowercase().as_str() {
            "<ifmodule" => self.skipping.push(!self.holds(first, Self::has_module)),
            "<ifdefine" => self.skipping.push(!self.holds(first, Self::has_define)),
            "<ifversion" | "<iffile" | "<ifdirective" | "<ifsection" => self.skipping.push(false),
            "</ifmodule" | "</ifdefine" | "</ifversion" | "</iffile" | "</ifdirective"
            | "</ifsection" => {
                if self.skipping.pop().is_none() {
                    return Err(format!("{place}: {name}> closes a condition that is not open"));
                }
            }
            _ if skipped => {}
            "define" => {
                let value = args.get(1).cloned().unwrap_or_default();
                self.defines.insert(first.to_owned(), value);
            }
            "undefine" => {
                self.defines.remove(first);
            }
            "loadmodule" => {
                self.modules.insert(first.to_owned());
            }
            "serverroot" => self.root = self.root.join(first),
            "include" => self.include(&args, &place, depth, false)?,
            "includeoptional" => self.include(&args, &place, depth, true)?,
            _ => self.lines.push(Line { name, args, place }),
        }
        Ok(())
    }

    /// `${NAME}`, as Define or the environment have it.
    fn replaced(&self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, behind)) = rest.split_once("${") {
            let Some((name, after)) = behind.split_once('}') else { break };
            out.push_str(before);
            match self.defines.get(name).cloned().or_else(|| std::env::var(name).ok()) {
                Some(value) => out.push_str(&value),
                None => out.push_str(&format!("${{{name}}}")),
            }
            rest = after;
        }
        out + rest
    }

    fn holds(&self, condition: &str, test: fn(&Self, &str) -> bool) -> bool {
        match condition.strip_prefix('!') {
            Some(name) => !test(self, name),
            None => test(self, condition),
        }
    }

    /// By its own name, or that of its source.
    fn has_module(&self, name: &str) -> bool {
        let named = name.strip_prefix("mod_").and_then(|name| name.strip_suffix(".c"));
        match named {
            Some(short) => self.modules.contains(&format!("{short}_module")),
            None => self.modules.contains(name),
        }
    }

    fn has_define(&self, name: &str) -> bool {
        self.defines.contains_key(name)
    }

    fn include(
        &mut self,
        args: &[String],
        place: &Place,
        depth: usize,
        optional: bool,
    ) -> Result<(), String> {
        let [pattern] = args else {
            return Err(format!("{place}: an include takes one file"));
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("{place}: files include each other in a circle"));
        };
        let mut paths = vec![self.root.join(pattern)];
        if pattern.contains(['*', '?', '[']) {
            let root = glob::Pattern::escape(&self.root.to_string_lossy());
            let pattern = Path::new(&root).join(pattern);
            paths = glob::glob(&pattern.to_string_lossy())
                .map_err(|error| format!("{place}: {}: {error}", pattern.display()))?
                .collect::<Result<_, _>>()
                .map_err(|error| format!("{place}: {error}"))?;
        }
        for path in paths {
            if optional && !path.exists() {
                continue;
            }
            self.file(&path, depth).map_err(|error| {
                match error.strip_prefix(&format!("{}: ", path.display())) {
                    Some(reason) => {
                        format!("{place}: cannot include {}: {reason}", path.display())
                    }
                    None => error,
                }
            })?;
        }
        Ok(())
    }
}

/// Words, of which those with blanks stand in quotes.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(first) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        let mut word = String::new();
        if first == '"' || first == '\'' {
            loop {
                match chars.next() {
                    None => return Err(format!("the quote {first} is never closed")),
                    Some(char) if char == first => break,
                    Some('\\') if chars.peek().is_some_and(|&c| c == first || c == '\\') => {
                        word.extend(chars.next());
                    }
                    Some(char) => word.push(char),
                }
            }
        } else {
            word.push(first);
            while let Some(char) = chars.next_if(|char| !char.is_whitespace()) {
                word.push(char);
            }
        }
        words.push(word);
    }
    Ok(words)
}
