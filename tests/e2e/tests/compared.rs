//! The documents that are made by a program say what the servers do now.

use std::process::Command;

fn must_be_what_the_servers_do(document: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args([document, "--check"])
        .output()
        .expect("the program is built with this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn compared_with_nginx() {
    must_be_what_the_servers_do("nginx");
}

#[test]
fn compared_with_mod_remoteip() {
    must_be_what_the_servers_do("remoteip");
}

#[test]
fn nginx_and_apache_give_the_same_results() {
    must_be_what_the_servers_do("results");
}
