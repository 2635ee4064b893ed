//! A server under strace, which counts its system calls, or under valgrind, which
//! counts its instructions or finds fault with its memory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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

/// What is counted while a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    Calls,
    Instructions,
}

impl Counting {
    pub(crate) fn command(self, program: &Path, dir: &Path) -> Command {
        match self {
            Self::Calls => under_strace(program, dir),
            Self::Instructions => under_callgrind(program, dir),
        }
    }
}

/// Each process leaves a profile in a folder that it can write to, whoever it is.
fn under_callgrind(program: &Path, dir: &Path) -> Command {
    let profiles = dir.join("profiles");
    fs::create_dir_all(&profiles).expect("own folder");
    fs::set_permissions(&profiles, fs::Permissions::from_mode(0o1777)).expect("own folder");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}/%p", profiles.display()))
        .arg(program);
    command
}

/// The profile that the process `pid` has left at its end.
pub(crate) fn profile(dir: &Path, pid: u32) -> PathBuf {
    let file = dir.join("profiles").join(pid.to_string());
    wait_until("the profile of a process that has ended", || {
        read_lossy(&file).contains("\ntotals: ").then_some(())
    });
    file
}

/// The instructions in such a profile.
pub(crate) fn instructions(profile: &Path) -> u64 {
    let text = read_lossy(profile);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).expect("a profile has a total")
}

/// The tracer (-D) stands aside, so that nginx is our own child all the same.
fn under_strace(program: &Path, dir: &Path) -> Command {
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
        // NAME(ARGUMENTS) = RESULT, or the second half of one that was begun.
        if what.starts_with('<') {
            continue;
        }
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
