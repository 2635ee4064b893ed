//! What a server under test has to itself: a temporary folder and ports.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::port::Port;

/// Removed with all that is in it, and the ports free again, when dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: TempDir,
    ports: Vec<Port>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        // Workers of a server that root has started are another user.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).expect("own folder");
        Self { dir, ports: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A free port that stays claimed as long as this lives.
    pub(crate) fn port(&mut self) -> u16 {
        self.ports.push(Port::claim());
        self.ports[self.ports.len() - 1].number()
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(Port::number)
    }

    /// Writes a file and gives its path for a configuration.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, content).expect("own folder");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// The paths of a new certificate for `localhost` and of its key.
    pub(crate) fn certificate(&self, authority: &Authority) -> [String; 2] {
        let certificate = authority.issue("localhost");
        [self.file("certificate.pem", &certificate.pem), self.file("key.pem", &certificate.key_pem)]
    }
}
