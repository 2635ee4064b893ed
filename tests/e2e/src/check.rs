//! What `nginx -t` and `apache2 -t` say of a configuration.

use std::path::Path;
use std::process::Output;

/// The outcome.
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

    /// Apache's messages: those of directives as they are, in one line each
    /// (`AH00526: Syntax error on line 3 of httpd.conf: ...`), those of a check
    /// of the whole with their level, as nginx's.
    pub(crate) fn of_apache(output: &Output, dir: &Path) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let dir = format!("{}/", dir.display());
        let stderr = stderr.replace(":\n", ": ").replace(&dir, "");
        let messages = stderr
            .lines()
            // The verdicts at the end say nothing new.
            .filter(|line| *line != "Syntax OK" && !line.contains("AH00014: "))
            .map(|line| match line.strip_prefix('[').and_then(|rest| rest.split_once("] [")) {
                Some((_date, rest)) => {
                    let (module, rest) = rest.split_once("] ").unwrap_or((rest, ""));
                    let level = module.split(':').nth(1).unwrap_or(module);
                    let words = rest.split_once("] ").map_or(rest, |(_pid, words)| words);
                    format!("[{level}] {words}")
                }
                None => line.to_owned(),
            })
            .collect();
        Self { passed: output.status.success(), messages }
    }

    /// The messages of one level: `emerg`, `warn`.
    pub fn of_level(&self, level: &str) -> Vec<&str> {
        let prefix = format!("[{level}] ");
        self.messages.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
    }
}
