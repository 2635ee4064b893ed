//! The configuration of an nginx, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::certificates::Authority;
use crate::check::Check;
use crate::faults::{Faults, Faulty, Preload};
use crate::folder::Folder;
use crate::instruments::{self, Counting};
use crate::nginx::Nginx;
use crate::process::unprivileged;
use crate::subsystem::Subsystem;
use crate::watch::Watch;
use crate::which::Which;

/// An nginx to be: ports and a folder first, then the configuration, which
/// needs both, then [`start`](Site::start) or [`check`](Site::check).
#[derive(Debug)]
pub struct Site {
    which: Which,
    folder: Folder,
    with_module: bool,
    modules: Option<Vec<PathBuf>>,
    counting: Option<Counting>,
    watched: Option<(Watch, PathBuf)>,
    preload: Option<Preload>,
    environment: Vec<(String, String)>,
    daemon: bool,
    workers: String,
    events: String,
    http: String,
    stream: String,
    mail: String,
}

impl Site {
    /// nginx with the module loaded.
    pub fn new(which: Which) -> Self {
        Self {
            which,
            folder: Folder::new(),
            with_module: true,
            modules: None,
            counting: None,
            watched: None,
            preload: None,
            environment: Vec::new(),
            daemon: false,
            workers: "worker_processes 1;".into(),
            events: String::new(),
            http: String::new(),
            stream: String::new(),
            mail: String::new(),
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
        self.folder.path()
    }

    /// A free port that stays claimed as long as this nginx lives.
    pub fn port(&mut self) -> u16 {
        self.folder.port()
    }

    /// Writes a file into the folder and gives its path for the configuration.
    pub fn file(&self, name: &str, content: &str) -> String {
        self.folder.file(name, content)
    }

    /// A certificate for `localhost` as directives of a TLS server.
    pub fn certificate(&self, authority: &Authority) -> String {
        let [pem, key] = self.folder.certificate(authority);
        format!("ssl_certificate {pem}; ssl_certificate_key {key};")
    }

    /// Replaces `worker_processes 1;`, for directives of the main level.
    pub fn main(&mut self, directives: &str) {
        directives.clone_into(&mut self.workers);
    }

    /// Counts its system calls, see [`Nginx::system_calls`].
    pub fn traced(&mut self) {
        self.counting = Some(Counting::Calls);
    }

    /// Counts its instructions, see [`Nginx::instructions`].
    pub fn counted(&mut self) {
        self.counting = Some(Counting::Instructions);
    }

    /// Runs the program of that folder under a tool, with the modules that are
    /// there.
    pub fn watched(&mut self, watch: Watch, folder: &Path) {
        self.load_modules(watch.modules(folder));
        self.watched = Some((watch, folder.join("nginx")));
    }

    /// Has it run out of something when the test says so.
    pub fn faults(&mut self, what: Faulty) -> Faults {
        let (faults, preload) = Faults::prepare(what, self.dir());
        self.preload = Some(preload);
        faults
    }

    /// Starts it with this in its environment. Of that nginx takes away what no
    /// `env` names, once it runs.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Adds to the `events` block.
    pub fn events(&mut self, directives: &str) {
        self.events.push(' ');
        self.events.push_str(directives);
    }

    /// Adds to the `http` block.
    pub fn http(&mut self, directives: impl AsRef<str>) {
        self.block(Subsystem::Http, directives);
    }

    /// Adds to the `stream` block.
    pub fn stream(&mut self, directives: impl AsRef<str>) {
        self.block(Subsystem::Stream, directives);
    }

    /// Adds to the `mail` block.
    pub fn mail(&mut self, directives: impl AsRef<str>) {
        self.block(Subsystem::Mail, directives);
    }

    /// Adds to one of the blocks.
    pub fn block(&mut self, subsystem: Subsystem, directives: impl AsRef<str>) {
        let block = self.block_mut(subsystem);
        block.push_str(directives.as_ref());
        block.push('\n');
    }

    /// The `http` block anew, for a reload.
    pub fn replace_http(&mut self, directives: impl AsRef<str>) {
        self.clear(Subsystem::Http);
        self.http(directives);
    }

    /// Empties a block, to be written anew for a reload.
    pub fn clear(&mut self, subsystem: Subsystem) {
        self.block_mut(subsystem).clear();
    }

    /// Loads these instead of what the blocks in use need, in this order.
    pub fn load_modules(&mut self, modules: impl IntoIterator<Item = PathBuf>) {
        self.modules = Some(modules.into_iter().collect());
    }

    /// Runs on its own rather than as our child, without which nginx takes no
    /// new binary.
    pub fn daemon(&mut self) {
        self.daemon = true;
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
        let program = || self.which.program();
        let mut command = if let Some((watch, program)) = &self.watched {
            watch.command(program, self.dir())
        } else if let Some(counting) = self.counting {
            counting.command(&program(), self.dir())
        } else if instruments::valgrind_wanted() {
            instruments::under_valgrind(&program(), self.dir())
        } else {
            Command::new(program())
        };
        command
            .envs(self.preload.iter().flat_map(|preload| preload.environment(None)))
            .envs(self.environment.iter().cloned())
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
        self.folder.ports()
    }

    /// How many workers there are to be; none where there is no master.
    pub(crate) fn worker_count(&self) -> usize {
        if self.workers.contains("master_process off") {
            return 0;
        }
        let (_, count) = self.workers.split_once("worker_processes ").unwrap_or(("", "1;"));
        count.split(';').next().and_then(|count| count.parse().ok()).expect("a number of workers")
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.daemon
    }

    pub(crate) fn write_config(&self) -> PathBuf {
        let dir = self.dir().display();
        let daemon = if self.daemon { "on" } else { "off" };
        let modules: String = self
            .modules()
            .iter()
            .map(|module| format!("load_module {}; ", module.display()))
            .collect();
        let workers = &self.workers;
        let user = user_directive();
        let events = if self.events.contains("worker_connections") {
            self.events.clone()
        } else {
            format!("worker_connections 512; {}", self.events)
        };
        let blocks: String = self.used().map(|subsystem| self.block_text(subsystem)).collect();
        // The test's own part starts on a fixed line, so that a line number in
        // a message can be told from it: see Check.
        let config = format!(
            "daemon {daemon}; pid {dir}/nginx.pid; lock_file {dir}/lock; \
             error_log {dir}/error.log info; {user} {modules}{workers} \
             events {{ {events} }} {blocks}"
        );
        let path = self.dir().join("nginx.conf");
        fs::write(&path, config).expect("own folder");
        path
    }

    /// The blocks with something in them; http if there is none.
    fn used(&self) -> impl Iterator<Item = Subsystem> {
        let idle = self.stream.is_empty() && self.mail.is_empty();
        Subsystem::ALL.into_iter().filter(move |subsystem| match subsystem {
            Subsystem::Http => idle || !self.http.is_empty(),
            Subsystem::Stream => !self.stream.is_empty(),
            Subsystem::Mail => !self.mail.is_empty(),
        })
    }

    /// nginx's own module of a subsystem stands before ours, which needs it.
    fn modules(&self) -> Vec<PathBuf> {
        if let Some(modules) = &self.modules {
            return modules.clone();
        }
        let ours = |subsystem| self.with_module.then(|| self.which.module(subsystem));
        self.used()
            .flat_map(|subsystem| [self.which.native_module(subsystem), ours(subsystem)])
            .flatten()
            .collect()
    }

    fn block_text(&self, subsystem: Subsystem) -> String {
        let dir = self.dir().display();
        let (log, stream_log) =
            if self.with_module { (LOG, STREAM_LOG) } else { (NATIVE_LOG, NATIVE_STREAM_LOG) };
        match subsystem {
            Subsystem::Http => format!(
                "http {{ log_format e2e '{log}'; access_log {dir}/access.log e2e; \
                 client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; \
                 fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; \
                 scgi_temp_path {dir}/scgi;\n{}}}\n",
                self.http
            ),
            Subsystem::Stream => format!(
                "stream {{ log_format e2e '{stream_log}'; access_log {dir}/stream.log e2e;\n{}}}\n",
                self.stream
            ),
            Subsystem::Mail => format!("mail {{\n{}}}\n", self.mail),
        }
    }

    fn block_mut(&mut self, subsystem: Subsystem) -> &mut String {
        match subsystem {
            Subsystem::Http => &mut self.http,
            Subsystem::Stream => &mut self.stream,
            Subsystem::Mail => &mut self.mail,
        }
    }
}

const LOG: &str = "$remote_addr:$remote_port $realpeer_result $realpeer_policy \
                   $realpeer_proxy_addr:$realpeer_proxy_port $status \"$request\"";
const NATIVE_LOG: &str = "$remote_addr:$remote_port $status \"$request\"";
const STREAM_LOG: &str = "$remote_addr:$remote_port $realpeer_result $realpeer_policy \
                          $realpeer_proxy_addr:$realpeer_proxy_port $status";
const NATIVE_STREAM_LOG: &str = "$remote_addr:$remote_port $status";

/// A root nginx hands its workers to another user.
fn user_directive() -> String {
    match unprivileged() {
        Some((user, group)) => format!("user {user} {group};"),
        None => String::new(),
    }
}
