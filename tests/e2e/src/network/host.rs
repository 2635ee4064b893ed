//! A host of a network: a thread in a network namespace of its own.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

type Job = Box<dyn FnOnce() + Send>;

/// What runs here sees this host's interfaces and addresses, and processes that
/// it starts do too.
///
/// The namespace has no name that another run could meet. It ends with the
/// thread and with what was started here, however the test ends: nothing has to
/// be taken away.
#[derive(Debug)]
pub struct Host {
    name: &'static str,
    namespace: PathBuf,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Fails where this system lets us have no namespace.
    pub(crate) fn new(name: &'static str) -> Result<Self, String> {
        let (jobs, todo) = channel::<Job>();
        let (tell, told) = channel::<io::Result<i32>>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // SAFETY: what is no longer shared is the network alone, and no
                // library here expects its threads to have that in common.
                let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
                let ready = unshared.is_ok();
                let said = unshared.map(|()| gettid().as_raw_nonzero().get());
                let _ = tell.send(said.map_err(io::Error::from));
                if ready {
                    // Lives as long as the host: the kernel ends a child when
                    // the thread that started it does.
                    todo.into_iter().for_each(|job| job());
                }
            })
            .map_err(|error| format!("no thread: {error}"))?;
        let thread_id = told
            .recv()
            .expect("the thread says")
            .map_err(|error| format!("no network namespace: {error}"))?;
        let namespace =
            PathBuf::from(format!("/proc/{}/task/{thread_id}/ns/net", std::process::id()));
        let host = Self { name, namespace, jobs: Some(jobs), thread: Some(thread) };
        host.ip("link set lo up")?;
        Ok(host)
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A file that stands for the namespace.
    pub(crate) fn namespace(&self) -> &Path {
        &self.namespace
    }

    /// Does it on this host, and passes on a panic.
    #[track_caller]
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel::<Result<T, Box<dyn Any + Send>>>();
        let job = move || {
            let _ = tell.send(catch_unwind(AssertUnwindSafe(job)));
        };
        self.jobs.as_ref().expect("not dropped").send(Box::new(job)).expect("the thread lives");
        match told.recv().expect("the thread lives") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Runs `ip` with these words.
    pub(crate) fn ip(&self, words: &str) -> Result<(), String> {
        let line = format!("ip {words} (at {})", self.name);
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        let output = self
            .run(move || {
                let path = "/usr/sbin:/usr/bin:/sbin:/bin";
                Command::new("ip").env("PATH", path).args(words).output()
            })
            .map_err(|error| format!("{line}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Writes a setting of the kernel, which each namespace has its own of.
    pub(crate) fn sysctl(&self, file: &str, value: &'static str) -> Result<(), String> {
        let path = format!("/proc/sys/net/{file}");
        let said = self.run({
            let path = path.clone();
            move || std::fs::write(path, value)
        });
        said.map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
