//! The configurations that the documents show, run as they stand there, but for the
//! ports and files that a test has to have for itself.

use std::fs;

use crate::which::root;

/// A block of a document, its addresses of 10.0.0.0/16 being those of 127.0.0.0/16,
/// which clients of a test can have.
#[derive(Debug, Clone)]
pub struct Recipe {
    text: String,
}

impl Recipe {
    /// The first block of `language` under `heading` of a page of docs/, as in
    /// `("policies.md", "## Kubernetes", "nginx")`.
    #[track_caller]
    pub fn new(page: &str, heading: &str, language: &str) -> Self {
        let text = fs::read_to_string(root().join("docs").join(page)).expect("a page");
        let (_, section) = text
            .split_once(&format!("\n{heading}\n"))
            .unwrap_or_else(|| panic!("no {heading:?} in {page}"));
        let end = ["\n## ", "\n### "].into_iter().filter_map(|next| section.find(next)).min();
        let section = &section[..end.unwrap_or(section.len())];
        let (_, block) = section
            .split_once(&format!("\n```{language}\n"))
            .unwrap_or_else(|| panic!("no block of {language} under {heading:?} of {page}"));
        let (block, _) = block.split_once("```\n").expect("an end of the block");
        Self { text: block.replace("10.0.", "127.0.") }
    }

    /// With something else in each place of `words`, which have to be there.
    #[track_caller]
    #[must_use]
    pub fn with(&self, words: &str, instead: impl AsRef<str>) -> Self {
        assert!(self.text.contains(words), "no {words:?} in\n{}", self.text);
        Self { text: self.text.replace(words, instead.as_ref()) }
    }

    /// What is in the block `name { }` of nginx, which is all there is.
    #[track_caller]
    pub fn inside(&self, name: &str) -> &str {
        let inside = self.text.strip_prefix(&format!("{name} {{\n"));
        let inside = inside.and_then(|rest| rest.strip_suffix("}\n"));
        inside.unwrap_or_else(|| panic!("not one block {name}:\n{}", self.text))
    }

    /// The rules, as Apache has them.
    pub fn apache_rules(&self) -> String {
        let lines = self.text.lines().map(str::trim);
        let rules = lines.filter_map(|line| line.strip_prefix("realpeer "));
        rules
            .map(|rule| {
                let (rule, _) = rule.split_once(';').expect("an end of the directive");
                format!("RealPeer {rule}\n")
            })
            .collect()
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}
