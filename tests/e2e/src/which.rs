//! The two versions of nginx that everything is tested on.

use std::path::{Path, PathBuf};

use crate::process::must_exist;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub fn module(self) -> PathBuf {
        let (folder, how) = match self {
            Self::Debian => ("build/nginx-1.22.1", "make nginx"),
            Self::Built => ("build/nginx-1.28.3", "make nginx-src"),
        };
        let path = root().join(folder).join("ngx_http_realpeer_module.so");
        must_exist(&path, how);
        path
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
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
