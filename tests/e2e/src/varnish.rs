//! Varnish, as a server that reads the header, and as one that writes it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::logs::read_lossy;
use crate::nginx::is_listening;
use crate::port::Port;
use crate::process::{Guard, must_exist};
use crate::wait::wait_until;

/// A running Varnish that answers with what it has read from the header.
#[derive(Debug)]
pub struct Varnish {
    // Dropped in this order: the process before its folder and port.
    _process: Guard,
    _dir: TempDir,
    port: Port,
}

impl Varnish {
    /// Answers with these expressions of VCL, one `name=value` a line.
    pub fn page(expressions: &[(&str, &str)]) -> Self {
        let lines: Vec<String> = expressions
            .iter()
            .map(|(name, expression)| format!("\"{name}=\" + {expression} + {{\"\n\"}}"))
            .collect();
        let vcl = format!(
            "vcl 4.1;\nimport proxy;\nimport std;\nbackend none none;\n\
             sub vcl_recv {{ return (synth(200)); }}\n\
             sub vcl_synth {{ synthetic({}); return (deliver); }}\n",
            lines.join(" + ")
        );
        Self::start(&vcl, ",PROXY", "")
    }

    /// Serves as this VCL says, on its port of 127.0.0.1 and, where one is
    /// given, on another address.
    pub(crate) fn serving(vcl: &str, other: &str) -> Self {
        Self::start(vcl, "", other)
    }

    fn start(vcl: &str, protocol: &str, other: &str) -> Self {
        let program = PathBuf::from("/usr/sbin/varnishd");
        must_exist(&program, "tools/setup check");
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        let port = Port::claim();
        let file = dir.path().join("page.vcl");
        fs::write(&file, vcl).expect("own folder");
        let vcl = file;
        let output = dir.path().join("output.log");
        let file = fs::File::create(&output).expect("own folder");
        let mut command = Command::new(program);
        command
            // As root it would become somebody who may not enter the folder.
            .args(["-F", "-j", "none", "-a"])
            .arg(format!("127.0.0.1:{port}{protocol}"))
            .args((!other.is_empty()).then_some(["-a", other]).into_iter().flatten())
            .arg("-f")
            .arg(&vcl)
            .arg("-n")
            .arg(dir.path().join("work"))
            .args(["-s", "malloc,1m", "-p", "thread_pool_min=5", "-p", "thread_pools=1"])
            // Where it keeps the TLVs; it has less than a kilobyte if not told.
            .args(["-p", "workspace_session=4k"])
            .args(["-l", "2m", "-T", "none"])
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let mut process = Guard::spawn("varnish", command);
        wait_until("varnish to listen", || {
            if let Some(status) = process.ended() {
                panic!("varnish did not start: {status}\n{}", read_lossy(&output));
            }
            // The port is there before the child that serves on it.
            let ready = read_lossy(&output).contains("Child launched OK");
            (ready && is_listening(port.number())).then_some(())
        });
        Self { _process: process, _dir: dir, port }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }
}
