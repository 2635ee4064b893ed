//! curl as the visitor: a real HTTP/2 client, and one that can write a v1
//! header itself.

use std::process::Command;

use crate::http::Response;

/// A curl command line in the making.
#[derive(Debug)]
pub struct Curl {
    command: Command,
    url: String,
}

impl Curl {
    pub fn new(url: &str) -> Self {
        let mut command = Command::new("curl");
        // -q keeps the user's own settings out, and so does --noproxy.
        command.args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
        Self { command, url: url.to_owned() }
    }

    /// The source address of the connection.
    pub fn from(mut self, source: &str) -> Self {
        self.command.args(["--interface", source]);
        self
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// The answer of the last request; several URLs in `args` share one
    /// connection, as curl does.
    #[track_caller]
    pub fn run(mut self) -> Response {
        let output = self
            .command
            .args(["--include", &self.url])
            .output()
            .unwrap_or_else(|error| panic!("curl cannot be started: {error}"));
        assert!(
            output.status.success(),
            "curl {}: {} {}",
            self.url,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Response::parse(&output.stdout)
    }
}
