//! Every C block of the documents, and those at the head of `realpeer.h`, are
//! compiled, linked with a program of `tests/c/blocks` that calls what is in there,
//! and run: those for sockets with a header in pieces, a connection that is reset,
//! calls that are interrupted, and sockets that do not block.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "common/compile.rs"]
mod compile;

use std::fs;
use std::path::Path;
use std::process::Command;

use compile::{Folder, is_there, libraries, run};

/// What a block has in it, the program that calls it, and what that prints.
const PROGRAMS: [(&str, &str, &str); 8] = [
    ("serve(int fd, const realpeer_rule *balancer)", "server.c", ""),
    ("make_rules(realpeer_rule rules[2])", "rules.c", ""),
    ("wait_for_header(realpeer_receiver *r,", "poll.c", ""),
    ("read_header(struct connection *c, int time_is_over)", "read_header.c", ""),
    ("client_ipv4(int fd,", "own.c", ""),
    ("print_host_name(const uint8_t *buf,", "tlvs.c", "www.example.com\n"),
    ("print_source(const uint8_t *buf,", "source.c", SOURCES),
    ("if (realpeer_receive(&r, sizeof(r), &d, sizeof(d)) < 0) close(fd);", "receive.c", ""),
];
const SOURCES: &str = "192.0.2.1 port 56324\n192.0.2.1 port 56324\n";

/// Where it is, and its lines.
type Block = (String, String);

/// The fenced blocks of a document.
fn fenced(name: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for (line, number) in text.lines().zip(1..) {
        match (&mut block, line.trim_end()) {
            (None, "```c") => {
                blocks.push((format!("{name}:{number}"), String::new()));
                block = Some(String::new());
            }
            (Some(lines), "```") => {
                blocks.last_mut().expect("it has begun").1 = std::mem::take(lines);
                block = None;
            }
            (Some(lines), _) => *lines += &format!("{line}\n"),
            // One within a list, or with words after it, would be left out.
            (None, other) => {
                assert!(!other.trim_start().starts_with("```c "), "{name}:{number}");
                assert!(other.trim_start() != "```c", "{name}:{number}: indented");
            }
        }
    }
    assert!(block.is_none(), "{name} ends in a block");
    blocks
}

/// The indented blocks of the comment that a header begins with.
fn indented(name: &str, text: &str) -> Vec<Block> {
    let (_, head) = text.split_once("/**\n").expect("a comment");
    let (head, _) = head.split_once(" */").expect("its end");
    let mut blocks: Vec<Block> = Vec::new();
    let mut within = false;
    for line in head.lines() {
        match line.strip_prefix(" *     ") {
            Some(line) => {
                if !within {
                    blocks.push((format!("{name}, block {}", blocks.len() + 1), String::new()));
                }
                within = true;
                blocks.last_mut().expect("it has begun").1 += &format!("{line}\n");
            }
            None if line == " *" => {}
            None => within = false,
        }
    }
    blocks
}

fn blocks(root: &Path) -> Vec<Block> {
    let read = |path: &Path| fs::read_to_string(path).expect("a document");
    let mut documents = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).expect("docs") {
        let path = entry.expect("a document").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    documents.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut blocks = Vec::new();
    for document in documents {
        blocks.extend(fenced(&name(&document), &read(&document)));
    }
    let header = root.join("include/realpeer.h");
    blocks.extend(indented(&name(&header), &read(&header)));
    blocks
}

#[test]
fn each_block_of_the_documents_does_what_it_should() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Folder::new("c-blocks");
    let folder = &folder.0;
    libraries(folder);
    let programs = root.join("tests/c/blocks");
    let mut ran = [0; PROGRAMS.len()];
    for (number, (place, lines)) in blocks(root).into_iter().enumerate() {
        let mut fitting = PROGRAMS.iter().enumerate().filter(|(_, it)| lines.contains(it.0));
        let (Some((at, &(_, program, said))), None) = (fitting.next(), fitting.next()) else {
            panic!("{place}: which program of tests/c/blocks calls it?\n{lines}");
        };
        ran[at] += 1;
        let block = folder.join(format!("block-{number}.c"));
        fs::write(&block, lines).expect("a file");
        for compiler in ["gcc", "clang"].into_iter().filter(|compiler| is_there(compiler)) {
            let file = folder.join(format!("{number}-{compiler}"));
            run(Command::new(compiler)
                .args(["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror"])
                .arg(format!("-DBLOCK=\"{}\"", block.display()))
                .arg("-I")
                .arg(root.join("include"))
                .arg(programs.join(program))
                .arg(folder.join("librealpeer.a"))
                .arg("-o")
                .arg(&file));
            println!("{place}: {program}, {compiler}");
            // A program that hangs is to be seen.
            let seen = run(Command::new("timeout").arg("60").arg(&file));
            assert_eq!(seen, said, "{place}");
        }
    }
    for ((words, program, _), count) in PROGRAMS.iter().zip(ran) {
        assert!(count > 0, "{program}: no document has {words}");
    }
    assert_eq!(ran[3], 2, "docs/c.md and realpeer.h show how a server reads by itself");
}
