//! The time of day of one server, which jumps when it is told to: by libfaketime,
//! which is loaded into it. The clock that only goes forward is left alone.

use std::fs;
use std::path::{Path, PathBuf};

/// The file that says how far it is off.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    pub fn new(folder: &Path) -> Self {
        let clock = Self { file: folder.join("clock") };
        clock.set("+0");
        clock
    }

    /// As libfaketime has it, e.g. `-1d`.
    pub fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).expect("own folder");
        fs::rename(&new, &self.file).expect("own folder");
    }

    /// What the server needs in its environment.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
    }
}

/// For programs with threads. It is in a folder that is named after the machine's
/// kind.
fn library() -> PathBuf {
    let folders = ["/usr/lib", "/usr/lib64"].into_iter().flat_map(|folder| {
        let within = fs::read_dir(folder).into_iter().flatten().flatten();
        within.map(|entry| entry.path()).chain([folder.into()])
    });
    let mut files = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists()).expect("libfaketime: run `tools/setup check` first")
}
