//! What a connection costs, beside nginx's own way with the same header.
//! DESIGN: no more system calls than native `proxy_protocol`.

use std::collections::BTreeMap;

use realpeer_e2e::{Authority, Client, Site, TlsClient, Which, on_each_nginx, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const CONNECTIONS: usize = 20;

/// System calls of a worker that serves a number of connections and ends.
fn calls(mut site: Site, listen: &str, directives: &str) -> BTreeMap<String, usize> {
    let authority = Authority::new();
    let port = site.port();
    let certificate = site.certificate(&authority);
    site.traced();
    site.http(format!(
        "access_log off;
         server {{ listen 127.0.0.1:{port} {listen}; {certificate} {directives} return 204; }}"
    ));
    let mut nginx = site.start();
    let worker = nginx.workers()[0];
    let header = v1(VISITOR, LISTENER);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(port);
        if listen.contains("ssl") {
            let mut tls = TlsClient::fused(client, &authority, &header);
            assert_eq!(tls.send(request).response().status, 204);
        } else {
            client.send([&header[..], request.as_bytes()].concat());
            assert_eq!(client.ending().response().status, 204);
        }
    }
    nginx.quit();
    nginx.system_calls(worker)
}

/// Each group of calls at most as often as nginx itself calls it.
fn compare(which: Which, listen: &str, groups: &[&[&str]]) {
    let ours = calls(Site::new(which), listen, "realpeer require all;");
    let native = calls(Site::native(which), &format!("{listen} proxy_protocol"), "");
    let count = |calls: &BTreeMap<String, usize>, group: &[&str]| -> usize {
        group.iter().filter_map(|&name| calls.get(name)).sum()
    };
    assert!(count(&ours, &["accept4"]) >= CONNECTIONS, "{ours:#?}");
    assert!(count(&ours, &["recvfrom"]) >= CONNECTIONS, "{ours:#?}");
    for group in groups {
        let (ours, native) = (count(&ours, group), count(&native, group));
        assert!(ours <= native, "{group:?}: {ours} times, nginx itself {native} times");
    }
}

on_each_nginx! {
    fn a_plain_connection_costs_no_more_than_native(which) {
        // How often it waits depends on how fast the client is.
        let groups: [&[&str]; 12] = [
            &["accept4"], &["epoll_ctl"], &["recvfrom"], &["read"], &["ioctl"], &["setsockopt"],
            &["getsockname"], &["getpeername"], &["writev"], &["sendto"], &["shutdown"], &["close"],
        ];
        compare(which, "", &groups);
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
        compare(which, "ssl", &groups);
    }
}
