//! Instructions by function, as callgrind has counted them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The instructions of a process, or of a connection: the difference of two
/// processes that have served few and many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) total: f64,
    /// Those of each function itself.
    pub(crate) functions: BTreeMap<String, f64>,
}

impl Profile {
    /// Reads the file of callgrind: lines of costs below the name of the function
    /// that they belong to. Names are written once, with a number, and the number
    /// stands for them later. The line behind `calls=` is what the callee cost.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a profile");
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let mut profile = Self::default();
        let mut function = "";
        let mut of_callee = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = resolve(&mut names, name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                resolve(&mut names, name);
            } else if line.starts_with("calls=") {
                of_callee = true;
            } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                if !of_callee {
                    let cost = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok());
                    let cost = cost.expect("a line number and a cost");
                    *profile.functions.entry(function.to_owned()).or_default() += cost;
                    profile.total += cost;
                }
                of_callee = false;
            }
        }
        profile
    }

    /// What one of them cost where `many` are that many more than in `few`.
    pub(crate) fn each(few: &Self, many: &Self, more: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "not that many")]
        let more = more as f64;
        let mut functions = BTreeMap::new();
        for (name, cost) in &many.functions {
            let before = few.functions.get(name).unwrap_or(&0.0);
            functions.insert(name.clone(), (cost - before) / more);
        }
        Self { total: (many.total - few.total) / more, functions }
    }
}

/// `(7) name`, or `(7)` where it is known.
fn resolve<'a>(names: &mut BTreeMap<&'a str, &'a str>, name: &'a str) -> &'a str {
    match name.split_once(") ") {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(name.trim_end_matches(')')).copied().unwrap_or(name),
    }
}
