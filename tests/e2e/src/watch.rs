//! A server under a tool that watches over its memory, from a build made for that.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::logs::read_lossy;
use crate::process::must_exist;
use crate::subsystem::Subsystem;
use crate::which::root;

/// The tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// None: the server at its own speed.
    Plain,
    /// valgrind's memcheck, and a build whose pools allocate each thing on its
    /// own, or, as Apache's are not of our building, a library that has them do so.
    Valgrind,
    /// Address, leak and undefined behaviour sanitizer, and such pools too.
    Sanitizers,
}

impl Watch {
    /// The folder of nginx's build, and what makes it.
    fn build(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("build/nginx-1.28.3", "make nginx-src"),
            Self::Valgrind => ("build/nginx-1.28.3-memcheck", "tools/build-nginx memcheck"),
            Self::Sanitizers => ("build/nginx-1.28.3-asan", "tools/build-nginx sanitized"),
        }
    }

    /// The folder with the program and its modules.
    pub fn folder(self) -> PathBuf {
        let (folder, how) = self.build();
        let folder = root().join(folder);
        must_exist(&folder.join("nginx"), how);
        folder
    }

    /// The modules in a folder: sanitizers have them in the program itself, as
    /// they could not name a function of one that has been unloaded.
    pub fn modules(self, folder: &Path) -> Vec<PathBuf> {
        if self == Self::Sanitizers {
            return Vec::new();
        }
        let file = |subsystem: Subsystem| format!("ngx_{}_realpeer_module.so", subsystem.name());
        Subsystem::ALL.map(|subsystem| folder.join(file(subsystem))).into()
    }

    /// The folder with mod_realpeer.
    pub fn apache_folder(self) -> PathBuf {
        let (folder, how) = match self {
            Self::Plain => ("build/apache", "make apache"),
            Self::Valgrind => ("build/apache-memcheck", "tools/build-apache memcheck"),
            Self::Sanitizers => ("build/apache-asan", "tools/build-apache sanitized"),
        };
        let folder = root().join(folder);
        must_exist(&folder.join("mod_realpeer.so"), how);
        folder
    }

    /// What has to be loaded into Apache before anything else, from that folder.
    pub(crate) fn preload(self, folder: &Path) -> Option<String> {
        let names: &[&str] = match self {
            Self::Plain => return None,
            Self::Valgrind => &["pools.so"],
            // The program itself does not ask for it, and it has to be the first.
            Self::Sanitizers => &["libasan.so", "pools.so"],
        };
        let paths = names.iter().map(|name| folder.join(name).display().to_string());
        Some(paths.collect::<Vec<_>>().join(":"))
    }

    /// The reports in the folder of a server that tell of an error of memory.
    pub fn complaints(dir: &Path) -> Vec<String> {
        let is_one = |report: &String| {
            // Of valgrind: the last line has their number.
            let errors = report.split("ERROR SUMMARY: ").nth(1);
            errors.is_some_and(|number| !number.starts_with("0 "))
                || report.contains("ERROR: AddressSanitizer")
                || report.contains("runtime error")
        };
        let files = fs::read_dir(dir.join("reports")).into_iter().flatten().flatten();
        files.map(|file| read_lossy(&file.path())).filter(is_one).collect()
    }

    /// Runs `program`; what there is to report comes into `dir/reports`, in a
    /// file for each process.
    pub(crate) fn command(self, program: &Path, dir: &Path) -> Command {
        let reports = dir.join("reports");
        fs::create_dir_all(&reports).expect("own folder");
        // A sanitizer opens its file only when it has something to report, and
        // the worker of a root nginx is another user.
        fs::set_permissions(&reports, fs::Permissions::from_mode(0o1777)).expect("own folder");
        let reports = reports.display();
        match self {
            Self::Plain => Command::new(program),
            Self::Valgrind => {
                let mut command = Command::new("valgrind");
                command
                    .args(["--leak-check=full", "--show-leak-kinds=definite,indirect,possible"])
                    // Leaks are counted apart from errors.
                    .arg("--errors-for-leak-kinds=none")
                    // The modules are unloaded before leaks are looked for.
                    .args(["--keep-debuginfo=yes", "--num-callers=25"])
                    .arg(format!("--log-file={reports}/valgrind.%p"))
                    .arg(program);
                command
            }
            Self::Sanitizers => {
                let mut command = Command::new(program);
                command
                    .env(
                        "ASAN_OPTIONS",
                        format!(
                            "log_path={reports}/asan:detect_leaks=1:abort_on_error=0:\
                             detect_stack_use_after_return=1:strict_string_checks=1:\
                             quarantine_size_mb=16"
                        ),
                    )
                    .env("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1");
                command
            }
        }
    }
}
