//! Processes that a signal has stopped.

use std::fs;

use realpeer_e2e::wait_until;
use rustix::process::{Pid, Signal, kill_process};

/// Processes that do nothing until this is dropped.
#[derive(Debug)]
pub struct Stopped(Vec<u32>);

impl Stopped {
    /// Returns when none of their threads runs any more. The signal alone stops
    /// nothing: each thread stops when it is about to go on, and until then it
    /// accepts what comes.
    pub fn new(pids: &[u32]) -> Self {
        let stopped = Self(pids.to_vec());
        stopped.signal(Signal::STOP);
        wait_until("the workers to stop", || pids.iter().all(|pid| is_stopped(*pid)).then_some(()));
        stopped
    }

    /// Ends them instead of letting them go on.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.0.clear();
    }

    fn signal(&self, signal: Signal) {
        let pid = |pid: &u32| i32::try_from(*pid).ok().and_then(Pid::from_raw);
        for pid in self.0.iter().filter_map(pid) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
    }
}

/// Whether all threads have stopped.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        // One that cannot be read has ended.
        let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else { return true };
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}
