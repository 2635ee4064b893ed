//! nginx runs out of something at each call that the module makes for a
//! connection, one after the other: that connection is closed, and nothing else
//! happens.

mod faults_parts;

use std::cell::RefCell;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;

use realpeer_e2e::{
    AuthHttp, Authority, Client, Fails, Faults, Faulty, Kind, Nginx, PATIENCE, Site, Subsystem,
    TlsClient, Vars, Watch, Which, location, on_each_nginx, stream_return, wait_until,
};

use faults_parts::{Way, ways};

/// What a page shows: all that the module makes of a connection.
const VARIABLES: [&str; 13] = [
    "remote_addr",
    "remote_port",
    "realpeer_result",
    "realpeer_policy",
    "realpeer_version",
    "realpeer_addr",
    "realpeer_port",
    "realpeer_server_addr",
    "realpeer_server_port",
    "realpeer_proxy_addr",
    "realpeer_proxy_port",
    "realpeer_tlv_authority",
    "realpeer_tlv_hex_0xE5",
];

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

/// How a connection ended for its client.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Without a word of the protocol above.
    Closed,
    Said(String),
}

/// A server for each way, and one that tells how many connections there are.
struct Servers {
    nginx: Nginx,
    faults: Faults,
    authority: Authority,
    ports: Vec<u16>,
    asker: RefCell<Client>,
    worker: u32,
    files: usize,
    _auth_http: AuthHttp,
}

impl Servers {
    fn start(which: Which, what: Faulty, ways: &[Way]) -> Self {
        let authority = Authority::new();
        let auth_http = AuthHttp::refusing();
        let mut site = Site::new(which);
        if which == Which::Built && under_valgrind() {
            // Each piece of memory is on its own there.
            site.watched(Watch::Valgrind, &Watch::Valgrind.folder());
        }
        let faults = site.faults(what);
        // So few that those which get lost would soon be missed.
        site.events("worker_connections 64;");
        let certificate = site.certificate(&authority);
        let status = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{status}; access_log off; keepalive_requests 100000;
                       keepalive_timeout 600s; location / {{ stub_status; }}
                       location /counters {{ realpeer_status; }} }}"
        ));
        let ports: Vec<_> = ways
            .iter()
            .map(|way| {
                let port = if way.peer == "unix:" { 0 } else { site.port() };
                let dir = site.dir().display();
                let listen = way.listen.replace("{port}", &port.to_string());
                let listen = listen.replace("{dir}", &dir.to_string());
                let serve = match way.kind.subsystem() {
                    Subsystem::Http => location("/", &VARIABLES),
                    Subsystem::Stream => stream_return(&VARIABLES),
                    Subsystem::Mail => format!("protocol pop3; {}", auth_http.directive()),
                };
                let tls = if way.kind.tls() { ("ssl", &*certificate) } else { ("", "") };
                let listens: String = listen
                    .split(' ')
                    .map(|address| format!("listen {address} {};", tls.0))
                    .collect();
                let server = format!("server {{ {listens} {} {} {serve} }}", tls.1, way.policy);
                site.block(way.kind.subsystem(), server);
                port
            })
            .collect();
        let mut nginx = site.start();
        // Which of them, is looked at in the end.
        nginx.expect_alerts();
        let worker = nginx.workers()[0];
        let mut servers = Self {
            nginx,
            faults,
            authority,
            ports,
            asker: RefCell::new(Client::connect(status)),
            worker,
            files: 0,
            _auth_http: auth_http,
        };
        servers.files = servers.wait_until_idle();
        servers
    }

    /// Returns when the worker has no connection but the one that asks for that,
    /// and how many descriptors it has then.
    fn wait_until_idle(&self) -> usize {
        wait_until("the end of all connections", || {
            let status = self.asker.borrow_mut().get("/").text();
            status.starts_with("Active connections: 1 ").then_some(())
        });
        fs::read_dir(format!("/proc/{}/fd", self.worker)).expect("the worker").count()
    }

    /// Goes one way, to its end.
    fn go(&self, way: &Way, port: u16) -> Answer {
        if way.peer == "unix:" {
            let mut stream =
                UnixStream::connect(self.nginx.dir().join("socket")).expect("a listener");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            let _ = stream.write_all(&[way.pieces.concat(), REQUEST.into()].concat());
            return talk(way, &mut stream);
        }
        let peer: IpAddr = way.peer.parse().expect("an address");
        let server = if peer.is_ipv4() { "127.0.0.1" } else { "::1" };
        let server = SocketAddr::new(server.parse().expect("an address"), port);
        let mut client = Client::between(peer, server);
        let (last, others) = way
            .pieces
            .split_last()
            .map_or((&[][..], &[][..]), |(last, others)| (last.as_slice(), others));
        for piece in others {
            self.faults.watch_a_moment(|| {
                client.send(piece);
            });
            // What has been read is put away before anything else is.
            wait_until("a piece to be read", || {
                (client.is_taken() || !client.is_quiet()).then_some(())
            });
        }
        let asks = way.kind == Kind::Http && way.client.is_some();
        client.send([last, if asks { REQUEST.as_bytes() } else { b"" }].concat());
        if way.kind.tls() {
            return talk(way, &mut TlsClient::over(client, &self.authority));
        }
        talk(way, &mut client)
    }

    /// Ends, with nothing left behind, and with nothing to say but of memory.
    #[track_caller]
    fn must_have_ended_well(&mut self) {
        assert_eq!(self.wait_until_idle(), self.files, "descriptors");
        assert_eq!(self.nginx.workers(), [self.worker]);
        self.nginx.quit();
        let log = self.nginx.error_log();
        let alarms: Vec<_> = log
            .lines()
            .filter(|line| {
                ["[crit]", "[alert]", "[emerg]"].iter().any(|level| line.contains(level))
            })
            // nginx says so of each that it was not given. So do we of bytes that
            // the kernel has shown and does not give.
            .filter(|line| !line.contains("(12: Cannot allocate memory)"))
            .collect();
        assert_eq!(alarms, [""; 0]);
        assert_eq!(Watch::complaints(self.nginx.dir()), [""; 0]);
    }

    /// All connections that were counted, those that were dropped, and those that wait.
    fn counted(&self) -> (u64, u64, u64) {
        let text = self.asker.borrow_mut().get("/counters").text();
        let sum = |name: &str| {
            let of_name = |line: &&str| line.starts_with(name);
            let values = text.lines().filter(of_name).map(|line| {
                let value = line.rsplit(' ').next().expect("a value");
                value.parse::<u64>().expect("a number")
            });
            values.sum::<u64>()
        };
        let dropped = sum("realpeer_dropped_total{");
        let decided = sum("realpeer_connections_total{");
        (decided + dropped, dropped, sum("realpeer_waiting{"))
    }

    /// Goes one way while calls fail, and says which calls there were.
    #[track_caller]
    fn fail(&self, way: &Way, port: u16, fails: Fails) -> (Answer, Vec<String>) {
        self.faults.plan(fails);
        let answer = self.go(way, port);
        (answer, self.faults.end())
    }
}

fn under_valgrind() -> bool {
    std::env::var_os("REALPEER_E2E_VALGRIND").is_some()
}

/// The calls that are about memory.
fn memory(calls: &[String]) -> Vec<&str> {
    calls
        .iter()
        .map(String::as_str)
        .filter(|call| call.contains("alloc") || call.contains("pool"))
        .collect()
}

/// What is said behind the header, and what comes until the server closes.
fn talk(way: &Way, stream: &mut (impl Read + Write)) -> Answer {
    let words = match way.kind.subsystem() {
        Subsystem::Http if way.kind.tls() => REQUEST,
        // It has been asked; or answers without a question.
        Subsystem::Http | Subsystem::Stream => "",
        Subsystem::Mail => way.kind.words(),
    };
    let mut said = Vec::new();
    if way.kind.subsystem() == Subsystem::Mail {
        // The server is the first to speak.
        let mut byte = [0];
        while !said.ends_with(b"\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            said.extend(byte);
        }
    }
    // Whether it is closed is found out by reading.
    let _ = stream.write_all(words.as_bytes()).and_then(|()| stream.flush());
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither served nor closed"),
        _ => {}
    }
    if said.is_empty() {
        return Answer::Closed;
    }
    Answer::Said(String::from_utf8_lossy(&said).into_owned())
}

/// What a client got that was served: all of it, or with `gaps` without what
/// could not be made. Nobody is served as somebody else.
#[track_caller]
fn must_be_right(way: &Way, answer: &Answer, gaps: bool, what: &str) {
    let Some((client, result)) = way.client else {
        assert_eq!(*answer, Answer::Closed, "{what}");
        return;
    };
    let Answer::Said(said) = answer else { panic!("{what}: closed") };
    if way.kind.subsystem() == Subsystem::Mail {
        assert!(said.lines().any(|line| line == format!("-ERR client {client}")), "{what}: {said}");
        return;
    }
    let vars = Vars::new(said.as_bytes());
    assert_eq!(vars.var("remote_addr"), client, "{what}");
    let peer = if way.peer == "unix:" { "unix:" } else { way.peer };
    // An address of its own has a port that we do not know.
    let from_header = way.clients > 0;
    let (server, port) = match (from_header, client.contains(':')) {
        (true, false) => ("198.51.100.1", "443"),
        (true, true) => ("2001:db8::1", "443"),
        (false, _) => ("", ""),
    };
    let tlvs = if way.tlvs > 0 { ["shop.example", "07"] } else { ["", ""] };
    let wanted = [
        ("realpeer_result", result),
        ("realpeer_addr", if from_header { client } else { "" }),
        ("realpeer_port", if from_header { "4321" } else { "" }),
        ("realpeer_server_addr", server),
        ("realpeer_server_port", port),
        ("realpeer_proxy_addr", peer),
        ("realpeer_tlv_authority", tlvs[0]),
    ];
    for (name, value) in wanted {
        let have = vars.var(name);
        assert!(have == value || gaps && have.is_empty(), "{what}: {name} is {have:?}");
    }
    let have = vars.var("realpeer_tlv_hex_0xE5");
    let whole = have.starts_with(tlvs[1]) && have.is_empty() == tlvs[1].is_empty();
    assert!(whole || gaps && have.is_empty(), "{what}: {have:?}");
}

/// What a client got, if anything, it got as the one that it is.
#[track_caller]
fn must_not_be_wrong(way: &Way, answer: &Answer, what: &str) {
    let Answer::Said(said) = answer else { return };
    let (client, _) = way.client.expect("one that is served");
    let named = said
        .lines()
        .filter_map(|line| line.strip_prefix("remote_addr=").or(line.strip_prefix("-ERR client ")));
    for name in named {
        assert_eq!(name, client, "{what}");
    }
}

on_each_nginx! {
    fn a_call_that_fails_closes_its_connection_only(which) {
        let ways = ways();
        let mut servers = Servers::start(which, Faulty::Calls, &ways);
        for (way, port) in ways.iter().zip(&servers.ports) {
            let name = way.name;
            let (answer, calls) = servers.fail(way, *port, Fails::Never);
            must_be_right(way, &answer, false, name);
            assert_eq!(memory(&calls), way.memory(), "{name}");
            for also in way.also {
                assert!(calls.iter().any(|call| call == also), "{name}: no {also} in {calls:?}");
            }

            // How a piece is read is not the same each time.
            for number in 1.. {
                let mut reached = false;
                for fails in [Fails::Once(number), Fails::From(number)] {
                    let (answer, calls) = servers.fail(way, *port, fails);
                    let Some(failed) = calls.get(number - 1) else { continue };
                    reached = true;
                    let what = format!("{name}: {fails:?}, {failed}");
                    if memory(&calls[..number]).len() > way.connection().len() {
                        must_be_right(way, &answer, true, &what);
                    } else {
                        assert_eq!(answer, Answer::Closed, "{what}");
                    }
                }
                if !reached {
                    break;
                }
                must_be_right(way, &servers.go(way, *port), false, &format!("{name}: again"));
                servers.wait_until_idle();
                assert_eq!(servers.nginx.workers(), [servers.worker], "{name}: {number}");
            }
        }
        servers.must_have_ended_well();
    }

    /// Once, and for what became of it: none that had to be closed was accepted, or
    /// waits for ever.
    fn a_connection_that_fails_is_counted_as_dropped(which) {
        let ways = ways();
        let mut servers = Servers::start(which, Faulty::Calls, &ways);
        for (way, port) in ways.iter().zip(&servers.ports) {
            let (answer, calls) = servers.fail(way, *port, Fails::Never);
            must_be_right(way, &answer, false, way.name);
            // Where it is not known who listens, nothing can be counted.
            let first = calls.iter().position(|call| call == "ngx_pool_cleanup_add");
            let first = first.expect("a context") + 1;
            for number in first.. {
                servers.wait_until_idle();
                let before = servers.counted();
                let lines = servers.nginx.error_log().matches("realpeer: dropped a").count();
                let (answer, calls) = servers.fail(way, *port, Fails::Once(number));
                servers.wait_until_idle();
                let Some(failed) = calls.get(number - 1) else { break };
                let after = servers.counted();
                let what = format!("{}: {number}, {failed}", way.name);
                assert_eq!((after.0 - before.0, after.2), (1, 0), "{what}");
                let memory_before = memory(&calls[..number]).len() <= way.connection().len();
                if memory_before && memory(std::slice::from_ref(failed)).len() == 1 {
                    assert_eq!(answer, Answer::Closed, "{what}");
                    assert_eq!(after.1 - before.1, 1, "{what}: dropped");
                    let said = servers.nginx.error_log().matches("realpeer: dropped a").count();
                    assert_eq!(said - lines, usize::from(number > first), "{what}");
                }
            }
        }
        servers.must_have_ended_well();
    }

    /// Whoever asks for it: nginx itself has no way out of most of these but to
    /// close, too.
    fn memory_that_runs_out_makes_nobody_somebody_else(which) {
        if under_valgrind() {
            // It has a malloc() of its own, which does not fail.
            return;
        }
        // OpenSSL asks hundreds of times, and is none of our business.
        let ways: Vec<_> = ways()
            .into_iter()
            .filter(|way| ["TLVs", "60,000 bytes", "stream", "mail"].contains(&way.name))
            .collect();
        let mut servers = Servers::start(which, Faulty::Memory, &ways);
        for (way, port) in ways.iter().zip(&servers.ports) {
            for number in 1.. {
                let (answer, calls) = servers.fail(way, *port, Fails::Once(number));
                let what = format!("{}: {number}", way.name);
                must_not_be_wrong(way, &answer, &what);
                let (answer, _) = servers.fail(way, *port, Fails::From(number));
                must_not_be_wrong(way, &answer, &what);
                must_be_right(way, &servers.go(way, *port), false, &format!("after {what}"));
                servers.wait_until_idle();
                assert_eq!(servers.nginx.workers(), [servers.worker], "{what}");
                if calls.len() < number {
                    // A header of this length alone is more than a pool has at once.
                    assert!(number > 5, "{what}: {calls:?}");
                    break;
                }
            }
        }
        servers.must_have_ended_well();
        let log = servers.nginx.access_log() + &servers.nginx.log("stream.log");
        assert!(log.lines().all(|line| line.starts_with("192.0.2.7:")), "{log}");
    }
}
