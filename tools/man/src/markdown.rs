//! The Markdown of the documents, and of the comments in the C header, as roff.
//! As much of it as they use: headings, paragraphs, lists, tables, code, links.

use crate::roff::{code, section, subsection};

/// How long a line of roff may get; it is filled again by whoever shows it.
const COLUMNS: usize = 79;

#[derive(Debug, PartialEq, Eq)]
enum Block {
    Heading(usize, String),
    Paragraph(String),
    Item(String),
    Code(String),
    Table(Vec<Vec<String>>),
}

/// A whole document, without its title. The list of links to its own sections,
/// which follows it, is left out: a manual page has no anchors.
pub(crate) fn page(text: &str) -> String {
    let blocks = blocks(text);
    let to_itself = |block: &Block| matches!(block, Block::Item(item) if item.starts_with('[') && item.contains("](#"));
    render(blocks.iter().filter(|block| !to_itself(block)))
}

/// A part of one, such as a comment.
pub(crate) fn part(text: &str) -> String {
    render(blocks(text).iter())
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    // Of what a line that is indented or has no mark goes on.
    let mut open = false;
    while let Some(line) = lines.next() {
        let mut own = true;
        if line.starts_with("```") {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block::Code(inside.join("\n")));
        } else if let Some(row) = line.strip_prefix('|') {
            let mut rows = vec![cells(row)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(&row[1..]));
            }
            rows.retain(|row| !row.iter().all(|cell| cell.starts_with("---")));
            blocks.push(Block::Table(rows));
        } else if line.starts_with('#') {
            let level = line.chars().take_while(|c| *c == '#').count();
            blocks.push(Block::Heading(level, line[level..].trim().to_owned()));
        } else if line.trim().is_empty() {
        } else if let Some(item) = item(line) {
            blocks.push(Block::Item(item.to_owned()));
            own = false;
        } else if let Some(first) = line.strip_prefix("    ").filter(|_| !open) {
            let mut inside = first.to_owned();
            while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
                inside = inside + "\n" + &line[4..];
            }
            blocks.push(Block::Code(inside));
        } else {
            match blocks.last_mut().filter(|_| open) {
                Some(Block::Paragraph(text) | Block::Item(text)) => {
                    *text = format!("{text} {}", line.trim());
                }
                _ => blocks.push(Block::Paragraph(line.to_owned())),
            }
            own = false;
        }
        open = !own;
    }
    blocks
}

fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("- ").or_else(|| {
        let (number, text) = line.split_once(". ")?;
        number.parse::<u8>().ok().map(|_| text)
    })
}

/// The cells of a row behind its first line. A line within a cell has a backslash.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim_end().trim_end_matches('|').replace("\\|", "\0");
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

fn render<'a>(blocks: impl Iterator<Item = &'a Block>) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Heading(1, _) => out += &section("Description"),
            Block::Heading(2, title) => out += &section(&plain(title)),
            Block::Heading(_, title) => out += &subsection(&plain(title)),
            // A picture.
            Block::Paragraph(text) if text.starts_with("![") => {}
            Block::Paragraph(text) => out += &format!(".PP\n{}\n", inline(text)),
            Block::Item(text) => out += &format!(".IP \\(bu 2\n{}\n", inline(text)),
            Block::Code(text) => out += &code(text),
            Block::Table(rows) => out += &table(rows),
        }
    }
    out
}

/// As a list: the first cell is what the others are about.
fn table(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    let Some((head, rows)) = rows.split_first() else { return out };
    for row in rows {
        let Some((first, others)) = row.split_first() else { continue };
        let tag = if first.is_empty() { "\\&".to_owned() } else { inline(first) };
        out += &format!(".TP\n{}\n", tag.replace('\n', " "));
        let mut said = Vec::new();
        for (title, cell) in head.iter().skip(1).zip(others).filter(|(_, cell)| !cell.is_empty()) {
            for line in cell.split("<br>") {
                // Of two columns the second one needs no title.
                let title = match title.is_empty() || head.len() == 2 {
                    true => String::new(),
                    false => format!("{title}: "),
                };
                said.push(inline(&(title + line)));
            }
        }
        if said.is_empty() {
            said.push("\\&".to_owned());
        }
        out += &format!("{}\n", said.join("\n.br\n"));
    }
    out
}

/// Text without marks, for titles.
fn plain(text: &str) -> String {
    pieces(text).into_iter().map(|(_, text)| text).collect()
}

/// Text with its fonts, in lines.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (font, text) in pieces(text) {
        let text = text.replace('\\', "\\e").replace('-', "\\-");
        out += &match font {
            'R' => text,
            font => format!("\\f{font}{text}\\fR"),
        };
    }
    let mut lines = vec![String::new()];
    for word in out.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            // A dot or an apostrophe in front would be a request.
            *line = if word.starts_with(['.', '\'']) { format!("\\&{word}") } else { word.into() };
        } else if line.len() + word.len() < COLUMNS {
            *line = format!("{line} {word}");
        } else {
            lines.push(String::new());
            let next = lines.last_mut().expect("there is one");
            *next = if word.starts_with(['.', '\'']) { format!("\\&{word}") } else { word.into() };
        }
    }
    lines.join("\n")
}

/// Runs of text, each with its font: R, B for code and what is strong, I.
fn pieces(text: &str) -> Vec<(char, String)> {
    let mut pieces = vec![('R', String::new())];
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let opens = !before.is_alphanumeric() && before != '_';
        let marked = [("`", 'B'), ("**", 'B'), ("*", 'I')].iter().find_map(|(mark, font)| {
            let inside = rest.strip_prefix(mark).filter(|_| *mark == "`" || opens)?;
            let end = inside.find(mark).filter(|end| *end > 0 && !inside.starts_with(' '))?;
            Some((*font, &inside[..end], 2 * mark.len() + end))
        });
        if let Some((font, inside, len)) = marked {
            pieces.push((font, inside.to_owned()));
            pieces.push(('R', String::new()));
            (before, rest) = ('x', &rest[len..]);
        } else if let Some((name, url, len)) = link(rest) {
            pieces.extend(self::pieces(name));
            if url.contains("://") && url != name {
                pieces.push(('R', format!(" ({url})")));
            }
            pieces.push(('R', String::new()));
            (before, rest) = ('x', &rest[len..]);
        } else {
            pieces.last_mut().expect("there is one").1.push(c);
            (before, rest) = (c, &rest[c.len_utf8()..]);
        }
    }
    pieces
}

/// The link that begins here: its text, its address, its length.
fn link(text: &str) -> Option<(&str, &str, usize)> {
    let (name, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (url, _) = rest.split_once(')').filter(|_| !name.contains('['))?;
    Some((name, url, 1 + name.len() + 2 + url.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_and_links() {
        assert_eq!(inline("a `b-c` **d** *e*"), "a \\fBb\\-c\\fR \\fBd\\fR \\fIe\\fR");
        assert_eq!(inline("REALPEER_POLICY_*; and 2 * 3"), "REALPEER_POLICY_*; and 2 * 3");
        assert_eq!(inline("[below](#time), see [`x`](x.md)"), "below, see \\fBx\\fR");
        assert_eq!(inline("[it](https://a.example)"), "it (https://a.example)");
        assert_eq!(inline(".so far"), "\\&.so far");
    }

    #[test]
    fn tables_are_lists() {
        let text = "| word | what |\n|---|---|\n| `a \\| b` | c<br>d |\n| e | |\n";
        let roff = ".TP\n\\fBa | b\\fR\nc\n.br\nd\n.TP\ne\n\\&\n";
        assert_eq!(part(text), roff);
        let text = "| | yes | no |\n|---|---|---|\n| a | b | c |\n";
        assert_eq!(part(text), ".TP\na\nyes: b\n.br\nno: c\n");
    }

    #[test]
    fn what_a_line_goes_on_with() {
        assert_eq!(part("![A picture](of.png)\n"), "");
        let text = "One\ntwo.\n\n- three\n  four\n- five\n\n    code\n\n    more\nsix";
        let expected = [
            Block::Paragraph("One two.".into()),
            Block::Item("three four".into()),
            Block::Item("five".into()),
            Block::Code("code".into()),
            Block::Code("more".into()),
            Block::Paragraph("six".into()),
        ];
        assert_eq!(blocks(text), expected);
    }

    #[test]
    fn the_list_of_sections_is_left_out() {
        let text = "# Title\n\nText.\n\n- [One](#one),\n  [two](#two)\n\n## One\n";
        assert_eq!(page(text), ".SH \"DESCRIPTION\"\n.PP\nText.\n.SH \"ONE\"\n");
    }
}
