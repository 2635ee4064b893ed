//! nginx with realpeer in http, stream and mail.

use std::path::Path;

use realpeer_e2e::{
    AuthHttp, PAGE, STREAM_PAGE, Site, StatusPage, Subsystem, Upstream, Watch, Which,
};
use rustix::process::{Resource, getrlimit};

use crate::clock::Clock;
use crate::places::PLACES;
use crate::server::{Kind, Needs, Running, Server};

pub fn start(folder: &Path, needs: &Needs) -> Server {
    let mut site = Site::new(Which::Built);
    site.watched(Watch::Plain, folder);
    let clock = needs.clock.then(|| Clock::new(site.dir()));
    // Who is not root can have no more than was allowed.
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = allowed.min(needs.files as u64);
    let mut main = format!("worker_processes {}; worker_rlimit_nofile {files};", needs.workers);
    for (name, value) in clock.iter().flat_map(Clock::environment) {
        site.environment(name, &value);
        main.push_str(&format!(" env {name};"));
    }
    site.main(&main);
    site.events(&format!("worker_connections {};", needs.connections));

    let auth = AuthHttp::refusing();
    let behind = Upstream::mirror();
    let status = site.port();
    let ports = [Kind::Http, Kind::Stream, Kind::Mail].map(|kind| (kind, site.port()));
    let limited = [Kind::Http, Kind::Stream].map(|kind| (kind, site.port()));
    let listen = |kind: Kind, port: u16| {
        // Mail has it not.
        let reuseport = if needs.reuseport && kind != Kind::Mail { "reuseport" } else { "" };
        format!("listen 127.0.0.1:{port} backlog={} {reuseport};", needs.backlog)
    };
    let rules = format!(
        "realpeer require all; realpeer_timeout {}ms; realpeer_log_limit off;",
        needs.timeout.as_millis()
    );
    let zone = |kind: &str| format!("limit_conn_zone $binary_remote_addr zone={kind}:1m;");
    site.http(format!(
        "{rules} {} access_log off;
         server {{ listen 127.0.0.1:{status}; realpeer off; stub_status; }}",
        zone("http")
    ));
    site.stream(format!("{rules} {} access_log off;", zone("stream")));
    site.mail(format!("{rules} {}", auth.directive()));
    for (kind, port) in ports {
        let (subsystem, serve) = match kind {
            Kind::Http => (Subsystem::Http, PAGE),
            Kind::Stream => (Subsystem::Stream, STREAM_PAGE),
            Kind::Mail => (Subsystem::Mail, "protocol pop3;"),
        };
        site.block(subsystem, format!("server {{ {} {serve} }}", listen(kind, port)));
    }
    for (kind, port) in limited {
        let behind = behind.port();
        let (subsystem, serve) = match kind {
            // A request is kept back until all of it has come.
            Kind::Http => {
                (Subsystem::Http, format!("location / {{ proxy_pass http://127.0.0.1:{behind}; }}"))
            }
            _ => (Subsystem::Stream, format!("proxy_pass 127.0.0.1:{behind};")),
        };
        site.block(
            subsystem,
            format!(
                "server {{ {} limit_conn {} {PLACES}; {serve} }}",
                listen(kind, port),
                kind.name()
            ),
        );
    }
    Server {
        running: Running::Nginx(site.start()),
        ports: ports.into(),
        limited: limited.into(),
        status: StatusPage::Nginx(status),
        workers: needs.workers,
        threads: 0,
        clock,
        _behind: Some((auth, behind)),
    }
}
