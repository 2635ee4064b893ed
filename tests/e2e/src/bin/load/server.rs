//! The server under test: what is the same for nginx and Apache.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use realpeer_e2e::{
    Apache, AuthHttp, Holdings, Logs, Mpm, Nginx, PATIENCE, StatusPage, Upstream, Watch,
};

use rustix::process::{Resource, getrlimit};

use crate::clock::Clock;
use crate::{with_apache, with_nginx};

/// Workers of nginx, unless it needs more, and children of event and worker.
pub const WORKERS: usize = 2;
const MOST_WORKERS: usize = 8;

/// Which server is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    Nginx,
    Apache(Mpm),
}

impl Software {
    /// As it is called on the command line.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "nginx" => Some(Self::Nginx),
            _ => Mpm::ALL.into_iter().find(|mpm| mpm.name() == name).map(Self::Apache),
        }
    }

    pub fn title(self) -> String {
        match self {
            Self::Nginx => format!("nginx, {WORKERS} workers"),
            Self::Apache(Mpm::Prefork) => {
                format!("Apache (prefork), {} children", with_apache::PREFORK)
            }
            Self::Apache(mpm) => format!(
                "Apache ({}), {WORKERS} children of {} threads",
                mpm.name(),
                with_apache::THREADS
            ),
        }
    }

    /// What nginx or mod_realpeer is taken from, if nothing else is said.
    pub fn folder(self) -> PathBuf {
        match self {
            Self::Nginx => Watch::Plain.folder(),
            Self::Apache(_) => Watch::Plain.apache_folder(),
        }
    }

    /// Connections that can wait for a header while others are served: where each
    /// takes a thread or process, half of those.
    pub fn room(self) -> usize {
        match self {
            Self::Nginx => MOST_WORKERS * per_worker(),
            // Two descriptors each.
            Self::Apache(Mpm::Event) => {
                with_apache::EVENT_CONNECTIONS.min(WORKERS * per_worker() / 2)
            }
            Self::Apache(Mpm::Worker) => WORKERS * with_apache::THREADS / 2,
            Self::Apache(Mpm::Prefork) => with_apache::PREFORK / 2,
        }
    }
}

/// So many may one worker hold: a process may have so many files open. They are not
/// shared out evenly.
pub fn per_worker() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(1 << 20);
    usize::try_from(files * 5 / 8).expect("not so many")
}

/// What a fault wants of its server.
#[derive(Debug, Clone)]
pub struct Needs {
    /// Of nginx.
    pub workers: usize,
    /// Until which a header must have come.
    pub timeout: Duration,
    /// Of each listener.
    pub backlog: u32,
    /// A queue for each worker, so that connections are spread evenly.
    pub reuseport: bool,
    /// That each worker may have.
    pub connections: usize,
    pub files: usize,
    /// One that can be set.
    pub clock: bool,
}

/// What listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Stream,
    Mail,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Mail => "mail",
        }
    }
}

/// It runs.
#[derive(Debug)]
pub enum Running {
    Nginx(Nginx),
    Apache(Apache),
}

/// It, where clients find it, and what is behind it.
#[derive(Debug)]
pub struct Server {
    pub running: Running,
    pub ports: Vec<(Kind, u16)>,
    /// With places that are counted in memory that the workers share, and how many
    /// there are for each client.
    pub limited: Vec<(Kind, u16)>,
    pub status: StatusPage,
    /// How many workers it is to end with.
    pub workers: usize,
    /// Of all children of Apache.
    pub threads: u64,
    pub clock: Option<Clock>,
    pub _behind: Option<(AuthHttp, Upstream)>,
}

impl Server {
    pub fn start(software: Software, folder: &Path, needs: &Needs) -> Self {
        match software {
            Software::Nginx => with_nginx::start(folder, needs),
            Software::Apache(mpm) => with_apache::start(mpm, folder, needs),
        }
    }

    pub fn logs(&self) -> &Logs {
        match &self.running {
            Running::Nginx(nginx) => nginx,
            Running::Apache(apache) => apache,
        }
    }

    pub fn workers(&self) -> Vec<u32> {
        match &self.running {
            Running::Nginx(nginx) => nginx.workers(),
            Running::Apache(apache) => apache.workers(),
        }
    }

    pub fn is_nginx(&self) -> bool {
        matches!(self.running, Running::Nginx(_))
    }

    /// Waits until nobody is left but who asks, and `lost` others that the server
    /// counts for good, and the workers hold what they held when they were `idle`. Says
    /// how many are left, and what they hold.
    pub fn at_rest(&self, lost: u64, idle: Option<&Holdings>) -> (u64, Holdings) {
        let start = Instant::now();
        let mut before = Holdings::of(&self.workers());
        loop {
            let status = self.status;
            let left = catch_unwind(move || status.active()).unwrap_or(u64::MAX);
            let held = Holdings::of(&self.workers());
            let wanted = idle.unwrap_or(&before);
            let calm = left <= lost + 1 && held.descriptors == wanted.descriptors;
            if calm || start.elapsed() > PATIENCE {
                return (left, held);
            }
            before = held;
            // Only how often it is asked.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it when all is quiet. Says how it ended, and whether that is right.
    pub fn end(&mut self) -> (bool, String) {
        match &mut self.running {
            Running::Nginx(nginx) => {
                nginx.expect_alerts();
                let status = nginx.quit();
                let log = nginx.error_log();
                let good = log.matches(" exited with code 0").count();
                let detail = format!("master: {status}, {good} workers with code 0");
                (status.success() && good == self.workers, detail)
            }
            Running::Apache(apache) => {
                apache.expect_alerts();
                let status = apache.graceful_stop();
                // AH00051 and AH00052: a child that a signal has ended, if that was none
                // of those which somebody sends.
                let died = apache.error_log().matches(" AH0005").count();
                let detail = format!("httpd: {status}, {died} children ended by a signal");
                (status.success() && died == 0, detail)
            }
        }
    }
}
