//! Builds `tests/c` as C99 and as C++11, with all warnings of every compiler
//! there is, against the shared and the static library, and runs it on the
//! vectors.
//!
//! `REALPEER_LIB_DIR` names a folder with `librealpeer.so` and `librealpeer.a` to
//! be tested; without it they are built as the Makefile does it.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use realpeer::{AddressText, Outcome};
use realpeer_testdata::{Vector, vectors};

const SONAME: &str = "librealpeer.so.0";

/// A folder that goes away with its user.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
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

fn run(command: &mut Command) -> String {
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
fn libraries(folder: &Path) {
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

/// The vectors as `vectors.c` reads them.
fn lines() -> String {
    let mut lines = String::new();
    for vector in vectors() {
        let number = |word| Outcome::ALL.iter().find(|outcome| outcome.name() == word);
        let outcome = *number(common::word(&vector.expect)).expect("a result");
        // Of bytes that are refused or not enough nothing is read out.
        let address = |address: Option<std::net::SocketAddr>| match address {
            Some(address) => format!("{} {}", AddressText::new(address.ip()), address.port()),
            None => "-".to_owned(),
        };
        let at = if vector.expect == "more" { vector.bytes.len() + 1 } else { vector.at };
        let Vector { max_header, versions, tlvs, source, destination, bytes, .. } = vector;
        let _ = write!(
            lines,
            "{} {at} {max_header} {} {}/{}/{}/",
            outcome as i32,
            versions.iter().sum::<u8>(),
            tlvs.len(),
            address(source),
            address(destination),
        );
        for byte in bytes {
            let _ = write!(lines, "{byte:02x}");
        }
        lines.push('\n');
    }
    lines
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

fn run_on_vectors(program: &Path, folder: &Path, lines: &str) -> String {
    let mut child = Command::new(program)
        .env("LD_LIBRARY_PATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program that was built");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = lines.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that crashes closes its end; its status tells.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("the program's end");
    writer.join().expect("the writer");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {}\n{said}", program.display(), output.status);
    said
}

#[test]
fn as_c_and_as_cpp_with_both_libraries() {
    let folder = Folder::new("c-api");
    let folder = &folder.0;
    libraries(folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["api.c", "write.c", "socket.c", "vectors.c"];
    let sources = sources.map(|source| root.join("tests/c").join(source));
    let lines = lines();
    let vectors = lines.lines().count();

    let compilers = [
        ("gcc", "c", "-std=c99"),
        ("clang", "c", "-std=c99"),
        ("gcc", "c", "-std=c11"),
        ("g++", "c++", "-std=c++11"),
        ("clang++", "c++", "-std=c++11"),
    ];
    let mut ran = 0;
    for (compiler, language, standard) in compilers {
        if !is_there(compiler) {
            println!("{compiler} is not here");
            continue;
        }
        for library in ["librealpeer.so", "librealpeer.a"] {
            let program = folder.join(format!("{compiler}{standard}-{library}"));
            run(Command::new(compiler)
                .args([standard, "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
                .args(["-Wshadow", "-Wundef", "-x", language])
                .args(&sources)
                .args(["-x", "none", "-I"])
                .arg(root.join("include"))
                // No library but the C library: the static one needs no other.
                .arg(folder.join(library))
                .arg("-o")
                .arg(&program));
            let said = run_on_vectors(&program, folder, &lines);
            assert!(said.starts_with(&format!("{vectors} vectors, ")), "{said}");
            println!("{compiler} {standard}, {library}: {}", said.trim());
            ran += 1;
        }
    }
    assert!(ran >= 2, "no C compiler was found");
}
