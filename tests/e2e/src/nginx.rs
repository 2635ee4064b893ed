//! A running nginx, its logs and its workers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::instruments;
use crate::logs::{Logs, read_lossy};
use crate::process::{Guard, cpu_ticks};
use crate::site::Site;
use crate::wait::wait_until;

/// A running nginx. Dropping it stops it, and fails the test if nginx had
/// something alarming to say.
#[derive(Debug)]
pub struct Nginx {
    process: Guard,
    /// The master of another binary, while it runs beside the old one.
    newer: Option<Guard>,
    site: Site,
    logs: Logs,
    alerts_expected: bool,
}

impl Deref for Nginx {
    type Target = Logs;

    fn deref(&self) -> &Logs {
        &self.logs
    }
}

impl Nginx {
    #[track_caller]
    pub(crate) fn new(command: Command, site: Site) -> Self {
        let process = if site.is_daemon() {
            start_daemon(command, site.dir())
        } else {
            Guard::spawn("nginx", command)
        };
        let logs = Logs::new(site.dir());
        let mut nginx = Self { process, newer: None, site, logs, alerts_expected: false };
        nginx.wait_until_ready();
        nginx
    }

    /// What `worker` has asked of the kernel in its life, and how often, if
    /// the site was [traced](Site::traced) and the worker has ended.
    pub fn system_calls(&self, worker: u32) -> BTreeMap<String, usize> {
        instruments::system_calls(self.dir(), worker)
    }

    /// The instructions of `worker` in its life, those of the kernel apart, if the
    /// site was [counted](Site::counted) and the worker has ended.
    pub fn instructions(&self, worker: u32) -> u64 {
        instruments::instructions(&self.profile(worker))
    }

    /// Where callgrind has written them down.
    pub fn profile(&self, worker: u32) -> PathBuf {
        instruments::profile(self.dir(), worker)
    }

    /// The master, or all there is where there is none.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The workers that run now, old ones of a reload included.
    pub fn workers(&self) -> Vec<u32> {
        self.process.children()
    }

    /// Clock ticks of processor time that the only worker has used.
    pub fn worker_ticks(&self) -> u64 {
        match self.workers()[..] {
            [worker] => cpu_ticks(worker),
            ref others => panic!("one worker wanted: {others:?}"),
        }
    }

    /// Takes the configuration anew after `change`, and returns when new
    /// workers have taken over.
    pub fn reload(&mut self, change: impl FnOnce(&mut Site)) {
        let before = self.workers();
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(Signal::HUP);
        wait_until("new workers after a reload", || {
            let new = self.workers().iter().filter(|pid| !before.contains(pid)).count();
            (new >= self.site.worker_count()).then_some(())
        });
    }

    /// Takes the configuration anew after `change` where no new workers will
    /// tell that it has.
    pub fn reload_single_process(&mut self, change: impl FnOnce(&mut Site)) {
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(Signal::HUP);
        self.wait_for_error("reconfiguring");
    }

    /// Asks for a reload that nginx must refuse, the `nth` in its life, and
    /// returns when it has.
    pub fn reload_refused(&mut self, nth: usize, change: impl FnOnce(&mut Site)) {
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(Signal::HUP);
        wait_until("a refused reload", || {
            (self.error_log().matches("[emerg]").count() >= nth).then_some(())
        });
    }

    /// Asks it to end as `nginx -s quit` does, and does not wait.
    pub fn begin_quit(&mut self) {
        self.process.signal(Signal::QUIT);
        self.wait_for_error("gracefully shutting down");
    }

    /// Has it start another master, of the same program, that listens on the
    /// same sockets, and returns when that has workers.
    pub fn start_new_binary(&mut self) {
        let old = self.process.pid();
        self.process.signal(Signal::USR2);
        let new = wait_until("a new master", || pid_in(self.dir()).filter(|pid| *pid != old));
        let newer = Guard::adopt("new nginx", new);
        wait_until("workers of the new master", || (!newer.children().is_empty()).then_some(()));
        self.newer = Some(newer);
    }

    /// The workers of the master that was started last.
    pub fn new_workers(&self) -> Vec<u32> {
        self.newer.as_ref().map(Guard::children).unwrap_or_default()
    }

    /// Ends the new master, so that the old one is the only one again.
    pub fn stop_new_binary(&mut self) {
        let old = self.process.pid();
        if let Some(mut newer) = self.newer.take() {
            newer.signal(Signal::TERM);
        }
        // The old master takes its file back when its child has ended.
        wait_until("the old master to be alone", || pid_in(self.dir()).filter(|pid| *pid == old));
    }

    /// Waits for the end of the old master, which was asked to quit.
    pub fn wait_for_old_binary(&mut self) {
        self.process.wait();
        self.process = self.newer.take().expect("a new binary");
    }

    /// Ends it as `nginx -s quit` does: connections finish first, and a worker
    /// complains about each it forgot. Its logs are complete then.
    pub fn quit(&mut self) -> ExitStatus {
        self.process.signal(Signal::QUIT);
        self.process.wait()
    }

    /// A test that makes nginx say `[alert]` or worse on purpose.
    pub fn expect_alerts(&mut self) {
        self.alerts_expected = true;
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        wait_until("nginx to start", || {
            if let Some(status) = self.process.ended() {
                panic!("nginx did not start: {status}\n{}", self.stderr());
            }
            // The file is written when all listeners listen.
            let listens = self.dir().join("nginx.pid").exists();
            let works = self.workers().len() >= self.site.worker_count();
            (listens && works).then_some(())
        });
        let unused: Vec<_> = self.site.ports().filter(|port| !is_listening(*port)).collect();
        assert!(unused.is_empty(), "claimed but not listened on: {unused:?}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.stop();
        self.newer = None;
        if std::thread::panicking() {
            self.show(&["error.log", "access.log", "stream.log"]);
            return;
        }
        let log = self.error_log();
        let found: Vec<_> = log.lines().filter(|line| is_alarming(line)).collect();
        assert!(self.alerts_expected || found.is_empty(), "nginx is alarmed: {found:#?}");
        let findings = instruments::valgrind_findings(self.dir());
        assert!(findings.is_empty(), "{findings}");
    }
}

/// nginx parts from who started it, and leaves its process id in a file.
#[track_caller]
fn start_daemon(mut command: Command, dir: &Path) -> Guard {
    Guard::take_orphans();
    let status = command.status().expect("nginx can be started");
    assert!(status.success(), "nginx did not start: {status}");
    let pid = wait_until("the process id of nginx", || pid_in(dir));
    Guard::adopt("nginx", pid)
}

/// The master's process id as nginx writes it down.
fn pid_in(dir: &Path) -> Option<u32> {
    read_lossy(&dir.join("nginx.pid")).trim().parse().ok()
}

/// Whether a TCP socket of this machine listens on `port`, found without
/// connecting to it, which a server under test would notice.
pub(crate) fn is_listening(port: u16) -> bool {
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].iter().any(|table| {
        // Listeners come first: what is behind them need not be read.
        let lines = File::open(table).map(BufReader::new).into_iter().flat_map(BufRead::lines);
        lines.map_while(Result::ok).any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().unwrap_or_default();
            let state = fields.nth(1).unwrap_or_default();
            state == "0A" && local.ends_with(&format!(":{port:04X}"))
        })
    })
}

/// What no test may cause, unless it says so.
fn is_alarming(line: &str) -> bool {
    // Date, time, level: what stands behind may be a client's words.
    let level = line.split(' ').nth(2).unwrap_or_default();
    // What a client does wrong in a handshake can be critical to nginx.
    let handshake = line.contains("SSL_");
    matches!(level, "[crit]" | "[alert]" | "[emerg]") && !handshake
}
