//! Apache with mod_realpeer.

use std::path::Path;

use realpeer_e2e::{ApacheSite, Mpm, StatusPage, Watch};

use crate::clock::Clock;
use crate::server::{Kind, Needs, Running, Server, WORKERS};

/// Of each child of event and worker.
pub const THREADS: usize = 32;
/// Children of prefork.
pub const PREFORK: usize = 32;
/// That event is allowed without a thread for each.
pub const EVENT_CONNECTIONS: usize = 12_500;

pub fn start(mpm: Mpm, folder: &Path, needs: &Needs) -> Server {
    let mut site = ApacheSite::new(mpm);
    site.watched(Watch::Plain, folder);
    site.load("reqtimeout");
    site.load("status");
    site.processes(&processes(mpm));
    let clock = needs.clock.then(|| Clock::new(site.dir()));
    for (name, value) in clock.iter().flat_map(Clock::environment) {
        site.environment(name, &value);
    }
    let status = site.port();
    // A connection is handed over though nothing has been sent on it.
    site.config(format!(
        "AcceptFilter http none\nListenBacklog {}\nRealPeer require all\n\
         RealPeerTimeout {}ms\nRealPeerLogLimit off\nCustomLog /dev/null e2e\nMaxMemFree 16\n\
         Listen 127.0.0.1:{status}\n<VirtualHost 127.0.0.1:{status}>\nRealPeer off\n\
         <Location /status>\nSetHandler server-status\n</Location>\n</VirtualHost>",
        needs.backlog,
        needs.timeout.as_millis()
    ));
    let port = site.host("");
    Server {
        running: Running::Apache(site.start()),
        ports: vec![(Kind::Http, port)],
        limited: Vec::new(),
        status: StatusPage::Apache(status),
        workers: WORKERS,
        threads: match mpm {
            Mpm::Prefork => PREFORK as u64,
            _ => (WORKERS * THREADS) as u64,
        },
        clock,
        _behind: None,
    }
}

/// So many that none is started or ended meanwhile, but for one that is killed,
/// after which there shall be another.
fn processes(mpm: Mpm) -> String {
    match mpm {
        Mpm::Prefork => format!(
            "ServerLimit {PREFORK}\nMaxRequestWorkers {PREFORK}\nStartServers {PREFORK}\n\
             MinSpareServers {PREFORK}\nMaxSpareServers {}\n",
            PREFORK + 1
        ),
        Mpm::Event | Mpm::Worker => {
            let all = WORKERS * THREADS;
            let factor = match mpm {
                Mpm::Event => {
                    format!("AsyncRequestWorkerFactor {}\n", EVENT_CONNECTIONS / THREADS)
                }
                _ => String::new(),
            };
            format!(
                "ServerLimit {WORKERS}\nThreadsPerChild {THREADS}\nMaxRequestWorkers {all}\n\
                 StartServers {WORKERS}\nMinSpareThreads {all}\nMaxSpareThreads {}\n{factor}",
                all + THREADS
            )
        }
    }
}
