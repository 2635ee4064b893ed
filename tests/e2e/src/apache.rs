//! A running Apache, its logs and its children.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::apache_site::ApacheSite;
use crate::instruments;
use crate::logs::Logs;
use crate::nginx::is_listening;
use crate::process::{Guard, cpu_ticks, is_at_rest};
use crate::wait::wait_until;

/// A running Apache. Dropping it stops it, and fails the test if a child has
/// crashed or Apache had something alarming to say.
#[derive(Debug)]
pub struct Apache {
    process: Guard,
    site: ApacheSite,
    logs: Logs,
    alerts_expected: bool,
    /// How long the error log was when it was asked to end at once.
    log_at_end: Option<usize>,
}

impl Deref for Apache {
    type Target = Logs;

    fn deref(&self) -> &Logs {
        &self.logs
    }
}

impl Apache {
    #[track_caller]
    pub(crate) fn new(mut command: Command, site: ApacheSite) -> Self {
        // It ends its children by a signal to its whole process group, which
        // must not be that of the tests.
        command.process_group(0);
        let logs = Logs::new(site.dir());
        let process = Guard::spawn("apache2", command);
        let mut apache = Self { process, site, logs, alerts_expected: false, log_at_end: None };
        apache.wait_until_ready();
        apache
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What the process `pid` has asked of the kernel in its life, and how often, if
    /// the site was [traced](ApacheSite::traced) and the process has ended.
    pub fn system_calls(&self, pid: u32) -> BTreeMap<String, usize> {
        instruments::system_calls(self.dir(), pid)
    }

    /// The instructions of the process `pid` in its life, those of the kernel apart,
    /// if the site was [counted](ApacheSite::counted) and the process has ended.
    pub fn instructions(&self, pid: u32) -> u64 {
        instruments::instructions(&self.profile(pid))
    }

    /// Where callgrind has written them down.
    pub fn profile(&self, pid: u32) -> PathBuf {
        instruments::profile(self.dir(), pid)
    }

    /// The children that run now: those that serve, old ones of a restart
    /// included, and the daemon of CGI where there is one. Itself, where it is
    /// [alone](ApacheSite::single).
    pub fn workers(&self) -> Vec<u32> {
        if self.site.is_single() { vec![self.pid()] } else { self.process.children() }
    }

    /// Clock ticks of processor time that all the children have used.
    pub fn worker_ticks(&self) -> u64 {
        self.workers().into_iter().map(cpu_ticks).sum()
    }

    /// Whether every thread that serves waits for something to happen, so that
    /// nothing more will come of what has been received.
    pub fn is_at_rest(&self) -> bool {
        self.workers().into_iter().all(is_at_rest)
    }

    /// Takes the configuration anew after `change`, as `apachectl graceful`
    /// does, and returns when new children have taken over.
    pub fn graceful(&mut self, change: impl FnOnce(&mut ApacheSite)) {
        self.restart_with(Signal::USR1, change);
    }

    /// As `apachectl restart`: what is open is closed.
    pub fn restart(&mut self, change: impl FnOnce(&mut ApacheSite)) {
        self.note_end();
        self.restart_with(Signal::HUP, change);
    }

    fn restart_with(&mut self, signal: Signal, change: impl FnOnce(&mut ApacheSite)) {
        let before = self.workers();
        let resumed = self.times_resumed();
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(signal);
        wait_until("new children after a restart", || {
            let resumed = self.times_resumed() > resumed;
            let new = self.workers().iter().any(|pid| !before.contains(pid));
            (resumed && new).then_some(())
        });
    }

    fn times_resumed(&self) -> usize {
        self.error_log().matches("resuming normal operations").count()
    }

    /// Ends it as `apachectl graceful-stop` does: requests are answered first.
    pub fn graceful_stop(&mut self) -> ExitStatus {
        self.process.signal(Signal::WINCH);
        self.process.wait()
    }

    /// Asks for the same, and does not wait.
    pub fn begin_graceful_stop(&mut self) {
        self.process.signal(Signal::WINCH);
        self.wait_for_error("shutting down gracefully");
    }

    /// Ends it at once. Its logs are complete then.
    pub fn stop(&mut self) -> ExitStatus {
        self.note_end();
        self.process.signal(Signal::TERM);
        self.process.wait()
    }

    /// From now on a child may crash: those of event do now and then when they
    /// have to end at once and a connection is being closed, with no module of
    /// ours as well (seen in 2.4.71).
    fn note_end(&mut self) {
        let length = self.error_log().len();
        self.log_at_end.get_or_insert(length);
    }

    /// A test that makes Apache say `[alert]` or worse on purpose.
    pub fn expect_alerts(&mut self) {
        self.alerts_expected = true;
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        wait_until("apache2 to start", || {
            if let Some(status) = self.process.ended() {
                panic!("apache2 did not start: {status}\n{}\n{}", self.stderr(), self.error_log());
            }
            if self.site.is_single() {
                // It has nothing to resume, and does not say that it begins.
                return self.site.ports().all(is_listening).then_some(());
            }
            (self.times_resumed() > 0 && !self.workers().is_empty()).then_some(())
        });
        let unused: Vec<_> = self.site.ports().filter(|port| !is_listening(*port)).collect();
        assert!(unused.is_empty(), "claimed but not listened on: {unused:?}");
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.note_end();
        self.process.stop();
        if std::thread::panicking() {
            self.show(&["error.log", "access.log", "stderr.log"]);
            return;
        }
        let log = self.error_log();
        let (before, after) = log.split_at(self.log_at_end.unwrap_or_default().min(log.len()));
        let crashes = before.lines().filter(|line| is_crash(line));
        let found: Vec<_> = before
            .lines()
            .chain(after.lines())
            .filter(|line| is_alarming(line))
            .chain(crashes)
            .collect();
        if !self.alerts_expected && !found.is_empty() {
            self.show(&["error.log"]);
            panic!("apache2 is alarmed: {found:#?}");
        }
    }
}

/// What no test may cause, unless it says so.
fn is_alarming(line: &str) -> bool {
    // `[DATE] [MODULE:LEVEL] `: what stands behind may be a client's words.
    let level = line.split("] [").nth(1).and_then(|words| words.split(':').nth(1));
    let level = level.and_then(|level| level.split(']').next()).unwrap_or_default();
    matches!(level, "crit" | "alert" | "emerg")
}

/// A child has ended by a signal.
fn is_crash(line: &str) -> bool {
    let words = line.splitn(4, "] ").nth(3).unwrap_or_default();
    words.starts_with("AH00051:") || words.starts_with("AH00052:")
}
