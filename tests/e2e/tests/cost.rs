//! What a connection costs, beside the server's own way with the same header.
//! DESIGN: no more system calls than native `proxy_protocol`. Times and more
//! counts are in docs/performance-servers.md.

use std::collections::BTreeMap;

use realpeer_e2e::{
    ApacheSite, Authority, Client, Mpm, Site, TlsClient, Upstream, V2, Which, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const CONNECTIONS: usize = 20;
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

type Calls = BTreeMap<String, usize>;

/// What the connections are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    Http,
    /// Several requests on each, and the header in a segment of its own.
    KeptAlive,
    Tls,
    Stream,
    /// With a header of nginx's own to the upstream.
    Relayed,
}

/// Both versions by turns.
fn header(n: usize) -> Vec<u8> {
    if n % 2 == 0 { v1(VISITOR, LISTENER) } else { V2::proxy(VISITOR, LISTENER).build() }
}

/// So many connections, one after the other.
fn visit(port: u16, talk: Talk, authority: &Authority, count: usize) {
    for n in 0..count {
        let mut client = Client::connect(port);
        match talk {
            Talk::Http => {
                client.send([&header(n)[..], LAST.as_bytes()].concat());
                assert_eq!(client.ending().response().status, 204);
            }
            Talk::KeptAlive => {
                client.send(header(n)).wait_until_taken();
                assert_eq!(client.get("/").status, 204);
                assert_eq!(client.get("/").status, 204);
                assert_eq!(client.send(LAST).ending().response().status, 204);
            }
            Talk::Tls => {
                let mut tls = TlsClient::fused(client, authority, &header(n));
                assert_eq!(tls.send(LAST).response().status, 204);
            }
            Talk::Stream | Talk::Relayed => {
                client.send([&header(n)[..], b"hello"].concat());
                client.ending();
            }
        }
    }
}

/// Sets up a server that reads the header in one of two ways.
fn set_up(
    site: &mut Site,
    talk: Talk,
    authority: &Authority,
    upstream: &Upstream,
    ours: bool,
) -> u16 {
    let port = site.port();
    let mut listen = format!("listen 127.0.0.1:{port}");
    if !ours {
        listen.push_str(" proxy_protocol");
    }
    let mut directives = if ours {
        "realpeer require all;".to_owned()
    } else {
        "set_real_ip_from 127.0.0.0/8;".to_owned()
    };
    match talk {
        Talk::Stream | Talk::Relayed => {
            let upstream = upstream.port();
            let sends = if talk == Talk::Relayed { "on" } else { "off" };
            site.stream(format!(
                "access_log off; proxy_protocol {sends}; \
                 server {{ {listen}; {directives} proxy_pass 127.0.0.1:{upstream}; }}"
            ));
            return port;
        }
        Talk::Tls => {
            listen.push_str(" ssl");
            directives.push_str(&site.certificate(authority));
        }
        Talk::Http | Talk::KeptAlive => {}
    }
    if !ours {
        directives.push_str("real_ip_header proxy_protocol;");
    }
    site.http(format!("access_log off; server {{ {listen}; {directives} return 204; }}"));
    port
}

fn answering() -> Upstream {
    Upstream::start(|mut stream| {
        use std::io::{Read, Write};
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"hello");
    })
}

fn site(which: Which, ours: bool) -> Site {
    if ours { Site::new(which) } else { Site::native(which) }
}

/// System calls of a worker that serves a number of connections and ends.
fn calls(which: Which, talk: Talk, ours: bool) -> Calls {
    let (authority, upstream) = (Authority::new(), answering());
    let mut site = site(which, ours);
    let port = set_up(&mut site, talk, &authority, &upstream, ours);
    site.traced();
    let mut nginx = site.start();
    let worker = nginx.workers()[0];
    visit(port, talk, &authority, CONNECTIONS);
    nginx.quit();
    nginx.system_calls(worker)
}

/// Each group of calls at most as often as the server itself calls it.
fn compare(ours: &Calls, native: &Calls, groups: &[&[&str]]) {
    let count = |calls: &Calls, group: &[&str]| -> usize {
        group.iter().filter_map(|&name| calls.get(name)).sum()
    };
    for group in groups {
        let (ours, native) = (count(ours, group), count(native, group));
        assert!(ours <= native, "{group:?}: {ours} times, by itself {native} times");
    }
}

fn compare_nginx(which: Which, talk: Talk, groups: &[&[&str]]) {
    let (ours, native) = (calls(which, talk, true), calls(which, talk, false));
    assert!(ours["accept4"] >= CONNECTIONS, "{ours:#?}");
    assert!(ours["recvfrom"] >= CONNECTIONS, "{ours:#?}");
    compare(&ours, &native, groups);
}

/// How often it waits depends on how fast the client is.
const PLAIN: [&[&str]; 12] = [
    &["accept4"],
    &["epoll_ctl"],
    &["recvfrom"],
    &["read"],
    &["ioctl"],
    &["setsockopt"],
    &["getsockname"],
    &["getpeername"],
    &["writev"],
    &["sendto"],
    &["shutdown"],
    &["close"],
];

/// How often it reads depends on how fast client and upstream are.
const PASSED_ON: [&[&str]; 9] = [
    &["accept4"],
    &["epoll_ctl"],
    &["setsockopt"],
    &["getsockopt"],
    &["getsockname"],
    &["getpeername"],
    &["socket"],
    &["connect"],
    &["close"],
];

on_each_nginx! {
    fn a_plain_connection_costs_no_more_than_native(which) {
        compare_nginx(which, Talk::Http, &PLAIN);
    }

    fn a_connection_kept_alive_costs_no_more_than_native(which) {
        compare_nginx(which, Talk::KeptAlive, &PLAIN);
    }

    /// Both look at the header and then take it off. Before TLS begins nginx
    /// looks at the first byte behind it, which it has seen already where it
    /// has read the header itself: one `recvfrom` more. But nginx asks how much
    /// is left in the socket when it takes the header off, and we do not: one
    /// `ioctl` less.
    fn a_tls_connection_costs_no_more_than_native(which) {
        let groups: [&[&str]; 7] = [
            &["accept4"], &["epoll_ctl"], &["recvfrom", "ioctl"], &["setsockopt"],
            &["getsockname"], &["getpeername"], &["close"],
        ];
        compare_nginx(which, Talk::Tls, &groups);
    }

    fn a_connection_passed_on_costs_no_more_than_native(which) {
        compare_nginx(which, Talk::Stream, &PASSED_ON);
    }

    fn a_header_sent_on_costs_no_more_than_native(which) {
        compare_nginx(which, Talk::Relayed, &PASSED_ON);
    }
}

/// mod_remoteip reads the header as part of the first request. We have it before
/// any other module sees the connection: it is looked at in the socket and taken
/// off, which is all that there is more.
#[test]
fn a_connection_to_apache_costs_two_looks_at_the_header() {
    let calls = |ours: bool| {
        let mut site =
            if ours { ApacheSite::new(Mpm::Prefork) } else { ApacheSite::native(Mpm::Prefork) };
        site.processes(
            "ServerLimit 1\nMaxRequestWorkers 1\nStartServers 1\nMinSpareServers 1\n\
             MaxSpareServers 1\n",
        );
        let policy = if ours {
            "RealPeer require all"
        } else {
            site.load("remoteip");
            "RemoteIPProxyProtocol On"
        };
        let port = site.host(&format!("{policy}\nRedirectMatch 204 ^/$"));
        site.traced();
        let mut apache = site.start();
        let worker = apache.workers()[0];
        visit(port, Talk::Http, &Authority::new(), CONNECTIONS);
        apache.stop();
        apache.system_calls(worker)
    };
    let (ours, native) = (calls(true), calls(false));
    assert!(ours["accept4"] >= CONNECTIONS, "{ours:#?}");
    assert_eq!(ours["recvfrom"], 2 * CONNECTIONS, "{ours:#?}");
    assert!(!native.contains_key("recvfrom"), "{native:#?}");
    // How often it reads in vain depends on how fast the client is.
    let groups: [&[&str]; 5] =
        [&["fcntl"], &["getsockname"], &["setsockopt"], &["shutdown"], &["write", "writev"]];
    compare(&ours, &native, &groups);
}
