//! What processes use: processor time, memory, descriptors; and which processor
//! they may use.

use std::fs;
use std::time::Duration;

use realpeer_e2e::wait_until;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Open files.
const MOST: u64 = 45_000;

/// The processes of a server that do its work.
#[derive(Debug, Clone)]
pub(crate) struct Worked {
    pids: Vec<u32>,
}

/// Processes that do nothing until this is dropped.
#[derive(Debug)]
pub(crate) struct Stopped<'a> {
    worked: &'a Worked,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.worked.signal(Signal::CONT);
    }
}

impl Worked {
    pub(crate) fn new(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    pub(crate) fn stop(&self) -> Stopped<'_> {
        self.signal(Signal::STOP);
        wait_until("a worker to stop", || self.states().all(|state| state == 'T').then_some(()));
        Stopped { worked: self }
    }

    pub(crate) fn wait_until_at_rest(&self) {
        wait_until("a worker at rest", || self.states().all(|state| state == 'S').then_some(()));
    }

    fn signal(&self, signal: Signal) {
        for pid in &self.pids {
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).expect("a process id");
            kill_process(pid, signal).expect("a worker that lives");
        }
    }

    /// Of all threads.
    fn states(&self) -> impl Iterator<Item = char> {
        self.each_thread("stat").map(|stat| {
            let (_, after) = stat.rsplit_once(") ").expect("a name in brackets");
            after.chars().next().expect("a state")
        })
    }

    /// Of the processor, used by all threads so far, in the kernel and out of it.
    pub(crate) fn time(&self) -> Duration {
        self.scheduled(0)
    }

    /// For how long they had to wait for the processor, with something to do.
    pub(crate) fn delay(&self) -> Duration {
        self.scheduled(1)
    }

    fn scheduled(&self, field: usize) -> Duration {
        let lines = self.each_thread("schedstat");
        let each = lines.map(|line| number(line.split_whitespace().nth(field)));
        Duration::from_nanos(each.sum())
    }

    fn each_thread(&self, file: &'static str) -> impl Iterator<Item = String> {
        self.pids
            .iter()
            .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).expect("a process"))
            .filter_map(move |task| fs::read_to_string(task.ok()?.path().join(file)).ok())
    }

    /// Memory that is no file's, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let of_one = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            number(line.and_then(|line| line.split_whitespace().next())) * 1024
        };
        self.pids.iter().map(of_one).sum()
    }

    /// How many files are open.
    pub(crate) fn descriptors(&self) -> usize {
        let of_one = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).expect("ours").count();
        self.pids.iter().map(of_one).sum()
    }
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a number")
}

/// Which processors the server has, and which we.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    all: CpuSet,
    first: usize,
    last: usize,
}

impl Cores {
    pub(crate) fn find() -> Self {
        let all = sched_getaffinity(None).expect("Linux");
        let mut usable = (0..CpuSet::MAX_CPU).filter(|n| all.is_set(*n));
        let first = usable.next().expect("this runs on one");
        Self { all, first, last: usable.next_back().unwrap_or(first) }
    }

    /// What is started meanwhile is pinned to the server's.
    pub(crate) fn of_server<T>(&self, start: impl FnOnce() -> T) -> T {
        pin(&only(self.first));
        let started = start();
        pin(&only(self.last));
        started
    }

    /// What is started meanwhile shares ours.
    pub(crate) fn of_clients<T>(&self, start: impl FnOnce() -> T) -> T {
        pin(&only(self.last));
        start()
    }

    /// What is started meanwhile may run anywhere.
    pub(crate) fn any<T>(&self, start: impl FnOnce() -> T) -> T {
        pin(&self.all);
        let started = start();
        pin(&only(self.last));
        started
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn pin(set: &CpuSet) {
    sched_setaffinity(None, set).expect("processors that are ours");
}

/// As many open files as we may have, which is what the server will have, too.
pub(crate) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    let most = Some(limit.maximum.unwrap_or(MOST).max(MOST));
    let more = Rlimit { current: most, maximum: most };
    // Only root may have more than it was given.
    if setrlimit(Resource::Nofile, more).is_err() {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("what is allowed");
    }
}

/// So many connections can be open at once.
pub(crate) fn most_connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(200)
}

/// Returns when the server has opened so many files.
pub(crate) fn wait_for_descriptors(worked: &Worked, count: usize) {
    wait_until("the server to accept all", || (worked.descriptors() >= count).then_some(()));
}
