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
// Not for all who have `common`: the folder is known to tests only.
#[path = "common/compile.rs"]
mod compile;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use compile::{Folder, is_there, libraries, run};
use realpeer::{AddressText, Outcome};
use realpeer_testdata::{Vector, vectors};

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
