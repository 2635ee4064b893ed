//! The configuration of an nginx, in a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::check::Check;
use crate::instruments;
use crate::nginx::Nginx;
use crate::port::Port;
use crate::which::Which;

/// An nginx to be: ports and a folder first, then the configuration, which
/// needs both, then [`start`](Site::start) or [`check`](Site::check).
#[derive(Debug)]
pub struct Site {
    which: Which,
    dir: TempDir,
    ports: Vec<Port>,
    with_module: bool,
    traced: bool,
    workers: String,
    events: String,
    http: String,
}

impl Site {
    /// nginx with the module loaded.
    pub fn new(which: Which) -> Self {
        let dir =
            tempfile::Builder::new().prefix("realpeer-e2e-").tempdir().expect("a temporary folder");
        // Workers of a root nginx are another user.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).expect("own folder");
        Self {
            which,
            dir,
            ports: Vec::new(),
            with_module: true,
            traced: false,
            workers: "worker_processes 1;".into(),
            events: String::new(),
            http: String::new(),
        }
    }

    /// nginx as everybody has it, to compare with.
    pub fn native(which: Which) -> Self {
        Self { with_module: false, ..Self::new(which) }
    }

    pub fn which(&self) -> Which {
        self.which
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A free port that stays claimed as long as this nginx lives.
    pub fn port(&mut self) -> u16 {
        self.ports.push(Port::claim());
        self.ports[self.ports.len() - 1].number()
    }

    /// Writes a file into the folder and gives its path for the configuration.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir().join(name);
        fs::write(&path, content).expect("own folder");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// A certificate for `localhost` as directives of a TLS server.
    pub fn certificate(&self, authority: &Authority) -> String {
        let certificate = authority.issue("localhost");
        let pem = self.file("certificate.pem", &certificate.pem);
        let key = self.file("key.pem", &certificate.key_pem);
        format!("ssl_certificate {pem}; ssl_certificate_key {key};")
    }

    /// Replaces `worker_processes 1;`, for directives of the main level.
    pub fn main(&mut self, directives: &str) {
        directives.clone_into(&mut self.workers);
    }

    /// Counts its system calls, see [`Nginx::system_calls`].
    pub fn traced(&mut self) {
        self.traced = true;
    }

    /// Adds to the `events` block.
    pub fn events(&mut self, directives: &str) {
        self.events.push(' ');
        self.events.push_str(directives);
    }

    /// Adds to the `http` block.
    pub fn http(&mut self, directives: impl AsRef<str>) {
        self.http.push_str(directives.as_ref());
        self.http.push('\n');
    }

    /// The `http` block anew, for a reload.
    pub fn replace_http(&mut self, directives: impl AsRef<str>) {
        self.http.clear();
        self.http(directives);
    }

    /// Starts it, and returns when every listener listens.
    #[track_caller]
    pub fn start(self) -> Nginx {
        let config = self.write_config();
        let stderr = fs::File::create(self.dir().join("stderr.log")).expect("own folder");
        let mut command = self.command(&config);
        command.stderr(Stdio::from(stderr));
        Nginx::new(command, self)
    }

    /// What `nginx -t` says of it.
    pub fn check(&self) -> Check {
        let config = self.write_config();
        let output = self.command(&config).arg("-t").output().expect("nginx -t runs");
        Check::new(&output, &config, self.dir())
    }

    fn command(&self, config: &Path) -> Command {
        let program = self.which.program();
        let mut command = if self.traced {
            instruments::under_strace(&program, self.dir())
        } else if instruments::valgrind_wanted() {
            instruments::under_valgrind(&program, self.dir())
        } else {
            Command::new(program)
        };
        command
            .arg("-e")
            .arg(self.dir().join("error.log"))
            .arg("-p")
            .arg(self.dir())
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(Port::number)
    }

    /// Whether there is a master, and so workers.
    pub(crate) fn has_workers(&self) -> bool {
        !self.workers.contains("master_process off")
    }

    pub(crate) fn write_config(&self) -> PathBuf {
        let dir = self.dir().display();
        let module = if self.with_module {
            format!("load_module {};", self.which.module().display())
        } else {
            String::new()
        };
        let workers = &self.workers;
        let user = user_directive();
        let events = if self.events.contains("worker_connections") {
            self.events.clone()
        } else {
            format!("worker_connections 512; {}", self.events)
        };
        let log = if self.with_module { LOG } else { NATIVE_LOG };
        let http = &self.http;
        // The test's own part starts on a fixed line, so that a line number in
        // a message can be told from it: see Check.
        let config = format!(
            "daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log info; {user} {module} \
             {workers} events {{ {events} }} http {{ log_format e2e '{log}'; \
             access_log {dir}/access.log e2e; client_body_temp_path {dir}/body; \
             proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi; \
             uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n{http}}}\n"
        );
        let path = self.dir().join("nginx.conf");
        fs::write(&path, config).expect("own folder");
        path
    }
}

const LOG: &str = "$remote_addr:$remote_port $realpeer_result $realpeer_policy \
                   $realpeer_proxy_addr:$realpeer_proxy_port $status \"$request\"";
const NATIVE_LOG: &str = "$remote_addr:$remote_port $status \"$request\"";

/// A root nginx hands its workers to another user; the group of that user has
/// another name on Debian than elsewhere.
fn user_directive() -> &'static str {
    if !geteuid().is_root() {
        return "";
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    if groups.lines().any(|line| line.starts_with("nogroup:")) {
        "user nobody nogroup;"
    } else {
        "user nobody;"
    }
}
