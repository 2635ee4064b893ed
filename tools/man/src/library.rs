//! librealpeer(3), from `include/realpeer.h`: what the header says of itself, and of
//! all that it has.

use crate::markdown::part;
use crate::roff::{code, escaped, head, section, see_also, subsection};

/// A comment, and what it is about.
struct Entry<'a> {
    comment: String,
    declaration: Vec<&'a str>,
}

pub(crate) fn page(header: &str, version: &str) -> String {
    let entries = entries(header);
    let mut page = head("librealpeer", 3, version, "the real peer of a connection");
    page += &section("Synopsis");
    page += &code("#include <realpeer.h>\n\ncc server.c $(pkg-config --cflags --libs realpeer)");
    page += &section("Description");
    if let Some(first) = entries.first() {
        let text = first.comment.lines().skip_while(|line| line.starts_with("@file"));
        page += &part(&text.collect::<Vec<_>>().join("\n"));
    }
    page += &section("Functions");
    for entry in &entries {
        if let Some(name) = entry.function() {
            page += &subsection(name);
            page += &code(&entry.declaration.join("\n"));
            page += &tagged(&entry.comment);
        }
    }
    page += &section("Structs");
    for entry in &entries {
        if let Some(name) = entry.named("typedef struct ") {
            page += &subsection(name);
            page += &part(&entry.comment);
            page += &members(&entry.declaration);
        }
    }
    page += &section("Enumerations");
    for entry in &entries {
        if let Some(name) = entry.named("enum ") {
            page += &subsection(name);
            page += &part(&entry.comment);
            page += &members(&entry.declaration);
        }
    }
    page += &section("Constants");
    for entry in &entries {
        if let Some(define) =
            entry.declaration.first().and_then(|line| line.strip_prefix("#define "))
        {
            page += &format!(".TP\n\\fB{}\\fR\n{}", escaped(define), text(&entry.comment));
        }
    }
    page + &see_also(&[("realpeer", 1), ("realpeer-nginx", 5), ("realpeer-apache", 5)])
}

impl<'a> Entry<'a> {
    fn function(&self) -> Option<&'a str> {
        let (before, _) = self.declaration.first()?.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("realpeer_").then_some(name)
    }

    fn named(&self, kind: &str) -> Option<&'a str> {
        self.declaration.first()?.strip_prefix(kind)?.split(' ').next()
    }
}

/// Every comment at the left edge with what stands behind it.
fn entries(header: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        if line != "/**" {
            continue;
        }
        let comment = comment(&mut lines);
        let mut declaration = Vec::new();
        let mut depth = 0_usize;
        while let Some(line) = lines.next_if(|line| !line.is_empty() || depth > 0) {
            declaration.push(line);
            depth += line.matches('{').count();
            depth = depth.saturating_sub(line.matches('}').count());
            if depth == 0 && (line.ends_with(';') || line.starts_with("#define")) {
                break;
            }
        }
        entries.push(Entry { comment, declaration });
    }
    entries
}

/// The lines of a comment, behind its first one.
fn comment<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let inside = lines.map(str::trim_start).take_while(|line| *line != "*/");
    let inside =
        inside.map(|line| line.strip_prefix("* ").or(line.strip_prefix('*')).unwrap_or(line));
    inside.collect::<Vec<_>>().join("\n")
}

/// A paragraph without the request that begins it.
fn text(comment: &str) -> String {
    let text = part(comment);
    text.strip_prefix(".PP\n").map(str::to_owned).unwrap_or(text)
}

/// A comment with `@param` and `@return`.
fn tagged(comment: &str) -> String {
    let mut page = String::new();
    for (place, text) in comment.split("\n@").enumerate() {
        if place == 0 && !text.starts_with('@') {
            page += &part(text);
            continue;
        }
        let text = text.trim_start_matches('@');
        let (tag, text) = match text.split_once(' ') {
            Some(("param", rest)) => rest.split_once(' ').unwrap_or((rest, "")),
            Some(("return", rest)) => ("Returns", rest),
            _ => ("", text),
        };
        page += &format!(".TP\n\\fI{}\\fR\n{}", escaped(tag), self::text(&lines_joined(text)));
    }
    page
}

/// Fields and enumerators with their comments.
fn members(declaration: &[&str]) -> String {
    let mut page = String::new();
    let mut about = String::new();
    let mut lines = declaration.iter().copied().skip(1);
    while let Some(line) = lines.next() {
        let name = line.trim();
        if name == "/**" {
            about = lines_joined(&comment(&mut lines));
        } else if line.starts_with("    ") && name.ends_with([';', ',']) {
            let reserved = about == "Zero." || about.is_empty();
            if !reserved {
                let name = escaped(name.trim_end_matches([';', ',']));
                page += &format!(".TP\n\\fB{name}\\fR\n{}", text(&about));
            }
            about.clear();
        }
    }
    page
}

/// As one paragraph: lines that go on are indented in the header.
fn lines_joined(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
