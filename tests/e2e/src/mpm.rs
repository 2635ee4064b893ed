//! The three ways in which Apache divides connections among processes and
//! threads, on each of which everything is tested.

use std::path::{Path, PathBuf};

use crate::process::must_exist;

/// A multi-processing module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mpm {
    /// Threads, and a connection that is idle has none. The default.
    Event,
    /// A thread for each connection.
    Worker,
    /// A process for each connection.
    Prefork,
}

impl Mpm {
    pub const ALL: [Self; 3] = [Self::Event, Self::Worker, Self::Prefork];

    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }

    /// How many there are at first: few, so that a test starts quickly.
    pub(crate) fn processes(self) -> &'static str {
        match self {
            // One child works; others only take over from it.
            Self::Event => {
                "ServerLimit 8\nThreadsPerChild 25\nMaxRequestWorkers 25\nStartServers 1\n\
                 MinSpareThreads 1\nMaxSpareThreads 26\n"
            }
            Self::Worker => {
                "ServerLimit 8\nThreadsPerChild 25\nMaxRequestWorkers 200\nStartServers 1\n\
                 MinSpareThreads 1\nMaxSpareThreads 200\n"
            }
            Self::Prefork => {
                "ServerLimit 100\nMaxRequestWorkers 100\nStartServers 4\nMinSpareServers 4\n\
                 MaxSpareServers 100\n"
            }
        }
    }

    /// What runs CGI scripts: forking a process with threads is left to a
    /// daemon.
    pub(crate) fn cgi(self) -> &'static str {
        match self {
            Self::Prefork => "cgi",
            Self::Event | Self::Worker => "cgid",
        }
    }
}

/// The packaged server; started as ours, and never as the system's service.
pub(crate) fn program() -> PathBuf {
    let path = PathBuf::from("/usr/sbin/apache2");
    must_exist(&path, "tools/setup");
    path
}

/// One of the packaged modules, named as in `a2enmod`.
pub(crate) fn packaged_module(name: &str) -> PathBuf {
    let path = Path::new("/usr/lib/apache2/modules").join(format!("mod_{name}.so"));
    must_exist(&path, "tools/setup");
    path
}
