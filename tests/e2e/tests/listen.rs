//! Every parameter and address of `listen`, before http, stream and mail. What
//! only http can show is in listeners.rs.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;

use realpeer_e2e::{
    Client, Dialogue, Front, Kind, PATIENCE, Site, Subsystem, Trio, V2, Vars, Which, on_each_nginx,
    v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "realpeer require all; realpeer_timeout 600s;";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn visit_between(front: &Front, source: &str, target: &str, port: u16, header: &[u8]) -> String {
    let mut client = Client::between(ip(source), SocketAddr::new(ip(target), port));
    client.send(header);
    front.ask(client).client
}

/// What a server of stream or mail says to a client on a unix socket.
fn ask_on_unix_socket(kind: Kind, socket: &Path, header: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.write_all(header).expect("a server that reads");
    if kind == Kind::Stream {
        let mut page = Vec::new();
        stream.read_to_end(&mut page).expect("a page");
        let page = Vars::new(&page);
        assert_eq!(page.var("proxy_addr"), "unix:");
        return page.var("remote_addr");
    }
    let mut dialogue = Dialogue::over(stream);
    assert!(dialogue.line().starts_with("+OK"));
    dialogue.say("USER a");
    dialogue.say("PASS b").replace("-ERR client ", "")
}

on_each_nginx! {
    fn accept_mutex_and_multi_accept(which) {
        for events in ["accept_mutex on;", "multi_accept on;", "accept_mutex on; multi_accept on;"] {
            let mut site = Site::new(which);
            site.main("worker_processes 2;");
            site.events(events);
            let trio = Trio::new(&mut site);
            trio.write(&mut site, "", REQUIRE);
            let mut nginx = site.start();
            let workers = nginx.workers();
            for _ in 0..3 {
                trio.waiting().must_be_served_by(&workers);
            }
            nginx.quit();
            assert_eq!(nginx.refusals(), []);
        }
    }

    /// A socket for each worker, all with the policy. Mail has none.
    fn reuseport(which) {
        let mut site = Site::new(which);
        site.main("worker_processes 4;");
        let front = Front::new(Kind::Stream);
        let port = site.port();
        front.add(&mut site, &format!("127.0.0.1:{port} reuseport"), REQUIRE);
        let mut nginx = site.start();
        let mut met = std::collections::HashSet::new();
        for attempt in 0.. {
            assert!(attempt < 2000, "only {} of 4 workers were met", met.len());
            let seen = front.visit(port, &v1(VISITOR, LISTENER));
            assert_eq!(seen.client, "192.0.2.7");
            met.insert(seen.var("pid"));
            if met.len() == 4 {
                break;
            }
        }
        nginx.reload(|_| {});
        assert_eq!(front.visit(port, &v1(VISITOR, LISTENER)).client, "192.0.2.7");
        nginx.quit();
    }

    /// The header is there when the connection is accepted. Mail has none, and
    /// stream only from 1.25.5 on.
    fn deferred(which) {
        for kind in [Kind::Http, Kind::Https, Kind::Stream, Kind::StreamTls] {
            if which == Which::Debian && kind.subsystem() == Subsystem::Stream {
                continue;
            }
            for events in ["", "accept_mutex on;"] {
                let mut site = Site::new(which);
                site.events(events);
                let front = Front::new(kind);
                let port = site.port();
                front.add(&mut site, &format!("127.0.0.1:{port} deferred"), REQUIRE);
                let _nginx = site.start();
                let header = V2::proxy(VISITOR, LISTENER).build();
                for cut in [0, 1, 14, 20] {
                    let mut client = Client::connect(port);
                    client.send_pieces([&header[..cut]]).send(&header[cut..]);
                    assert_eq!(front.ask(client).client, "192.0.2.7", "{kind:?} {events} {cut}");
                }
            }
        }
    }

    /// nginx makes one socket of a wildcard and the addresses it covers.
    fn a_wildcard_and_addresses_of_one_port(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        for (front, port) in trio.each() {
            front.add(&mut site, &port.to_string(), "realpeer require 127.0.0.1;");
            front.add(&mut site, &format!("127.0.0.2:{port}"), "realpeer strip all;");
            front.add(&mut site, &format!("127.0.0.3:{port}"), "realpeer refuse all;");
            front.add(&mut site, &format!("127.0.0.4:{port}"), "");
        }
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        for (front, port) in trio.each() {
            let to = |target: &str| visit_between(front, "127.0.0.1", target, port, &header);
            assert_eq!(to("127.0.0.1"), "192.0.2.7");
            assert_eq!(to("127.0.0.2"), "127.0.0.1");
            assert_eq!(visit_between(front, "127.0.0.1", "127.0.0.4", port, b""), "127.0.0.1");
            assert_eq!(nginx.new_refusals(), []);
            let target = SocketAddr::new(ip("127.0.0.3"), port);
            Client::between(ip("127.0.0.1"), target).must_be_closed();
            let refusals = nginx.new_refusals();
            assert_eq!(refusals[0].result, "untrusted");
            assert_eq!(refusals[0].listener, target.to_string());
            let target = SocketAddr::new(ip("127.0.0.5"), port);
            Client::between(ip("127.0.0.1"), target).send("hello, world").must_be_closed();
            let refusals = nginx.new_refusals();
            assert_eq!(refusals[0].result, "no_header");
            assert_eq!(refusals[0].listener, format!("0.0.0.0:{port}"));
        }
    }

    /// The same with two addresses of IPv6.
    fn a_wildcard_and_an_address_of_ipv6(which) {
        let mut site = Site::new(which);
        let trio = Trio::new(&mut site);
        for (front, port) in trio.each() {
            front.add(&mut site, &format!("[::]:{port} ipv6only=off"), "realpeer require all;");
            front.add(&mut site, &format!("[::1]:{port}"), "realpeer strip all;");
        }
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        for (front, port) in trio.each() {
            assert_eq!(visit_between(front, "127.0.0.1", "127.0.0.1", port, &header), "192.0.2.7");
            assert_eq!(visit_between(front, "::1", "::1", port, &header), "::1");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// Peers of a dual-stack socket are v4-mapped; rules are written for IPv4.
    fn ipv6only_off_and_on(which) {
        let mut site = Site::new(which);
        let (both, only) = (Trio::new(&mut site), Trio::new(&mut site));
        let rules = "realpeer require 127.0.0.0/29; realpeer strip ::1;";
        for (front, port) in both.each() {
            front.add(&mut site, &format!("[::]:{port} ipv6only=off"), rules);
        }
        for (front, port) in only.each() {
            front.add(&mut site, &format!("[::]:{port} ipv6only=on"), rules);
        }
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        for (front, port) in both.each() {
            assert_eq!(visit_between(front, "127.0.0.2", "127.0.0.1", port, &header), "192.0.2.7");
            assert_eq!(visit_between(front, "::1", "::1", port, &header), "::1");
            let mut client = Client::from("127.0.0.9", port);
            let own = client.local().port();
            client.send(&header).must_be_closed();
            let refusals = nginx.new_refusals();
            assert_eq!(refusals[0].result, "untrusted");
            assert_eq!(refusals[0].peer, format!("[::ffff:127.0.0.9]:{own}"));
        }
        for (front, port) in only.each() {
            assert_eq!(visit_between(front, "::1", "::1", port, &header), "::1");
        }
        assert_eq!(nginx.new_refusals(), []);
    }

    fn unix_listeners(which) {
        let mut site = Site::new(which);
        let fronts = [Kind::Stream, Kind::Mail].map(Front::new);
        let path = |name: &str, front: &Front| format!("{name}-{:?}", front.kind());
        for front in &fronts {
            for (name, rules) in [
                ("named", "realpeer require unix:;"),
                ("all", "realpeer require all;"),
                ("other", "realpeer require 0.0.0.0/0 ::/0;"),
            ] {
                let socket = site.dir().join(path(name, front)).display().to_string();
                front.add(&mut site, &format!("unix:{socket}"), rules);
            }
        }
        let mut nginx = site.start();
        for front in &fronts {
            let kind = front.kind();
            for name in ["named", "all"] {
                let socket = nginx.dir().join(path(name, front));
                for (header, client) in [
                    (v1(VISITOR, LISTENER), "192.0.2.7"),
                    (V2::proxy("[2001:db8::7]:1", "[2001:db8::1]:2").build(), "2001:db8::7"),
                    (V2::local().build(), "unix:"),
                    (b"PROXY UNKNOWN\r\n".to_vec(), "unix:"),
                ] {
                    assert_eq!(ask_on_unix_socket(kind, &socket, &header), client, "{kind:?}");
                }
            }
            let socket = nginx.dir().join(path("other", front));
            let mut stream = UnixStream::connect(&socket).expect("a listener");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "{answer:?}");
            let refusals = nginx.new_refusals();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert_eq!(refusals[0].result, "untrusted");
            assert_eq!(refusals[0].peer, "unix:");
            assert_eq!(refusals[0].listener, format!("unix:{}", socket.display()));
        }
        nginx.quit();
    }
}
