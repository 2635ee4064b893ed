//! Child processes that end with the test that started them.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::wait::{PATIENCE, wait_until};

/// A child that is asked to end, and then made to, when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    name: &'static str,
}

impl Guard {
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Self {
        // SAFETY: the closure runs between fork and exec and makes one system
        // call; it allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| {
                // A test that is killed itself runs no destructor.
                set_parent_process_death_signal(Some(Signal::TERM)).map_err(io::Error::from)
            });
        }
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { child, name }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // One that is gone already has ended, which is what was wanted.
        let _ = kill_process(pid, signal);
    }

    /// Some(status) once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = self.name;
        wait_until(&format!("the end of {name}"), || {
            self.child.try_wait().expect("a child can be waited for")
        })
    }

    /// Asks it to end, and makes it when it does not.
    pub(crate) fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        let children = self.children();
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while self.ended().is_none() {
            if asked.elapsed() > PATIENCE / 3 {
                eprintln!("{} did not end when asked and is killed", self.name);
                // A master that is killed cannot end its workers any more.
                for pid in children.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
                    if let Some(pid) = Pid::from_raw(pid) {
                        let _ = kill_process(pid, Signal::KILL);
                    }
                }
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The processes this one started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let list =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Clock ticks of processor time that `pid` has used so far, its own and the
/// kernel's on its behalf.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    // The name stands in brackets and may hold spaces; user and system time
    // are the 12th and 13th fields after it.
    let (_, after) = stat.rsplit_once(") ").expect("a name in brackets");
    after
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number of ticks"))
        .sum()
}

/// Panics with what to run when a program or module is not there.
pub(crate) fn must_exist(path: &Path, how: &str) {
    assert!(path.exists(), "{} is missing: run `{how}` first", path.display());
}
