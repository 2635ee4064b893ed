//! What manual pages are made of.

/// For roff: a backslash, a minus that can be copied, and lines that are no
/// requests.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The head of a page that is not made by clap. Names of functions and directives are
/// not to be hyphenated, and without that lines are not to be stretched.
pub(crate) fn head(name: &str, section: u8, version: &str, phrase: &str) -> String {
    format!(
        ".TH {} {section} \"\" \"realpeer {version}\" realpeer\n.nh\n.ad l\n.SH NAME\n{} \\- {}\n",
        escaped(name),
        escaped(name),
        escaped(phrase)
    )
}

pub(crate) fn section(title: &str) -> String {
    format!(".SH \"{}\"\n", escaped(&title.to_uppercase()))
}

pub(crate) fn subsection(title: &str) -> String {
    format!(".SS \"{}\"\n", escaped(title))
}

pub(crate) fn code(lines: &str) -> String {
    format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", escaped(lines))
}

/// Names of other pages, with their sections.
pub(crate) fn see_also(pages: &[(&str, u8)]) -> String {
    let pages: Vec<_> = pages
        .iter()
        .map(|(name, section)| format!("\\fB{}\\fR({section})", escaped(name)))
        .collect();
    format!("{}{}\n", section("See also"), pages.join(",\n"))
}
