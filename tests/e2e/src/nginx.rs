//! nginx with a configuration of the test's own, in a folder of its own.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::check::Check;
use crate::log::Refusal;
use crate::port::Port;
use crate::process::{Guard, cpu_ticks};
use crate::wait::wait_until;
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
        let mut nginx = Nginx {
            process: Guard::spawn("nginx", command),
            site: self,
            alerts_expected: false,
            refusals_seen: Cell::new(0),
        };
        nginx.wait_until_ready();
        nginx
    }

    /// What `nginx -t` says of it.
    pub fn check(&self) -> Check {
        let config = self.write_config();
        let output = self.command(&config).arg("-t").output().expect("nginx -t runs");
        Check::new(&output, &config, self.dir())
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = if self.traced {
            self.under_strace()
        } else if std::env::var_os(VALGRIND).is_some() {
            self.under_valgrind()
        } else {
            Command::new(self.which.program())
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

    /// The tracer stands aside, so that nginx is our own child all the same.
    fn under_strace(&self) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-qq", "-o"])
            .arg(self.dir().join(TRACE))
            .arg(self.which.program());
        command
    }

    fn under_valgrind(&self) -> Command {
        let mut command = Command::new("valgrind");
        command
            .arg("--quiet")
            .arg(format!("--log-file={}/valgrind.%p.log", self.dir().display()))
            .arg(self.which.program());
        command
    }

    fn write_config(&self) -> PathBuf {
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

const TRACE: &str = "strace.log";

/// With this variable set, nginx runs under valgrind, and what that finds in
/// the module fails a test.
const VALGRIND: &str = "REALPEER_E2E_VALGRIND";

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

/// A running nginx. Dropping it stops it, and fails the test if nginx had
/// something alarming to say.
#[derive(Debug)]
pub struct Nginx {
    process: Guard,
    site: Site,
    alerts_expected: bool,
    refusals_seen: Cell<usize>,
}

impl Nginx {
    pub fn dir(&self) -> &Path {
        self.site.dir()
    }

    pub fn error_log(&self) -> String {
        read_lossy(&self.dir().join("error.log"))
    }

    pub fn access_log(&self) -> String {
        read_lossy(&self.dir().join("access.log"))
    }

    /// A log of the test's own in the folder.
    pub fn log(&self, name: &str) -> String {
        read_lossy(&self.dir().join(name))
    }

    /// What it wrote to standard error while it started: its warnings.
    pub fn stderr(&self) -> String {
        read_lossy(&self.dir().join("stderr.log"))
    }

    /// The first line of the error log with `part` in it.
    #[track_caller]
    pub fn wait_for_error(&self, part: &str) -> String {
        wait_until(&format!("{part:?} in the error log"), || line_with(&self.error_log(), part))
    }

    /// The first line of the access log with `part` in it.
    #[track_caller]
    pub fn wait_for_access(&self, part: &str) -> String {
        wait_until(&format!("{part:?} in the access log"), || line_with(&self.access_log(), part))
    }

    /// All refusals logged so far.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.error_log().lines().filter_map(Refusal::parse).collect()
    }

    /// The refusals logged since this was asked last.
    pub fn new_refusals(&self) -> Vec<Refusal> {
        let all = self.refusals();
        let seen = self.refusals_seen.replace(all.len());
        all[seen..].to_vec()
    }

    /// The one refusal logged, once it is.
    #[track_caller]
    pub fn refusal(&self) -> Refusal {
        wait_until("a refusal in the error log", || (!self.refusals().is_empty()).then_some(()));
        let mut all = self.refusals();
        assert_eq!(all.len(), 1, "one line per refused connection: {all:#?}");
        all.remove(0)
    }

    /// What `worker` has asked of the kernel in its life, and how often.
    pub fn system_calls(&self, worker: u32) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        // PID NAME(ARGUMENTS) = RESULT
        for line in self.log(TRACE).lines() {
            let Some((pid, call)) = line.split_once(char::is_whitespace) else { continue };
            let Some((name, _)) = call.trim_start().split_once('(') else { continue };
            if pid == worker.to_string() {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
        calls
    }

    /// The workers that run now, old ones of a reload included.
    pub fn workers(&self) -> Vec<u32> {
        self.process.children()
    }

    /// Clock ticks of processor time that the only worker has used.
    pub fn worker_ticks(&self) -> u64 {
        match self.workers()[..] {
            [worker] => cpu_ticks(worker),
            ref others => panic!("one worker wanted: {others:?}"),
        }
    }

    /// Takes the configuration anew after `change`, and returns when new
    /// workers have taken over.
    pub fn reload(&mut self, change: impl FnOnce(&mut Site)) {
        let before = self.workers();
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(Signal::HUP);
        wait_until("new workers after a reload", || {
            self.workers().iter().any(|pid| !before.contains(pid)).then_some(())
        });
    }

    /// Asks for a reload that nginx must refuse, the `nth` in its life, and
    /// returns when it has.
    pub fn reload_refused(&mut self, nth: usize, change: impl FnOnce(&mut Site)) {
        change(&mut self.site);
        self.site.write_config();
        self.process.signal(Signal::HUP);
        wait_until("a refused reload", || {
            (self.error_log().matches("[emerg]").count() >= nth).then_some(())
        });
    }

    /// Asks it to end as `nginx -s quit` does, and does not wait.
    pub fn begin_quit(&self) {
        self.process.signal(Signal::QUIT);
        self.wait_for_error("gracefully shutting down");
    }

    /// Ends it as `nginx -s quit` does: connections finish first, and a worker
    /// complains about each it forgot. Its logs are complete then.
    pub fn quit(&mut self) {
        self.process.signal(Signal::QUIT);
        self.process.wait();
    }

    /// A test that makes nginx say `[alert]` or worse on purpose.
    pub fn expect_alerts(&mut self) {
        self.alerts_expected = true;
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let ports: Vec<u16> = self.site.ports.iter().map(Port::number).collect();
        let single = self.site.workers.contains("master_process off");
        wait_until("nginx to start", || {
            if let Some(status) = self.process.ended() {
                panic!("nginx did not start: {status}\n{}", self.stderr());
            }
            // The file is written when all listeners listen.
            let listens = self.dir().join("nginx.pid").exists();
            (listens && (single || !self.workers().is_empty())).then_some(())
        });
        let unused: Vec<_> = ports.iter().filter(|port| !is_listening(**port)).collect();
        assert!(unused.is_empty(), "claimed but not listened on: {unused:?}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.stop();
        if std::thread::panicking() {
            eprintln!("--- error log\n{}", tail(&self.error_log()));
            eprintln!("--- access log\n{}\n---", tail(&self.access_log()));
            return;
        }
        let log = self.error_log();
        let found: Vec<_> = log.lines().filter(|line| is_alarming(line)).collect();
        assert!(self.alerts_expected || found.is_empty(), "nginx is alarmed: {found:#?}");
        let findings = valgrind_findings(self.dir());
        assert!(findings.is_empty(), "{findings}");
    }
}

/// Whether a TCP socket of this machine listens on `port`, found without
/// connecting to it, which a server under test would notice.
pub(crate) fn is_listening(port: u16) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        fs::read_to_string(table).unwrap_or_default().lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().unwrap_or_default();
            let state = fields.nth(1).unwrap_or_default();
            state == "0A" && local.ends_with(&format!(":{port:04X}"))
        })
    })
}

/// Every complaint of valgrind that goes through the module.
fn valgrind_findings(dir: &Path) -> String {
    let names = fs::read_dir(dir).expect("own folder").filter_map(Result::ok);
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("valgrind."))
        .map(|entry| read_lossy(&entry.path()))
        // A line with nothing but the process id stands between two of them.
        .flat_map(|log| log.split("== \n").map(str::to_owned).collect::<Vec<_>>())
        .filter(|finding| finding.contains("realpeer"))
        .collect()
}

/// What no test may cause, unless it says so.
fn is_alarming(line: &str) -> bool {
    // Date, time, level: what stands behind may be a client's words.
    let level = line.split(' ').nth(2).unwrap_or_default();
    // What a client does wrong in a handshake can be critical to nginx.
    let handshake = line.contains("SSL_");
    matches!(level, "[crit]" | "[alert]" | "[emerg]") && !handshake
}

/// As much of a log as a failed test should show.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn line_with(log: &str, part: &str) -> Option<String> {
    log.lines().find(|line| line.contains(part)).map(str::to_owned)
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
