//! A server that is neither nginx nor HAProxy: an example.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::logs::{read_lossy, whole_line};
use crate::nginx::is_listening;
use crate::port::Port;
use crate::process::Guard;
use crate::wait::wait_until;

/// A program that serves on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Program {
    // Dropped in this order: the process before its folder and port.
    process: Option<Guard>,
    name: &'static str,
    dir: TempDir,
    port: Port,
}

impl Program {
    /// A port and a folder for it; it is not started yet.
    pub fn new(name: &'static str) -> Self {
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        Self { process: None, name, dir, port: Port::claim() }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Writes a file into the folder and gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("own folder");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// Starts it with `127.0.0.1:PORT` and these arguments, and returns when it
    /// listens.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(
        mut self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let output = File::create(self.output()).expect("own folder");
        let mut command = Command::new(program);
        command
            .arg(format!("127.0.0.1:{}", self.port))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output);
        let mut process = Guard::spawn(self.name, command);
        wait_until(&format!("{} to listen", self.name), || {
            if let Some(status) = process.ended() {
                panic!("{} did not start: {status}\n{}", self.name, self.said());
            }
            is_listening(self.port()).then_some(())
        });
        self.process = Some(process);
        self
    }

    fn output(&self) -> impl AsRef<Path> + use<> {
        self.dir.path().join("output.log")
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        read_lossy(self.output().as_ref())
    }

    /// Waits until it has said a line with this in it, and gives the line.
    #[track_caller]
    pub fn says(&self, words: &str) -> String {
        wait_until(&format!("{} to say {words:?}", self.name), || whole_line(&self.said(), words))
    }
}
