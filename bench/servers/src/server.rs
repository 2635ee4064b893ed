//! The servers, of which each is set up in the same way but for what becomes of
//! the header.

use std::collections::BTreeMap;

use realpeer_e2e::{Apache, ApacheSite, Authority, Mpm, Nginx, Site, Which};

use crate::case::{Case, Way};
use crate::load::{BYTES_BACK, Load, Talk};
use crate::profile::Profile;
use crate::usage::{Worked, most_connections};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Software {
    Nginx(Which),
    Apache(Mpm),
}

/// What is counted while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Nothing,
    Calls,
    Instructions,
}

/// What a server is to be like, apart from its case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) software: Software,
    pub(crate) counted: Counted,
    pub(crate) workers: usize,
    /// How many connections wait at once while instructions are counted.
    pub(crate) waiting: usize,
    /// Where stream passes connections on to.
    pub(crate) upstream: u16,
    /// How long a header may be, if not as long as realpeer lets it be by itself.
    pub(crate) max_header: Option<usize>,
}

impl Setup {
    pub(crate) fn new(software: Software, upstream: u16) -> Self {
        let counted = Counted::Nothing;
        Self { software, counted, workers: 1, waiting: 0, upstream, max_header: None }
    }
}

#[derive(Debug)]
enum Running {
    Nginx(Nginx),
    Apache(Apache),
}

/// A server that runs, and the clients that it is for.
#[derive(Debug)]
pub(crate) struct Server {
    running: Running,
    pub(crate) load: Load,
}

/// More than ever wait at once.
const BACKLOG: usize = 4096;

impl Server {
    pub(crate) fn start(setup: &Setup, case: &Case, way: Way) -> Self {
        match setup.software {
            Software::Nginx(which) => start_nginx(setup, which, case, way),
            Software::Apache(mpm) => start_apache(setup, mpm, case, way),
        }
    }

    pub(crate) fn workers(&self) -> Vec<u32> {
        match &self.running {
            Running::Nginx(nginx) => nginx.workers(),
            Running::Apache(apache) => apache.workers(),
        }
    }

    pub(crate) fn worked(&self) -> Worked {
        Worked::new(self.workers())
    }

    /// Serves one connection: the worker has opened by then what it keeps open, and
    /// closed what it does not.
    pub(crate) fn settle(&self) -> Worked {
        let worked = self.worked();
        self.load.one_by_one(&worked, 1);
        worked.wait_until_at_rest();
        worked
    }

    fn end(&mut self) {
        match &mut self.running {
            Running::Nginx(nginx) => nginx.quit(),
            Running::Apache(apache) => apache.stop(),
        };
    }

    /// Ends it and gives its instructions, by function.
    pub(crate) fn instructions(mut self) -> Profile {
        let worker = self.workers()[0];
        self.end();
        let file = match &self.running {
            Running::Nginx(nginx) => nginx.profile(worker),
            Running::Apache(apache) => apache.profile(worker),
        };
        Profile::read(&file)
    }

    /// Ends it and gives the system calls of all its threads, by their names.
    pub(crate) fn system_calls(mut self) -> BTreeMap<String, usize> {
        let threads: Vec<u32> = self.workers().into_iter().flat_map(threads).collect();
        self.end();
        let mut all = BTreeMap::new();
        for thread in threads {
            let calls = match &self.running {
                Running::Nginx(nginx) => nginx.system_calls(thread),
                Running::Apache(apache) => apache.system_calls(thread),
            };
            for (name, count) in calls {
                *all.entry(name).or_default() += count;
            }
        }
        all
    }
}

fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn start_nginx(setup: &Setup, which: Which, case: &Case, way: Way) -> Server {
    let realpeer = way == Way::Realpeer;
    let mut site = if realpeer { Site::new(which) } else { Site::native(which) };
    match setup.counted {
        Counted::Nothing => {}
        Counted::Calls => site.traced(),
        Counted::Instructions => site.counted(),
    }
    let port = site.port();
    site.main(&format!("worker_processes {};", setup.workers));
    let connections = match setup.counted {
        // valgrind has few descriptors to give.
        Counted::Instructions => setup.waiting + 100,
        // With few left it would close those that wait.
        _ => most_connections() * 5 / 4,
    };
    site.events(&format!("worker_connections {connections};"));

    let reuse = if setup.workers > 1 { "reuseport" } else { "" };
    let mut listen = format!("listen 127.0.0.1:{port} backlog={BACKLOG} {reuse}");
    let mut directives = match way {
        Way::Bare => String::new(),
        Way::Native if case.stream => "set_real_ip_from 127.0.0.0/8;".to_owned(),
        Way::Native => "set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol;".to_owned(),
        Way::Realpeer => "realpeer require 127.0.0.0/8;".to_owned(),
    };
    if way == Way::Native {
        listen.push_str(" proxy_protocol");
    }
    if case.tls() {
        listen.push_str(" ssl");
        directives.push_str(&site.certificate(&Authority::new()));
    }
    if let (Way::Realpeer, Some(longest)) = (way, setup.max_header) {
        directives.push_str(&format!("realpeer_max_header {longest};"));
    }
    // Nothing of what goes right is to be written down.
    let logs = format!("access_log off; error_log {}/error.log error;", site.dir().display());
    let timeouts = timeouts(way, case);
    if case.stream {
        let upstream = setup.upstream;
        site.stream(format!(
            "{logs} {timeouts} server {{ {listen}; {directives} proxy_pass 127.0.0.1:{upstream}; }}"
        ));
    } else {
        site.http(format!(
            "{logs} {timeouts} server {{ {listen}; {directives} \
             return 200 \"$remote_addr\\n\"; }}"
        ));
    }
    let load = load(case, way, port, answer_end(case, way));
    Server { running: Running::Nginx(site.start()), load }
}

/// Longer than anything is measured.
fn timeouts(way: Way, case: &Case) -> String {
    let mut text = match (case.stream, way) {
        (true, Way::Native) => "proxy_protocol_timeout 600s;".to_owned(),
        (true, _) => String::new(),
        (false, _) => "client_header_timeout 600s; keepalive_timeout 600s;".to_owned(),
    };
    if way == Way::Realpeer {
        text.push_str("realpeer_timeout 600s;");
    }
    text
}

fn start_apache(setup: &Setup, mpm: Mpm, case: &Case, way: Way) -> Server {
    let realpeer = way == Way::Realpeer;
    let mut site = if realpeer { ApacheSite::new(mpm) } else { ApacheSite::native(mpm) };
    match setup.counted {
        Counted::Nothing => {}
        Counted::Calls => site.traced(),
        Counted::Instructions => site.counted(),
    }
    site.processes(&processes(mpm));
    let mut directives = match way {
        Way::Bare => String::new(),
        Way::Native => "RemoteIPProxyProtocol On\n".to_owned(),
        Way::Realpeer => "RealPeer require 127.0.0.0/8\n".to_owned(),
    };
    if way == Way::Native {
        site.load("remoteip");
    }
    if let (Way::Realpeer, Some(longest)) = (way, setup.max_header) {
        directives.push_str(&format!("RealPeerMaxHeader {longest}\n"));
    }
    if way == Way::Realpeer {
        directives.push_str("RealPeerTimeout 600\n");
    }
    if case.tls() {
        directives.push_str(&site.certificate(&Authority::new()));
    }
    directives.push_str(
        "CustomLog /dev/null \"%a %>s\"\nRedirectMatch 204 ^/$\n\
         KeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 600\nTimeout 600\n\
         LogLevel warn\n",
    );
    site.config(format!("ListenBacklog {BACKLOG}"));
    let port = site.host(&directives);
    let load = load(case, way, port, b"\r\n\r\n".to_vec());
    Server { running: Running::Apache(site.start()), load }
}

/// One child, which never ends.
fn processes(mpm: Mpm) -> String {
    match mpm {
        Mpm::Prefork => "ServerLimit 1\nMaxRequestWorkers 1\nStartServers 1\n\
                         MinSpareServers 1\nMaxSpareServers 1\nMaxConnectionsPerChild 0\n"
            .to_owned(),
        Mpm::Event | Mpm::Worker => "ServerLimit 1\nThreadLimit 64\nThreadsPerChild 64\n\
                                     MaxRequestWorkers 64\nStartServers 1\n\
                                     MinSpareThreads 1\nMaxSpareThreads 64\n\
                                     MaxConnectionsPerChild 0\n"
            .to_owned(),
    }
}

fn load(case: &Case, way: Way, port: u16, answer_end: Vec<u8>) -> Load {
    let header = case.header(way);
    let apart = case.apart && !header.is_empty();
    Load { port, header, apart, talk: case.talk, answer_end }
}

/// Whom the server takes for its client.
fn answer_end(case: &Case, way: Way) -> Vec<u8> {
    match (case.talk, way) {
        (Talk::Bytes, _) => BYTES_BACK.to_vec(),
        (_, Way::Bare) => b"127.0.0.1\n".to_vec(),
        (_, Way::Native | Way::Realpeer) => b"192.0.2.7\n".to_vec(),
    }
}
