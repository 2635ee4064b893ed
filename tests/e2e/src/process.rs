//! Child processes that end with the test that started them.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, geteuid, getpid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, test_kill_process, waitpid,
};

use crate::wait::{PATIENCE, wait_until};

/// A process that is asked to end, and then made to, when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    process: Process,
    name: &'static str,
}

#[derive(Debug)]
enum Process {
    Child(Child),
    /// One whose parent has ended or is going to, and left it to us.
    Adopted {
        pid: Pid,
        ended: Option<ExitStatus>,
    },
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
        Self { process: Process::Child(child), name }
    }

    /// Has processes whose parents end become our own children, who are waited
    /// for by [`adopt`](Self::adopt).
    pub(crate) fn take_orphans() {
        set_child_subreaper(Some(getpid())).expect("Linux");
    }

    pub(crate) fn adopt(name: &'static str, pid: u32) -> Self {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        Self { process: Process::Adopted { pid, ended: None }, name }
    }

    fn raw_pid(&self) -> Pid {
        match &self.process {
            Process::Child(child) => Pid::from_child(child),
            Process::Adopted { pid, .. } => *pid,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.raw_pid().as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        // The id of one that has ended may be somebody else's.
        if self.ended().is_none() {
            let _ = kill_process(self.raw_pid(), signal);
        }
    }

    /// Some(status) once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        match &mut self.process {
            Process::Child(child) => child.try_wait().expect("a child can be waited for"),
            Process::Adopted { pid, ended } => {
                if ended.is_none() {
                    *ended = match waitpid(Some(*pid), WaitOptions::NOHANG) {
                        Ok(waited) => {
                            waited.map(|(_, status)| ExitStatus::from_raw(status.as_raw()))
                        }
                        // Not ours: its parent lives, and has perhaps waited
                        // for it already.
                        Err(_) => test_kill_process(*pid).err().map(|_| ExitStatus::default()),
                    };
                }
                *ended
            }
        }
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = self.name;
        wait_until(&format!("the end of {name}"), || self.ended())
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
                self.signal(Signal::KILL);
                self.wait();
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

/// Whether all threads of `pid` sleep until something happens.
pub(crate) fn is_at_rest(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.map(|task| std::fs::read_to_string(task.path().join("stat"))).all(|stat| {
        // One that has ended meanwhile does nothing either.
        let Ok(stat) = stat else { return true };
        stat.rsplit_once(") ").is_some_and(|(_, after)| after.starts_with('S'))
    })
}

/// Who the workers of a server run as that root has started; the group has
/// another name on Debian than elsewhere. None: as ourselves.
pub(crate) fn unprivileged() -> Option<(&'static str, &'static str)> {
    if !geteuid().is_root() {
        return None;
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let debian = groups.lines().any(|line| line.starts_with("nogroup:"));
    Some(("nobody", if debian { "nogroup" } else { "nobody" }))
}

/// Panics with what to run when a program or module is not there.
pub(crate) fn must_exist(path: &Path, how: &str) {
    assert!(path.exists(), "{} is missing: run `{how}` first", path.display());
}
