//! What a running server has written to its logs so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::log::{HeldBack, Refusal};
use crate::wait::wait_until;

/// The logs in a server's folder: `error.log`, `access.log`, and others that a
/// test may have asked for.
#[derive(Debug)]
pub struct Logs {
    dir: PathBuf,
    refusals_seen: AtomicUsize,
}

impl Logs {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), refusals_seen: AtomicUsize::new(0) }
    }

    /// The folder of the server.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn error_log(&self) -> String {
        self.log("error.log")
    }

    pub fn access_log(&self) -> String {
        self.log("access.log")
    }

    /// A log of the test's own in the folder.
    pub fn log(&self, name: &str) -> String {
        read_lossy(&self.dir.join(name))
    }

    /// What it wrote to standard error while it started: its warnings.
    pub fn stderr(&self) -> String {
        self.log("stderr.log")
    }

    /// The first line of the error log with `part` in it.
    #[track_caller]
    pub fn wait_for_error(&self, part: &str) -> String {
        self.wait_for_line("error.log", part)
    }

    /// The first line of the access log with `part` in it.
    #[track_caller]
    pub fn wait_for_access(&self, part: &str) -> String {
        self.wait_for_line("access.log", part)
    }

    /// The first line of a log with `part` in it.
    #[track_caller]
    pub fn wait_for_line(&self, name: &str, part: &str) -> String {
        wait_until(&format!("{part:?} in {name}"), || whole_line(&self.log(name), part))
    }

    /// The lines of a log, once there are so many.
    #[track_caller]
    pub fn wait_for_lines(&self, name: &str, wanted: usize) -> Vec<String> {
        wait_until(&format!("{wanted} lines in {name}"), || {
            let log = self.log(name);
            // The last one is whole when its end is there.
            (log.matches('\n').count() >= wanted).then(|| log.lines().map(str::to_owned).collect())
        })
    }

    /// All refusals logged so far.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.error_log().lines().filter_map(Refusal::parse).collect()
    }

    /// What it has said of refusals that it did not log.
    pub fn held_back(&self) -> Vec<HeldBack> {
        self.error_log().lines().filter_map(HeldBack::parse).collect()
    }

    /// The refusals logged since this was asked last.
    pub fn new_refusals(&self) -> Vec<Refusal> {
        let all = self.refusals();
        let seen = self.refusals_seen.swap(all.len(), Ordering::Relaxed);
        all[seen..].to_vec()
    }

    /// The one refusal logged, once it is.
    #[track_caller]
    pub fn refusal(&self) -> Refusal {
        wait_until("a refusal in the error log", || (!self.refusals().is_empty()).then_some(()));
        let mut all = self.refusals();
        assert_eq!(all.len(), 1, "one line per refused connection: {all:#?}");
        all.remove(0)
    }

    /// Shows the ends of these logs with a test that has failed.
    pub(crate) fn show(&self, names: &[&str]) {
        for name in names {
            eprintln!("--- {name}\n{}", tail(&self.log(name)));
        }
        eprintln!("---");
    }
}

/// As much of a log as a failed test should show.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// The first line with `part` in it whose end has been written as well: a process
/// may write a line in pieces.
pub(crate) fn whole_line(text: &str, part: &str) -> Option<String> {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().find(|line| line.contains(part)).map(str::to_owned)
}

pub(crate) fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
