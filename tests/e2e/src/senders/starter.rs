//! Starts a sender that needs no more than a folder, ports and a configuration.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::certificates::Authority;
use crate::folder::Folder;
use crate::logs::read_lossy;
use crate::nginx::is_listening;
use crate::process::{Guard, must_exist};
use crate::wait::wait_until;

/// A sender to be.
#[derive(Debug)]
pub(super) struct Starter {
    name: &'static str,
    folder: Folder,
}

/// It runs as long as this lives.
#[derive(Debug)]
pub(super) struct Running {
    // Dropped in this order: the process before its folder and ports.
    _process: Guard,
    _folder: Folder,
}

impl Starter {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, folder: Folder::new() }
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn port(&mut self) -> u16 {
        self.folder.port()
    }

    /// Writes a file and gives its path.
    pub(super) fn file(&self, name: &str, content: &str) -> String {
        self.folder.file(name, content)
    }

    /// A certificate for `localhost` with its key, in one file.
    pub(super) fn pem(&self, authority: &Authority) -> String {
        let own = authority.issue("localhost");
        self.file("server.pem", &format!("{}{}", own.key_pem, own.pem))
    }

    /// Starts it, and returns when it listens on all its ports.
    #[track_caller]
    pub(super) fn start(self, program: &Path, arguments: &[&str]) -> Running {
        must_exist(program, "tools/setup senders && tools/senders");
        let output = self.folder.path().join("output.log");
        let file = File::create(&output).expect("own folder");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let mut process = Guard::spawn(self.name, command);
        wait_until(&format!("{} to listen", self.name), || {
            if let Some(status) = process.ended() {
                panic!("{} did not start: {status}\n{}", self.name, read_lossy(&output));
            }
            self.folder.ports().all(is_listening).then_some(())
        });
        Running { _process: process, _folder: self.folder }
    }
}
