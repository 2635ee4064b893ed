//! The examples in C, built by the command that stands at their beginning, with
//! a library that was installed for one test.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::nginx::is_listening;
use crate::port::Port;
use crate::process::Guard;
use crate::wait::wait_until;

/// A folder with the installed library, and the programs that were built.
#[derive(Debug)]
pub struct Workshop {
    dir: TempDir,
}

impl Workshop {
    #[allow(clippy::new_without_default, reason = "installs something")]
    pub fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        let workshop = Self { dir };
        let mut make = Command::new("make");
        make.current_dir(root())
            .env_remove("MAKEFLAGS")
            .args(["--no-print-directory", "install"])
            .arg(format!("PREFIX={}", workshop.prefix().display()));
        run(&mut make);
        workshop
    }

    fn prefix(&self) -> PathBuf {
        self.dir.path().join("prefix")
    }

    /// Source and build command of an example.
    pub fn example(name: &str) -> (String, String) {
        let path = root().join(format!("examples/c/{name}.c"));
        let source = fs::read_to_string(&path).expect("an example");
        let command = source
            .lines()
            .filter_map(|line| line.strip_prefix(" *     "))
            .find(|line| line.starts_with("cc "))
            .expect("a command to build it")
            .to_owned();
        (source, command)
    }

    /// Builds an example as its first lines say.
    pub fn build(&self, name: &str) {
        let (source, command) = Self::example(name);
        self.compile(name, &source, &command);
        assert!(self.dir.path().join(name).exists(), "{command} gives no {name}");
    }

    /// Writes `NAME.c` and runs a line of the shell beside it.
    pub fn compile(&self, name: &str, source: &str, command: &str) {
        fs::write(self.dir.path().join(format!("{name}.c")), source).expect("own folder");
        run(self.command("sh").args(["-c", command]));
    }

    /// A program that finds the library.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let lib = self.prefix().join("lib");
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env("PKG_CONFIG_PATH", lib.join("pkgconfig"))
            .env("LD_LIBRARY_PATH", &lib)
            .stdin(Stdio::null());
        command
    }

    /// A program that was built here, to be run by the test itself.
    pub fn program(&self, name: &str) -> Command {
        self.command(self.dir.path().join(name))
    }

    /// The same under valgrind, which writes to a file.
    pub fn checked_program(&self, name: &str) -> Command {
        let mut command = self.command("valgrind");
        command
            .args(["--leak-check=full", "--show-leak-kinds=definite,possible,indirect"])
            .arg(format!("--log-file={}", self.valgrind_log(name).display()))
            .arg(self.dir.path().join(name));
        command
    }

    fn valgrind_log(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.valgrind"))
    }

    /// What valgrind has said of a program that has ended.
    #[track_caller]
    pub fn must_be_clean(&self, name: &str) {
        let log = read(&self.valgrind_log(name));
        let freed = log.contains("All heap blocks were freed");
        // A program that a signal has ended may have had something in use.
        let lost = ["definitely", "indirectly", "possibly"];
        let none_lost = lost.iter().all(|how| log.contains(&format!("{how} lost: 0 bytes")));
        assert!(log.contains("ERROR SUMMARY: 0 errors") && (freed || none_lost), "{log}");
    }

    /// Starts a TCP server under valgrind: on a free port, with further arguments.
    pub fn serve(&self, name: &'static str, arguments: &[&str]) -> Running<'_> {
        let port = Port::claim();
        let number = port.number();
        let program = self.checked_program(name);
        self.start(program, name, port, true, arguments, || is_listening(number))
    }

    /// The same without valgrind.
    pub fn serve_fast(&self, name: &'static str, arguments: &[&str]) -> Running<'_> {
        let port = Port::claim();
        let number = port.number();
        let program = self.program(name);
        self.start(program, name, port, false, arguments, || is_listening(number))
    }

    /// The same for UDP, under valgrind.
    pub fn serve_datagrams(&self, name: &'static str, arguments: &[&str]) -> Running<'_> {
        let port = Port::claim();
        let number = port.number();
        let program = self.checked_program(name);
        self.start(program, name, port, true, arguments, || is_bound_to_udp(number))
    }

    fn start(
        &self,
        mut program: Command,
        name: &'static str,
        port: Port,
        checked: bool,
        arguments: &[&str],
        is_there: impl Fn() -> bool,
    ) -> Running<'_> {
        let output = self.dir.path().join(format!("{name}.log"));
        let file = fs::File::create(&output).expect("own folder");
        program
            .args(["127.0.0.1", &port.to_string()])
            .args(arguments)
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let mut process = Guard::spawn(name, program);
        wait_until(&format!("{name} to listen"), || {
            if let Some(status) = process.ended() {
                panic!("{name} did not start: {status}\n{}", read(&output));
            }
            is_there().then_some(())
        });
        Running { workshop: self, process, name, port, output, checked }
    }
}

/// A server that was built in a workshop.
#[derive(Debug)]
pub struct Running<'a> {
    workshop: &'a Workshop,
    process: Guard,
    name: &'static str,
    port: Port,
    output: PathBuf,
    checked: bool,
}

impl Running<'_> {
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        read(&self.output)
    }

    /// Waits for a line that it says.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        wait_until(&format!("{} to say {line:?}", self.name), || {
            self.said().lines().any(|said| said == line).then_some(())
        });
    }

    /// Bytes of memory that are its own at the moment.
    pub fn memory(&self) -> usize {
        let status = read(Path::new(&format!("/proc/{}/status", self.process.pid())));
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.expect("a line of /proc").trim().parse::<usize>().expect("a number") * 1024
    }

    /// Has it end, looks at what valgrind says, and gives what it has said itself.
    pub fn stop(mut self) -> String {
        self.process.signal(Signal::TERM);
        self.process.wait();
        if self.checked {
            self.workshop.must_be_clean(self.name);
        }
        self.said()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What there is of a file so far.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
}

/// Whether somebody has this UDP port of 127.0.0.1.
pub(crate) fn is_bound_to_udp(port: u16) -> bool {
    let address = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    let local = format!("{address:08X}:{port:04X}");
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(local.as_str()))
}
