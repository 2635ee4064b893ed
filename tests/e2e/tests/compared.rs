//! docs/compared-with-nginx.md says what nginx and realpeer do now.

use std::process::Command;

#[test]
fn the_document_is_what_the_servers_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .arg("--check")
        .output()
        .expect("the program is built with this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
