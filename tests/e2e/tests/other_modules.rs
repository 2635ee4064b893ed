//! Other modules that have a handler of their own on the listening sockets,
//! loaded before ours and after. A policy is kept to either way.

use std::net::SocketAddr;
use std::path::PathBuf;

use realpeer_e2e::{
    Client, Ending, Front, Kind, Nginx, Site, Subsystem, Trio, Which, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const ELSEWHERE: &str = "realpeer require 10.9.9.9;";

/// What the other module does with the servers of a socket.
const MODES: [&str; 2] = ["keep", "own"];

#[derive(Debug, Clone, Copy)]
enum Loaded {
    Before,
    After,
}

/// nginx's own modules, ours, and the other one.
fn modules(which: Which, site: &Site, loaded: Loaded) -> Vec<PathBuf> {
    let native = Subsystem::ALL.into_iter().filter_map(|own| which.native_module(own));
    let ours = Subsystem::ALL.map(|own| which.module(own));
    let other = [which.other_module("wrap", site.dir())];
    match loaded {
        Loaded::Before => native.chain(other).chain(ours).collect(),
        Loaded::After => native.chain(ours).chain(other).collect(),
    }
}

fn site(which: Which, loaded: Loaded, mode: &str) -> Site {
    let mut site = Site::new(which);
    let modules = modules(which, &site, loaded);
    site.load_modules(modules);
    site.main(&format!("worker_processes 1; other_handler {mode};"));
    site
}

/// The other module has been called, once for each of these clients.
#[track_caller]
fn other_has_seen(nginx: &Nginx, clients: &[&str]) {
    let log = nginx.error_log();
    let seen: Vec<_> = log
        .lines()
        .filter_map(|line| Some(line.split_once("other module: client ")?.1))
        .map(|rest| rest.split(',').next().unwrap_or_default())
        .collect();
    assert_eq!(seen, clients);
}

on_each_nginx! {
    /// Nothing but a policy refuses: what is served answers at once.
    fn a_source_without_a_rule_is_refused_by_all_subsystems(which) {
        for loaded in [Loaded::Before, Loaded::After] {
            for mode in MODES {
                let mut site = site(which, loaded, mode);
                let trio = Trio::new(&mut site);
                trio.write(&mut site, "", ELSEWHERE);
                let nginx = site.start();
                for (front, port) in trio.each() {
                    let mut client = Client::connect(port);
                    client.send(front.kind().words());
                    let what = format!("{:?}, {loaded:?}, {mode}", front.kind());
                    assert_eq!(client.ending(), Ending::Unanswered, "{what}");
                    let refusal = nginx.new_refusals().pop().expect("a refusal");
                    assert_eq!(refusal.result, "untrusted", "{what}");
                    assert_eq!(refusal.listener, format!("127.0.0.1:{port}"), "{what}");
                }
            }
        }
    }

    /// Both modules have their say, and the one that comes second sees the
    /// client where that is the other one.
    fn both_modules_get_each_connection(which) {
        for (loaded, seen) in [(Loaded::Before, "192.0.2.7"), (Loaded::After, "127.0.0.1")] {
            for mode in MODES {
                let mut site = site(which, loaded, mode);
                let trio = Trio::new(&mut site);
                trio.write(&mut site, "", "realpeer require all;");
                let mut nginx = site.start();
                trio.must_serve();
                trio.must_serve();
                nginx.quit();
                other_has_seen(&nginx, &[seen; 6]);
            }
        }
    }

    /// One socket for a wildcard and the addresses that it covers, sockets of
    /// their own, one for each worker, and some without a policy.
    fn every_kind_of_socket_has_its_policy(which) {
        for loaded in [Loaded::Before, Loaded::After] {
            for mode in MODES {
                for front in Kind::PLAIN.map(Front::new) {
                    let mut site = site(which, loaded, mode);
                    site.main(&format!("worker_processes 2; other_handler {mode};"));
                    let (wild, own, plain) = (site.port(), site.port(), site.port());
                    // Sockets of their own beside that of "*" need it on Linux,
                    // and mail does not know it.
                    let reuseport =
                        if front.kind() == Kind::Mail { "" } else { "reuseport" };
                    let mut listens = vec![
                        (format!("0.0.0.0:{wild} {reuseport}"), ELSEWHERE),
                        (format!("127.0.0.2:{wild}"), "realpeer require all;"),
                        (format!("127.0.0.3:{wild}"), ""),
                        (format!("127.0.0.1:{own}"), ELSEWHERE),
                        (format!("127.0.0.1:{plain}"), ""),
                    ];
                    let mut clients = vec!["127.0.0.2"];
                    if front.kind() != Kind::Mail {
                        listens.push((
                            format!("127.0.0.4:{wild} {reuseport}"),
                            "realpeer require all;",
                        ));
                        clients.push("127.0.0.4");
                    }
                    for (listen, directives) in &listens {
                        front.add(&mut site, listen, directives);
                    }
                    let nginx = site.start();
                    let to = |address: &str, port| {
                        let target = SocketAddr::new(address.parse().expect("an address"), port);
                        Client::between("127.0.0.1".parse().expect("an address"), target)
                    };
                    let what = format!("{:?}, {loaded:?}, {mode}", front.kind());
                    for port in [wild, own] {
                        let mut client = to("127.0.0.1", port);
                        client.send(front.kind().words());
                        assert_eq!(client.ending(), Ending::Unanswered, "{what}");
                        assert_eq!(nginx.new_refusals().len(), 1, "{what}");
                    }
                    for (address, port) in [("127.0.0.3", wild), ("127.0.0.1", plain)] {
                        assert_eq!(front.ask(to(address, port)).client, "127.0.0.1", "{what}");
                    }
                    for address in clients {
                        let mut client = to(address, wild);
                        client.send(v1(VISITOR, LISTENER));
                        assert_eq!(front.ask(client).client, "192.0.2.7", "{what} {address}");
                    }
                    assert_eq!(nginx.new_refusals(), [], "{what}");
                }
            }
        }
    }

    /// Whether a module that comes later calls ours is for that module to say.
    fn a_module_that_came_later_is_warned_of(which) {
        let mut before = site(which, Loaded::Before, "own");
        let trio = Trio::new(&mut before);
        trio.write(&mut before, "", ELSEWHERE);
        let check = before.check();
        assert!(check.passed);
        assert_eq!(check.messages, [""; 0]);

        let mut after = site(which, Loaded::After, "keep");
        let trio = Trio::new(&mut after);
        trio.write(&mut after, "", ELSEWHERE);
        let plain = after.port();
        after.http(format!("server {{ listen 127.0.0.1:{plain}; }}"));
        let check = after.check();
        assert!(check.passed);
        let warned = trio.ports.map(|port| {
            format!(
                "[warn] another module handles connections to 127.0.0.1:{port} before \
                 \"realpeer\", which takes effect only if that module calls the previous \
                 handler: load it before realpeer"
            )
        });
        assert_eq!(check.messages, warned);
    }

    /// A reload stands in for the handlers anew, and forgets nothing.
    fn a_reload_keeps_both_modules(which) {
        for loaded in [Loaded::Before, Loaded::After] {
            let mut site = site(which, loaded, "own");
            let trio = Trio::new(&mut site);
            trio.write(&mut site, "", "realpeer require all; realpeer_timeout 600s;");
            let mut nginx = site.start();
            trio.must_serve();
            let waiting = trio.waiting();
            let old = nginx.workers();
            nginx.reload(|_| {});
            trio.must_serve();
            assert_ne!(nginx.workers(), old);
            waiting.must_be_served_by(&old);
            trio.must_serve();
        }
    }

    /// What cannot be kept to is refused, with the place of the directive.
    fn a_policy_without_a_socket_of_its_own_is_refused(which) {
        for front in Kind::PLAIN.map(Front::new) {
            let name = front.kind().subsystem().name();
            let mut twice = site(which, Loaded::Before, "twice");
            let port = front.add_port(&mut twice, ELSEWHERE);
            let check = twice.check();
            assert!(!check.passed);
            assert_eq!(
                check.messages,
                [format!(
                    "[emerg] \"realpeer\" cannot take effect on 127.0.0.1:{port}: another \
                     module has replaced its listening socket, 2 were found, load that module \
                     after realpeer in nginx.conf:2"
                )]
            );
            // Which is the way out, though not for two servers on one address.
            let mut after = site(which, Loaded::After, "twice");
            front.add_port(&mut after, ELSEWHERE);
            assert!(after.check().of_level("emerg").is_empty(), "{:?}", after.check().messages);

            let mut more = site(which, Loaded::Before, "more");
            let port = front.add_port(&mut more, ELSEWHERE);
            let check = more.check();
            assert!(!check.passed);
            assert_eq!(
                check.messages,
                [format!(
                    "[emerg] \"realpeer\" has no policy for 127.0.0.1:{port}, where another \
                     module listens for {name} without \"listen\" in nginx.conf:2"
                )]
            );

            // Without a policy all this is none of our business.
            for mode in ["twice", "more"] {
                let mut none = site(which, Loaded::Before, mode);
                front.add_port(&mut none, "");
                assert!(none.check().of_level("emerg").is_empty(), "{:?}", none.check().messages);
            }
        }
    }
}
