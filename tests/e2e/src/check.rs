//! What `nginx -t` says of a configuration.

use std::path::Path;
use std::process::Output;

/// The outcome of `nginx -t`.
#[derive(Debug)]
pub struct Check {
    pub passed: bool,
    /// Messages of level warn and worse, with the folder taken out, e.g.
    /// `[emerg] ... in nginx.conf:3`.
    pub messages: Vec<String>,
}

impl Check {
    pub(crate) fn new(output: &Output, config: &Path, dir: &Path) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let config = config.display().to_string();
        let dir = format!("{}/", dir.display());
        let messages = stderr
            .lines()
            .filter_map(|line| line.strip_prefix("nginx: "))
            // The verdict at the end names the file too, and nothing new.
            .filter(|line| line.starts_with('[') || line.starts_with("realpeer"))
            .map(|line| line.replace(&config, "nginx.conf").replace(&dir, ""))
            .collect();
        Self { passed: output.status.success(), messages }
    }

    /// The messages of one level: `emerg`, `warn`.
    pub fn of_level(&self, level: &str) -> Vec<&str> {
        let prefix = format!("[{level}] ");
        self.messages.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
    }
}
