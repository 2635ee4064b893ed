//! Modules of others: C files of `tests/other_modules/`, compiled for a version
//! of nginx when a test needs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::which::{Which, root};

/// Where nginx's headers are, below its source.
const INCLUDES: [&str; 11] = [
    "src/core",
    "src/event",
    "src/event/modules",
    "src/event/quic",
    "src/os/unix",
    "src/http",
    "src/http/modules",
    "src/http/v2",
    "src/http/v3",
    "src/stream",
    "objs",
];

impl Which {
    /// Builds `tests/other_modules/NAME.c` into a folder, as a module to load.
    #[track_caller]
    pub fn other_module(self, name: &str, dir: &Path) -> PathBuf {
        let tree = self.source();
        let to = dir.join(format!("ngx_other_{name}_module.so"));
        let mut compiler = Command::new("cc");
        compiler
            .current_dir(&tree)
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"])
            .args(["-fPIC", "-shared"])
            .args(INCLUDES.iter().flat_map(|folder| ["-isystem", folder]))
            .arg("-o")
            .arg(&to)
            .arg(
                root()
                    .canonicalize()
                    .expect("a root")
                    .join("tests/other_modules")
                    .join(format!("{name}.c")),
            );
        let output = compiler.output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        to
    }

    /// The source, or the headers, that our own modules were built with.
    #[track_caller]
    fn source(self) -> PathBuf {
        let (prefix, how) = match self {
            Self::Debian => ("nginx-dev-", "make nginx"),
            Self::Built => ("nginx-1.28.3-module", "make nginx-src"),
        };
        let trees = root().join("build/src");
        let found = trees.read_dir().ok().and_then(|trees| {
            let mut trees = trees.filter_map(Result::ok).map(|entry| entry.path());
            trees.find(|tree| {
                let name = tree.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(prefix) && tree.join("objs/ngx_auto_config.h").exists()
            })
        });
        found.unwrap_or_else(|| panic!("no {prefix}* in {}: run {how}", trees.display()))
    }
}
