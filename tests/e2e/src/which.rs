//! The two versions of nginx that everything is tested on.

use std::path::{Path, PathBuf};

use crate::process::must_exist;
use crate::subsystem::Subsystem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Which {
    /// Debian 12's package, 1.22.1.
    Debian,
    /// 1.28.3, built from the source in the crate nginx-src.
    Built,
}

impl Which {
    pub fn program(self) -> PathBuf {
        let (path, how) = match self {
            Self::Debian => (PathBuf::from("/usr/sbin/nginx"), "tools/setup"),
            Self::Built => (root().join("build/nginx-1.28.3/nginx"), "make nginx-src"),
        };
        must_exist(&path, how);
        path
    }

    /// The module that was built for this version.
    pub fn module(self, subsystem: Subsystem) -> PathBuf {
        let (folder, how) = match self {
            Self::Debian => ("build/nginx-1.22.1", "make nginx"),
            Self::Built => ("build/nginx-1.28.3", "make nginx-src"),
        };
        let path = root().join(folder).join(format!("ngx_{}_realpeer_module.so", subsystem.name()));
        must_exist(&path, how);
        path
    }

    /// nginx's own module, where the subsystem is not in the program itself.
    pub fn native_module(self, subsystem: Subsystem) -> Option<PathBuf> {
        if self == Self::Built || subsystem == Subsystem::Http {
            return None;
        }
        let file = format!("ngx_{}_module.so", subsystem.name());
        let path = Path::new("/usr/lib/nginx/modules").join(file);
        must_exist(&path, "tools/setup");
        Some(path)
    }

    /// `listen` for HTTP/2, which 1.25.1 moved into a directive of its own.
    pub fn http2(self, listen: &str) -> String {
        match self {
            Self::Debian => format!("listen {listen} http2;"),
            Self::Built => format!("listen {listen}; http2 on;"),
        }
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
