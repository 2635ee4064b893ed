//! Apache runs out of something at each call that the module makes for a
//! connection, one after the other: that connection is closed, or served all the
//! same, and nothing else happens.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};

use realpeer_e2e::{
    Apache, ApacheFront, ApacheSite, Client, Fails, Faults, Faulty, Mpm, TlsClient, V2, Vars,
    Watch, on_each_mpm, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const POLICY: &str =
    "RealPeer require all\nRealPeerTimeout 600s\nTimeout 600\nRealPeerMaxHeader 65551";

fn header(length: usize) -> Vec<u8> {
    V2::proxy(VISITOR, LISTENER).tlv(0xE5, vec![7; length]).build()
}

/// How a connection ended for its client.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Closed,
    Said(String),
}

struct Server {
    apache: Apache,
    faults: Faults,
    front: ApacheFront,
    port: u16,
    children: Vec<u32>,
}

impl Server {
    fn start(mpm: Mpm, front: ApacheFront, what: Faulty, plan: Fails) -> Self {
        let mut site = ApacheSite::new(mpm);
        // A sanitizer has a malloc() of its own.
        if std::env::var_os("REALPEER_E2E_ASAN").is_some() && what == Faulty::Calls {
            site.watched(Watch::Sanitizers, &Watch::Sanitizers.apache_folder());
        }
        let faults = site.faults(what);
        let port = front.host(&mut site, POLICY);
        faults.plan(plan);
        let apache = site.start();
        let children = apache.workers();
        Self { apache, faults, front, port, children }
    }

    /// A header in pieces, each after the server has seen the one before, and a
    /// request.
    fn visit(&self, pieces: &[&[u8]]) -> Answer {
        let mut client = Client::connect(self.port);
        let (last, others) = pieces.split_last().expect("a header");
        for piece in others {
            client.send(piece);
            wait_until("the server to wait for more, or to close", || {
                (self.apache.is_at_rest() || !client.is_quiet()).then_some(())
            });
        }
        match self.front.authority() {
            Some(authority) => ask(&mut TlsClient::fused(client, authority, last), &[]),
            None => ask(&mut client, last),
        }
    }

    /// The same while calls fail, and which there were.
    fn fail(&self, fails: Fails, pieces: &[&[u8]]) -> (Answer, Vec<String>) {
        self.faults.plan(fails);
        let answer = self.visit(pieces);
        (answer, self.faults.end())
    }

    /// Sockets that a child has and the parent has not: all but those that listen.
    fn connections(&self) -> usize {
        let listening = sockets(self.apache.pid());
        let children = self.apache.workers().into_iter();
        children.flat_map(sockets).filter(|socket| !listening.contains(socket)).count()
    }

    /// Nothing is left of the connections, and no child has ended.
    #[track_caller]
    fn must_be_well(&self) {
        wait_until("all connections to be closed", || (self.connections() == 0).then_some(()));
        let now = self.apache.workers();
        assert!(self.children.iter().all(|child| now.contains(child)), "a child has gone");
        assert_eq!(Watch::complaints(self.apache.dir()), [""; 0]);
    }
}

fn sockets(pid: u32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| fs::read_link(file.path()).ok());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// A request behind the end of a header, and what comes until the server closes.
fn ask(stream: &mut (impl Read + Write), header: &[u8]) -> Answer {
    let request = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    // Whether it is closed is found out by reading.
    let _ = stream.write_all(&[header, request].concat()).and_then(|()| stream.flush());
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither served nor closed"),
        _ => {}
    }
    if said.is_empty() {
        return Answer::Closed;
    }
    Answer::Said(String::from_utf8_lossy(&said).into_owned())
}

/// Served, and as the one that the header names.
#[track_caller]
fn must_be_right(answer: &Answer, what: &str) {
    let Answer::Said(said) = answer else { panic!("{what}: closed") };
    assert!(said.starts_with("HTTP/1.1 200 "), "{what}: {said}");
    let vars = Vars::new(said.as_bytes());
    assert_eq!(vars.var("remote_addr"), "192.0.2.7", "{what}");
    assert_eq!(vars.var("result"), "proxy", "{what}");
    assert_eq!(vars.var("proxy_addr"), "127.0.0.1", "{what}");
}

/// Calls without which a connection can be served all the same: another way of
/// waiting is there, or it is looked at once more.
const NOT_NEEDED: [&str; 3] = ["fcntl", "pthread_create", "poll"];

on_each_mpm! {
    fn a_call_that_fails_closes_its_connection_only(mpm) {
        for front in ApacheFront::both() {
            let server = Server::start(mpm, front, Faulty::Calls, Fails::Never);
            let (short, long) = (header(20), header(59_900));
            let whole: &[&[u8]] = &[&short];
            let ways: [(&str, &[&[u8]]); 3] = [
                ("at once", whole),
                ("in pieces", &[&short[..5], &short[5..]]),
                ("60,000 bytes", &[&long[..40_000], &long[40_000..]]),
            ];
            must_be_right(&server.visit(whole), "before");
            // TLS changes nothing but what comes behind the header.
            let ways_to_fail = if server.front.authority().is_some() { 1 } else { 2 };
            let mut failed = BTreeSet::new();
            for (name, pieces) in ways {
                for number in 1.. {
                    let mut reached = false;
                    let all = [Fails::Once(number), Fails::From(number)];
                    for fails in all.into_iter().take(ways_to_fail) {
                        let (answer, calls) = server.fail(fails, pieces);
                        let what = format!("{name}: {fails:?} of {calls:?}");
                        let call = calls.get(number - 1).map(String::as_str);
                        let needed = call.is_some_and(|call| !NOT_NEEDED.contains(&call));
                        // What comes after it fails, too, and may be needed.
                        let may_close = matches!(fails, Fails::From(_)) && call.is_some();
                        if needed || may_close && answer == Answer::Closed {
                            assert_eq!(answer, Answer::Closed, "{what}");
                        } else {
                            must_be_right(&answer, &what);
                        }
                        reached |= call.is_some();
                        let also = if matches!(fails, Fails::Once(_)) { 1 } else { usize::MAX };
                        failed.extend(calls.into_iter().skip(number - 1).take(also));
                    }
                    must_be_right(&server.visit(whole), &format!("{name}: after {number}"));
                    if !reached {
                        break;
                    }
                }
            }
            let mut wanted = vec![
                "apr_os_sock_get",
                "recv",
                "ap_get_brigade",
                "apr_brigade_flatten",
                "apr_brigade_length",
            ];
            wanted.push(if mpm == Mpm::Event { "fcntl" } else { "poll" });
            for call in wanted {
                assert!(failed.contains(call), "{call} has not failed");
            }
            server.must_be_well();
        }
    }
}

/// Where event has nobody who watches over a deadline, a thread of its own does.
#[test]
fn without_a_thread_that_watches_a_connection_is_served_all_the_same() {
    let server = Server::start(Mpm::Event, ApacheFront::plain(), Faulty::Calls, Fails::Never);
    let short = header(20);
    let pieces: &[&[u8]] = &[&short[..5], &short[5..]];
    server.faults.plan_only("pthread_create", Fails::From(1));
    must_be_right(&server.visit(pieces), "without");
    assert_eq!(server.faults.end(), ["pthread_create"]);
    server.faults.plan_only("pthread_create", Fails::Never);
    must_be_right(&server.visit(pieces), "with");
    must_be_right(&server.visit(pieces), "again");
    assert_eq!(server.faults.end(), ["pthread_create"]);
    server.must_be_well();
}

/// The same where it cannot even be prepared, when the child begins.
#[test]
fn a_child_that_cannot_watch_serves_and_ends_connections_all_the_same() {
    for (number, call) in [
        "pthread_mutex_init",
        "pthread_condattr_init",
        "pthread_condattr_setclock",
        "pthread_cond_init",
    ]
    .into_iter()
    .enumerate()
    {
        let server =
            Server::start(Mpm::Event, ApacheFront::plain(), Faulty::Calls, Fails::Once(number + 1));
        let short = header(20);
        wait_until("a child to begin", || (server.faults.calls() > number).then_some(()));
        assert_eq!(server.faults.end().last().map(String::as_str), Some(call));
        server.faults.plan(Fails::Never);
        must_be_right(&server.visit(&[&short[..5], &short[5..]]), call);
        let calls = server.faults.end();
        assert!(!calls.iter().any(|made| made == "fcntl"), "{call}: {calls:?}");
        server.must_be_well();
    }
}

on_each_mpm! {
    /// httpd ends a child that gets no memory for a pool, by its own design. The
    /// connections of others go on, and so does the server.
    fn without_memory_for_a_pool_a_child_ends_and_another_serves(mpm) {
        let mut server = Server::start(mpm, ApacheFront::plain(), Faulty::Memory, Fails::Never);
        server.apache.expect_alerts();
        server.faults.end();
        let long = header(59_900);
        // With prefork this is another child's.
        let mut other = Client::connect(server.port);
        other.send(header(20)).get("/");
        // Nobody but the module asks for so much.
        server.faults.plan_memory(50_000, Fails::Once(1));
        assert_eq!(server.visit(&[&long[..20], &long[20..]]), Answer::Closed);
        assert_eq!(server.faults.end().len(), 1);
        wait_until("a child to end", || {
            let now = server.apache.workers();
            server.children.iter().any(|child| !now.contains(child)).then_some(())
        });
        if mpm == Mpm::Prefork {
            assert_eq!(other.get("/").var("remote_addr"), "192.0.2.7");
        }
        must_be_right(&server.visit(&[&long[..20], &long[20..]]), "afterwards");
        let log = server.apache.error_log();
        assert!(log.contains("Memory allocation failed, aborting process."), "{log}");
    }
}
