//! The server under test: what is the same for nginx and Apache.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use realpeer_e2e::{
    Apache, AuthHttp, Authority, Logs, Mpm, Nginx, PATIENCE, StatusPage, Upstream, Watch,
    open_sockets,
};

use crate::target::{Columns, Target, column_of};
use crate::{with_apache, with_nginx};

/// The sources 127.0.N.0/24, each with how often it connects, the last of them
/// with no policy.
pub const SOURCES: [(usize, u8); 6] = [(52, 1), (15, 2), (15, 3), (8, 4), (5, 5), (5, 6)];

/// Who may do what: by the third byte of the source.
pub const POLICIES: [(&str, u8); 5] =
    [("require", 1), ("optional", 2), ("strip", 3), ("direct", 4), ("refuse", 5)];

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

    pub fn columns(self) -> Columns {
        match self {
            Self::Nginx => &crate::target::NGINX,
            Self::Apache(_) => &crate::target::APACHE,
        }
    }

    /// What nginx or mod_realpeer is taken from, if nothing else is said.
    pub fn folder(self, watch: Watch) -> std::path::PathBuf {
        match self {
            Self::Nginx => watch.folder(),
            Self::Apache(_) => watch.apache_folder(),
        }
    }

    pub fn start(self, watch: Watch, folder: &Path) -> (Running, Server) {
        match self {
            Self::Nginx => with_nginx::start(watch, folder),
            Self::Apache(mpm) => with_apache::start(mpm, watch, folder),
        }
    }
}

/// It runs.
#[derive(Debug)]
pub enum Running {
    Nginx(Nginx),
    /// With how many processes that each end with a report of its tool.
    Apache(Apache, usize),
}

impl Running {
    pub fn logs(&self) -> &Logs {
        match self {
            Self::Nginx(nginx) => nginx,
            Self::Apache(apache, _) => apache,
        }
    }

    pub fn workers(&self) -> Vec<u32> {
        match self {
            Self::Nginx(nginx) => nginx.workers(),
            Self::Apache(apache, _) => apache.workers(),
        }
    }

    /// Processes that end with a report of the tool.
    pub fn processes(&self) -> usize {
        match self {
            Self::Nginx(_) => 2,
            Self::Apache(_, processes) => *processes,
        }
    }

    /// Ends it when all is quiet. Says how it ended, and whether that is right.
    pub fn end(&mut self) -> (bool, String) {
        match self {
            Self::Nginx(nginx) => {
                nginx.expect_alerts();
                let status = nginx.quit();
                let log = nginx.error_log();
                let exits = log.matches(" exited with code ").count();
                let good = log.matches(" exited with code 0").count();
                let detail = format!("master: {status}, workers: {good} of {exits} with code 0");
                (status.success() && exits == 1 && good == 1, detail)
            }
            Self::Apache(apache, processes) => {
                apache.expect_alerts();
                // One that is alone knows only one way to end.
                let status = if *processes == 1 { apache.stop() } else { apache.graceful_stop() };
                // AH00051 and AH00052: a child that a signal has ended.
                let log = apache.error_log();
                let died: Vec<_> = log.lines().filter(|line| line.contains(" AH0005")).collect();
                let first = died.first().map(|line| format!(": {line}")).unwrap_or_default();
                let detail = format!("httpd: {status}, children: {} died{first}", died.len());
                (status.success() && died.is_empty(), detail)
            }
        }
    }
}

/// Where clients find it, and what is behind it.
#[derive(Debug)]
pub struct Server {
    pub authority: Authority,
    pub columns: Columns,
    pub ports: BTreeMap<Target, u16>,
    pub status: StatusPage,
    /// Behind nginx.
    pub auth: Option<AuthHttp>,
    pub _behind: Option<Upstream>,
}

impl Server {
    /// Waits until a connection that asks for the status is the only one, and no
    /// socket is left of any, and gives the count of both in the end.
    pub fn settle(&self) -> u64 {
        let start = Instant::now();
        loop {
            // A tool may have ended the one process that there was.
            let status = self.status;
            let Ok(active) = catch_unwind(move || status.active()) else { return u64::MAX };
            let left = active.saturating_add(open_sockets(|port| self.is_ours(port)));
            if left == 1 || start.elapsed() > PATIENCE {
                return left;
            }
            // Only how often it is asked.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ours(&self, port: u16) -> bool {
        port == self.status.port() || self.ports.values().any(|own| *own == port)
    }

    pub fn port(&self, target: Target) -> u16 {
        self.ports[&target]
    }

    /// How many logins nginx' mail has asked about.
    pub fn logins(&self) -> Option<u64> {
        self.auth.as_ref().map(|auth| auth.requests().len() as u64)
    }

    /// Which column listens there; the end of an `ADDRESS:PORT` will do.
    pub fn column_at(&self, port: &str) -> Option<usize> {
        let port: u16 = port.rsplit(':').next()?.parse().ok()?;
        let (target, _) = self.ports.iter().find(|(_, own)| **own == port)?;
        Some(column_of(self.columns, *target))
    }
}
