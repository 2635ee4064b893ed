//! The tests that there are, by their names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// `FILE::PATH` of every test, and whether it is as it should be: there, or
/// passed.
#[derive(Debug)]
pub struct Tests(BTreeMap<String, bool>);

impl Tests {
    /// Those of the workspace, which has been built with these options.
    pub fn listed() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        // One pipe for both, so that what belongs together stays together.
        let script = "exec \"$0\" test --locked --workspace --features realpeer/ffi --tests \
                      -- --list 2>&1";
        let output = Command::new("sh")
            .args(["-c", script, &cargo])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .env("MAKEFLAGS", "")
            .output()
            .expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "cargo test -- --list:\n{text}");
        Self::read(&text, |line| line.strip_suffix(": test").map(|name| (name, true)))
    }

    /// Those that such a run has reported in a log.
    pub fn passed(log: &Path) -> Self {
        let text = fs::read(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        Self::read(&String::from_utf8_lossy(&text), |line| {
            let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
            Some((name.trim_end(), result.trim() == "ok"))
        })
    }

    fn read<'a>(text: &'a str, one: impl Fn(&'a str) -> Option<(&'a str, bool)>) -> Self {
        let mut tests = BTreeMap::new();
        let mut file = "";
        for line in text.lines() {
            let line = line.trim_start();
            if let Some(program) = line.strip_prefix("Running ") {
                file = stem(program);
            } else if let Some((name, is_right)) = one(line) {
                tests.insert(format!("{file}::{name}"), is_right);
            }
        }
        Self(tests)
    }

    /// What is wrong with the test of this name, or those it is a family of:
    /// one for each version of nginx, one for each MPM.
    pub fn fault(&self, name: &str) -> Option<String> {
        let family = format!("{name}::");
        let is_it = |known: &str| known == name || known.starts_with(&family);
        let found: Vec<_> = self.0.iter().filter(|(known, _)| is_it(known)).collect();
        if found.is_empty() {
            return Some(format!("there is no test {name}"));
        }
        let failed = found.iter().find(|(_, is_right)| !**is_right)?;
        Some(format!("{} has not passed", failed.0))
    }
}

/// `decide` of `tests/decide.rs (target/debug/deps/decide-0123456789abcdef)`.
fn stem(program: &str) -> &str {
    let (_, file) = program.rsplit_once('/').unwrap_or(("", program));
    file.rsplit_once('-').map_or(file, |(stem, _)| stem)
}
