//! Programs in C, built against the libraries.
// Every test uses a part of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const SONAME: &str = "librealpeer.so.0";

/// A folder that goes away with its user.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the programs");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Both libraries, in a folder where the program finds the shared one by its
/// SONAME.
pub fn libraries(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = match env::var_os("REALPEER_LIB_DIR") {
        Some(given) => root.join(given),
        None => build(root),
    };
    for (name, copy) in [
        ("librealpeer.so", SONAME),
        ("librealpeer.so", "librealpeer.so"),
        ("librealpeer.a", "librealpeer.a"),
    ] {
        let from = from.join(name);
        fs::copy(&from, folder.join(copy))
            .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

fn build(root: &Path) -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    run(Command::new(env!("CARGO"))
        .current_dir(root)
        .env_remove("MAKEFLAGS")
        .args(["rustc", "--quiet", "--locked", "--release", "--lib"])
        .args(["--no-default-features", "--features", "capi"])
        .args(["--crate-type", "staticlib,cdylib", "--target-dir"])
        .arg(target));
    target.join("release")
}

pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}
