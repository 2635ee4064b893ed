//! nginx under strace, which counts its system calls, or under valgrind.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::logs::read_lossy;
use crate::wait::wait_until;

/// With this variable set, nginx runs under valgrind, and what that finds in
/// the module fails a test.
const VALGRIND: &str = "REALPEER_E2E_VALGRIND";

const TRACE: &str = "strace.log";

pub(crate) fn valgrind_wanted() -> bool {
    env::var_os(VALGRIND).is_some()
}

pub(crate) fn under_valgrind(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .arg("--quiet")
        .arg(format!("--log-file={}/valgrind.%p.log", dir.display()))
        .arg(program);
    command
}

/// Every complaint of valgrind that goes through the module.
pub(crate) fn valgrind_findings(dir: &Path) -> String {
    let entries = fs::read_dir(dir).expect("own folder").filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("valgrind."))
        .map(|entry| read_lossy(&entry.path()))
        // A line with nothing but the process id stands between two of them.
        .flat_map(|log| log.split("== \n").map(str::to_owned).collect::<Vec<_>>())
        .filter(|finding| finding.contains("realpeer"))
        .collect()
}

/// The tracer (-D) stands aside, so that nginx is our own child all the same.
pub(crate) fn under_strace(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-q", "-o"]).arg(dir.join(TRACE)).arg(program);
    command
}

/// What the process `pid` has asked of the kernel in its life, and how often.
pub(crate) fn system_calls(dir: &Path, pid: u32) -> BTreeMap<String, usize> {
    let pid = pid.to_string();
    let log = wait_until("the end of the trace", || {
        let log = read_lossy(&dir.join(TRACE));
        log.lines().filter_map(traced).any(|(who, what)| who == pid && is_end(what)).then_some(log)
    });
    let mut calls = BTreeMap::new();
    for (_, what) in log.lines().filter_map(traced).filter(|(who, _)| *who == pid) {
        // NAME(ARGUMENTS) = RESULT
        if let Some((name, _)) = what.split_once('(') {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

/// A line of the trace: the process, and what it did.
fn traced(line: &str) -> Option<(&str, &str)> {
    let (pid, what) = line.split_once(' ')?;
    Some((pid, what.trim_start()))
}

fn is_end(what: &str) -> bool {
    what.starts_with("+++ exited")
}
