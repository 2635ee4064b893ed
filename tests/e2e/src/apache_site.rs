//! The configuration of an Apache, in a folder of its own.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::apache::Apache;
use crate::apache_page::{SCRIPT, page, usual_page};
use crate::certificates::Authority;
use crate::check::Check;
use crate::faults::{Faults, Faulty, Preload};
use crate::folder::Folder;
use crate::instruments::Counting;
use crate::mpm::{Mpm, packaged_module, program};
use crate::process::{must_exist, unprivileged};
use crate::watch::Watch;
use crate::which::root;

/// With this variable set, that file is loaded as mod_realpeer: another build.
const MODULE: &str = "REALPEER_E2E_MOD_REALPEER";

/// The file with what the test has said; its first line includes the rest.
pub(crate) const CONFIG: &str = "httpd.conf";

/// What every site needs, in the order of the packaged server.
const MODULES: [&str; 5] = ["authz_core", "authz_host", "alias", "include", "setenvif"];

/// An Apache to be: ports and a folder first, then the configuration, which
/// needs both, then [`start`](ApacheSite::start) or
/// [`check`](ApacheSite::check).
///
/// At `/` it has a page with what it knows of the connection; whatever else
/// is asked for is not found.
#[derive(Debug)]
pub struct ApacheSite {
    mpm: Mpm,
    folder: Folder,
    module: Option<PathBuf>,
    modules: BTreeSet<&'static str>,
    processes: String,
    config: String,
    watched: Option<(Watch, PathBuf)>,
    preload: Option<Preload>,
    environment: Vec<(String, String)>,
    counting: Option<Counting>,
    single: bool,
}

impl ApacheSite {
    /// Apache with mod_realpeer.
    pub fn new(mpm: Mpm) -> Self {
        let module = env::var_os(MODULE)
            .map_or_else(|| root().join("build/apache/mod_realpeer.so"), PathBuf::from);
        must_exist(&module, "make apache");
        Self { module: Some(module), ..Self::native(mpm) }
    }

    /// Apache as everybody has it, to compare with.
    pub fn native(mpm: Mpm) -> Self {
        let site = Self {
            mpm,
            folder: Folder::new(),
            module: None,
            modules: BTreeSet::from(MODULES),
            processes: mpm.processes().to_owned(),
            config: String::new(),
            watched: None,
            preload: None,
            environment: Vec::new(),
            counting: None,
            single: false,
        };
        site.file("page", &usual_page());
        fs::create_dir(site.dir().join("nothing")).expect("own folder");
        site
    }

    pub fn mpm(&self) -> Mpm {
        self.mpm
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A free port that stays claimed as long as this Apache lives. The site
    /// has to listen on it.
    pub fn port(&mut self) -> u16 {
        self.folder.port()
    }

    /// Writes a file into the folder and gives its path for the configuration.
    pub fn file(&self, name: &str, content: &str) -> String {
        self.folder.file(name, content)
    }

    /// A certificate for `localhost` as directives of a virtual host that
    /// speaks TLS.
    pub fn certificate(&mut self, authority: &Authority) -> String {
        self.load("ssl");
        let [pem, key] = self.folder.certificate(authority);
        format!("SSLEngine on\nSSLCertificateFile {pem}\nSSLCertificateKeyFile {key}\n")
    }

    /// Loads one of the packaged modules, named as for `a2enmod`.
    pub fn load(&mut self, name: &'static str) {
        self.modules.insert(name);
    }

    /// Loads this mod_realpeer instead.
    pub fn load_realpeer(&mut self, file: PathBuf) {
        self.module = Some(file);
    }

    /// Runs it under `watch`, with the build in `folder` that belongs to it.
    pub fn watched(&mut self, watch: Watch, folder: &Path) {
        self.load_realpeer(folder.join("mod_realpeer.so"));
        self.watched = Some((watch, folder.to_owned()));
    }

    /// Has it run out of something when the test says so.
    pub fn faults(&mut self, what: Faulty) -> Faults {
        let (faults, preload) = Faults::prepare(what, self.dir());
        self.preload = Some(preload);
        faults
    }

    /// Starts it with this in its environment.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Counts its system calls, see [`Apache::system_calls`].
    pub fn traced(&mut self) {
        self.counting = Some(Counting::Calls);
    }

    /// Counts its instructions, see [`Apache::instructions`].
    pub fn counted(&mut self) {
        self.counting = Some(Counting::Instructions);
    }

    /// One process does everything, as with `httpd -X`.
    pub fn single(&mut self) {
        self.single = true;
    }

    pub(crate) fn is_single(&self) -> bool {
        self.single
    }

    /// Replaces the few processes and threads of a test by directives.
    pub fn processes(&mut self, directives: &str) {
        directives.clone_into(&mut self.processes);
    }

    /// Has the page at `/` say these instead: a name, and the variable with the
    /// value.
    pub fn front_page(&self, variables: &[(&str, &str)]) {
        self.file("page", &page(variables.iter().copied()));
    }

    /// A page at `/page/NAME` with the values of variables, one `name=value` a
    /// line.
    pub fn page(&self, name: &str, variables: &[&str]) {
        self.file(&format!("page-{name}"), &page(variables.iter().map(|name| (*name, *name))));
    }

    /// A CGI script at `/cgi/env` that tells its environment, one `NAME=value`
    /// a line.
    pub fn cgi(&mut self) {
        self.load(self.mpm.cgi());
        let script = self.file("env", SCRIPT);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("own folder");
        self.config(format!("ScriptAlias /cgi/env {script}"));
    }

    /// Adds to the configuration. The first line added is the second of the
    /// file.
    pub fn config(&mut self, directives: impl AsRef<str>) {
        self.config.push_str(directives.as_ref());
        self.config.push('\n');
    }

    /// Changes what was added so far, for a restart.
    pub fn rewrite(&mut self, change: impl FnOnce(&str) -> String) {
        self.config = change(&self.config);
    }

    /// Listens on `127.0.0.1` and a port of its own, with a virtual host that
    /// has these directives.
    pub fn host(&mut self, directives: &str) -> u16 {
        let port = self.port();
        self.config(format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{directives}\n</VirtualHost>"
        ));
        port
    }

    /// The same with TLS.
    pub fn tls_host(&mut self, authority: &Authority, directives: &str) -> u16 {
        let certificate = self.certificate(authority);
        self.host(&format!("{certificate}{directives}"))
    }

    /// Starts it, and returns when every listener listens.
    #[track_caller]
    pub fn start(self) -> Apache {
        self.write_config();
        let stderr = fs::File::create(self.dir().join("stderr.log")).expect("own folder");
        let mut command = self.command();
        // As our own child, whose end can be waited for.
        command.arg(if self.single { "-X" } else { "-DFOREGROUND" });
        command.stderr(Stdio::from(stderr));
        Apache::new(command, self)
    }

    /// What `apache2 -t` says of it.
    pub fn check(&self) -> Check {
        self.write_config();
        let output = self.command().arg("-t").output().expect("apache2 -t runs");
        Check::of_apache(&output, self.dir())
    }

    fn command(&self) -> Command {
        let mut command = match (&self.watched, self.counting) {
            (Some((watch, _)), _) => watch.command(&program(), self.dir()),
            (None, Some(counting)) => counting.command(&program(), self.dir()),
            (None, None) => Command::new(program()),
        };
        let of_tool: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let preload = self.watched.as_ref().and_then(|(watch, folder)| watch.preload(folder));
        let faults = self.preload.as_ref().map(|faults| faults.environment(preload.clone()));
        command
            .arg("-f")
            .arg(self.dir().join(CONFIG))
            // Nothing of the system's own configuration, nor of who runs this.
            .env_clear()
            .envs(of_tool)
            .envs(preload.map(|files| ("LD_PRELOAD", files)))
            .envs(faults.into_iter().flatten())
            .envs(self.environment.iter().cloned())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.folder.ports()
    }

    pub(crate) fn write_config(&self) {
        let base = self.file("base.conf", &self.base());
        self.file(CONFIG, &format!("Include {base}\n{}", self.config));
    }

    /// All but what the test is about.
    fn base(&self) -> String {
        let dir = self.dir().display();
        let mpm = self.mpm.name();
        let mut base = format!(
            "ServerRoot {dir}\nDefaultRuntimeDir {dir}\nPidFile {dir}/httpd.pid\n\
             ServerName localhost\nDocumentRoot {dir}/nothing\n\
             ErrorLog {dir}/error.log\nLogLevel info\n"
        );
        let mut line = |text: std::fmt::Arguments<'_>| writeln!(base, "{text}").expect("memory");
        if let Some((user, group)) = unprivileged() {
            line(format_args!("User {user}\nGroup {group}"));
        }
        let mpm_module = packaged_module(&format!("mpm_{mpm}"));
        line(format_args!("LoadModule mpm_{mpm}_module {}", mpm_module.display()));
        for name in &self.modules {
            line(format_args!("LoadModule {name}_module {}", packaged_module(name).display()));
        }
        if let Some(module) = &self.module {
            line(format_args!("LoadModule realpeer_module {}", module.display()));
        }
        if self.modules.contains("http2") {
            // mod_include's pages lose their memory while they are read, and
            // httpd crashes, with no module of ours as well: docs/apache.md.
            line(format_args!("EnableMMAP Off"));
        }
        line(format_args!("{}", self.processes));
        line(format_args!("LogFormat {} e2e\nCustomLog {dir}/access.log e2e", quoted(LOG)));
        line(format_args!(
            "<Directory {dir}>\nRequire all granted\nOptions +Includes +ExecCGI\n\
             SetOutputFilter INCLUDES\nForceType text/plain\n</Directory>\n\
             AliasMatch ^/$ {dir}/page\nAliasMatch ^/page/(.*)$ {dir}/page-$1"
        ));
        base
    }
}

/// As nginx's in these tests, and who the connection's peer is, which is what
/// the modules that look at connections go by.
const LOG: &str = "%a:%{remote}p %{REALPEER_RESULT}e %{REALPEER_POLICY}e \
                   %{REALPEER_PROXY_ADDR}e:%{REALPEER_PROXY_PORT}e %>s \"%r\" %{c}a";

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
