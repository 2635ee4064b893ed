//! HAProxy as the balancer in front.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::nginx::is_listening;
use crate::process::{Guard, must_exist};
use crate::wait::wait_until;

/// A running HAProxy, or one that is being set up.
#[derive(Debug)]
pub struct HaProxy {
    // Dropped in this order: the process before its folder and ports.
    process: Option<Guard>,
    folder: Folder,
    global: String,
    config: String,
    /// Those of sections.
    ports: Vec<u16>,
}

impl HaProxy {
    #[allow(clippy::new_without_default, reason = "each one is a new folder")]
    pub fn new() -> Self {
        Self {
            process: None,
            folder: Folder::new(),
            global: String::new(),
            config: String::new(),
            ports: Vec::new(),
        }
    }

    /// Adds a listener in TCP mode that passes everything on to `target`, and
    /// gives its port. `bind` and `server` are further words of these lines,
    /// `options` further lines of the section.
    pub fn listener(&mut self, bind: &str, options: &str, target: u16, server: &str) -> u16 {
        let number = self.folder.port();
        self.config.push_str(&format!(
            "listen port{number}\n    bind 127.0.0.1:{number} {bind}\n    {options}\n    \
             server behind 127.0.0.1:{target} {server}\n"
        ));
        number
    }

    /// Adds a section as it is, for what [`listener`](Self::listener) does not
    /// do. It has to listen before [`start`](Self::start) returns on these.
    pub fn section(&mut self, ports: &[u16], lines: &str) {
        self.ports.extend(ports);
        self.config.push_str(lines);
        self.config.push('\n');
    }

    /// Adds a line to the section `global`.
    pub fn global(&mut self, line: &str) {
        self.global.push_str(&format!("    {line}\n"));
    }

    /// The folder, for certificates.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, and returns when every listener listens.
    pub fn start(mut self) -> Self {
        let program = PathBuf::from("/usr/sbin/haproxy");
        must_exist(&program, "tools/setup");
        let config = self.folder.path().join("haproxy.cfg");
        let defaults = "defaults\n    mode tcp\n    timeout connect 20s\n    timeout client 60s\n    \
                        timeout server 60s\n";
        let text = format!("global\n{}{defaults}{}", self.global, self.config);
        fs::write(&config, text).expect("own folder");
        let output = self.folder.path().join("output.log");
        let file = fs::File::create(&output).expect("own folder");
        let mut command = Command::new(program);
        command
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(file));
        let mut process = Guard::spawn("haproxy", command);
        wait_until("haproxy to listen", || {
            if let Some(status) = process.ended() {
                let said = fs::read_to_string(&output).unwrap_or_default();
                panic!("haproxy did not start: {status}\n{said}");
            }
            let ports = self.folder.ports().chain(self.ports.iter().copied());
            ports.into_iter().all(is_listening).then_some(())
        });
        self.process = Some(process);
        self
    }
}
