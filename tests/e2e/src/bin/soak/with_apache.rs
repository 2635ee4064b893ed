//! Apache with mod_realpeer.

use std::collections::BTreeMap;
use std::path::Path;

use realpeer_e2e::{ApacheSite, Authority, Mpm, StatusPage, Watch};

use crate::server::{POLICIES, Running, Server};
use crate::target::{APACHE, Target};

const WIDE: &str = "RealPeerMaxHeader 65551\nRealPeerVersions 2\n\
                    RealPeerNoAddress refuse\nRealPeerTimeout 200ms\n";

/// With prefork, which serves one client in each. The clients are more.
const CHILDREN: usize = 8;

pub fn start(mpm: Mpm, watch: Watch, folder: &Path) -> (Running, Server) {
    let mut site = ApacheSite::new(mpm);
    site.watched(watch, folder);
    for module in ["reqtimeout", "status"] {
        site.load(module);
    }
    // Under a tool one process does everything, `httpd -X`; that of prefork would
    // have one client after the other.
    let alone = watch != Watch::Plain && mpm != Mpm::Prefork;
    if alone {
        site.single();
    }
    site.processes(&processes(mpm));

    let authority = Authority::new();
    let targets = APACHE.iter().flat_map(|column| column.targets);
    let ports: BTreeMap<_, _> = targets.map(|target| (*target, site.port())).collect();
    let status = site.port();
    let dir = site.dir().display().to_string();
    for (policy, source) in POLICIES {
        site.config(format!("RealPeer {policy} 127.0.{source}.0/24"));
    }
    // The log names connections by numbers of their own: ports are used again.
    site.config(format!(
        "RealPeerTimeout 2s\nRealPeerLogLimit off\nRealPeerTLV hex_0xEA\n\
         Timeout 2\nKeepAliveTimeout 1\nMaxMemFree 16\nRequestReadTimeout header=1 body=1\n\
         ErrorLogFormat \"[%t] [%-m:%l] [pid %P:tid %T] [client\\ %a] *%{{c}}L %M\"\n\
         LogFormat \"%{{local}}p %{{REALPEER_RESULT}}e %{{REALPEER_TLV_AUTHORITY}}e \
         %{{REALPEER_TLV_SSL_CN}}e %{{REALPEER_TLV_AWS_VPCE_ID}}e \
         %{{REALPEER_TLV_HEX_0XEA}}e\" soak\n\
         Listen 127.0.0.1:{status}\n<VirtualHost 127.0.0.1:{status}>\n\
         RealPeer off\nCustomLog /dev/null soak\n\
         <Location /status>\nSetHandler server-status\n</Location>\n</VirtualHost>"
    ));
    for (target, port) in &ports {
        let special = match target {
            Target::Https => site.certificate(&authority),
            Target::HttpWide => WIDE.to_owned(),
            _ => String::new(),
        };
        site.config(format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n\
             CustomLog {dir}/soak.http soak\n{special}</VirtualHost>"
        ));
    }
    let server = Server {
        authority,
        columns: &APACHE,
        ports,
        status: StatusPage::Apache(status),
        auth: None,
        _behind: None,
    };
    let processes = match (alone, mpm) {
        (true, _) => 1,
        (false, Mpm::Prefork) => 1 + CHILDREN,
        (false, _) => 2,
    };
    (Running::Apache(site.start(), processes), server)
}

/// So many that none is started or ended meanwhile. The mutex that prefork would
/// take is none that valgrind knows.
fn processes(mpm: Mpm) -> String {
    match mpm {
        Mpm::Prefork => format!(
            "Mutex fcntl:. mpm-accept\nServerLimit {CHILDREN}\nMaxRequestWorkers {CHILDREN}\nStartServers {CHILDREN}\n\
             MinSpareServers 1\nMaxSpareServers {CHILDREN}\n"
        ),
        Mpm::Event | Mpm::Worker => "ServerLimit 1\nThreadsPerChild 32\nMaxRequestWorkers 32\n\
                                     StartServers 1\nMinSpareThreads 1\nMaxSpareThreads 32\n"
            .to_owned(),
    }
}
