//! dnsdist as the balancer in front of a DNS server.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::nginx::is_listening;
use crate::port::Port;
use crate::process::{Guard, must_exist};
use crate::wait::wait_until;
use crate::workshop::is_bound_to_udp;

/// A running dnsdist that puts the header in front of each datagram, or
/// connection.
#[derive(Debug)]
pub struct DnsDist {
    // Dropped in this order: the process before its folder and port.
    _process: Guard,
    _dir: TempDir,
    port: Port,
}

impl DnsDist {
    /// In front of a server on a UDP port of 127.0.0.1.
    pub fn in_front_of(target: u16) -> Self {
        // It is taken for well without being looked after.
        Self::configured(target, "", "getServer(0):setUp()\n")
    }

    /// With further options of the server, and lines behind it.
    pub(crate) fn configured(target: u16, options: &str, lines: &str) -> Self {
        let program = PathBuf::from("/usr/bin/dnsdist");
        must_exist(&program, "tools/setup check");
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        let port = Port::claim();
        let config = dir.path().join("dnsdist.conf");
        // The first line keeps it from asking the network for its own version.
        let text = format!(
            "setSecurityPollSuffix('')\n\
             setLocal('127.0.0.1:{port}')\n\
             newServer({{address='127.0.0.1:{target}', useProxyProtocol=true{options}}})\n\
             {lines}"
        );
        fs::write(&config, text).expect("own folder");
        let output = dir.path().join("output.log");
        let file = fs::File::create(&output).expect("own folder");
        let mut command = Command::new(program);
        command
            .args(["--supervised", "--disable-syslog", "-C"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let mut process = Guard::spawn("dnsdist", command);
        wait_until("dnsdist to listen", || {
            if let Some(status) = process.ended() {
                let said = fs::read_to_string(&output).unwrap_or_default();
                panic!("dnsdist did not start: {status}\n{said}");
            }
            // On both, one after the other.
            let port = port.number();
            (is_bound_to_udp(port) && is_listening(port)).then_some(())
        });
        Self { _process: process, _dir: dir, port }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }
}
