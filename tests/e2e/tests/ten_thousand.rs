//! The epoll example with thousands of connections that wait: what each of them
//! costs, and that all are ended when their time is over. `--nocapture` shows the
//! numbers.

use std::fs;
use std::time::{Duration, Instant};

use realpeer_e2e::{Client, Ending, V2, Workshop, v1, wait_until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// How long they may wait: the first of these that is long enough for all of them to be
/// there before one has to go.
const TIMEOUTS: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];
/// What else has files open, in the server or here.
const OTHER_FILES: usize = 100;

/// As many connections as there may be open files, here and in the server.
fn connections() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("what is allowed");
    let files = limit.maximum.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    CONNECTIONS.min(files.saturating_sub(OTHER_FILES))
}

#[test]
fn waiting_connections_are_cheap_and_end_on_time() {
    let workshop = Workshop::new();
    workshop.build("epoll");
    let in_time = TIMEOUTS.iter().any(|timeout| wait_and_end(&workshop, *timeout));
    assert!(in_time, "the connections cannot be opened in {TIMEOUTS:?}");
}

/// Whether all were there before one had to go. Only then there is something to see.
fn wait_and_end(workshop: &Workshop, timeout: Duration) -> bool {
    let count = connections();
    let limit = timeout.as_millis().to_string();
    let server = workshop.serve_fast("epoll", &[&limit, "require", "127.0.0.1"]);
    let before = server.memory();

    // Half of them say nothing, the others begin a header of each version.
    let lines = v1("192.0.2.7:4321", "198.51.100.1:443");
    let binary = V2::proxy("192.0.2.7:4321", "198.51.100.1:443").tlv(0xE5, [7; 1000]).build();
    let parts = [&[][..], &lines[..30], &[][..], &binary[..50]];
    let open = format!("/proc/{}/fd", server.pid());
    let open = || fs::read_dir(&open).expect("the server").count();
    let others = open();
    let begin = Instant::now();
    let clients: Vec<(Instant, Client)> = (0..count)
        .map(|n| {
            let start = Instant::now();
            let mut client = Client::connect(server.port());
            client.send(parts[n % parts.len()]);
            (start, client)
        })
        .collect();
    let there = wait_until("the server to accept them", || {
        let there = open() >= others + count;
        (there || begin.elapsed() >= timeout).then_some(there)
    });
    let memory = server.memory();
    let served = Client::connect(server.port()).send(&lines).ending();
    assert_ne!(served, Ending::Unanswered);
    if !there || begin.elapsed() >= timeout {
        return false;
    }
    let each = (memory - before) / count;

    for (start, mut client) in clients {
        client.must_be_closed();
        // Only the one side can be told from here: nobody before his time.
        let rounding = Duration::from_millis(2);
        assert!(start.elapsed() + rounding >= timeout, "closed after {:?}", start.elapsed());
    }

    let said = server.stop();
    println!("{count} connections, {each} bytes of memory each\n{said}");
    // More than the struct and the part of a header: then there is a buffer each.
    assert!(each < 256, "{each} bytes for a connection that waits");
    let ended = format!("served 1, refused 0, timed out {count} (");
    assert!(said.starts_with(&ended), "{said}");
    let all = |line: &str| line.starts_with(&format!("at most {} waited at once, ", count + 1));
    assert!(said.lines().any(all), "{said}");
    true
}

#[test]
fn where_files_run_out_the_oldest_makes_room() {
    let workshop = Workshop::new();
    workshop.build("epoll");
    let server = workshop.serve_fast("epoll", &["60000", "require", "127.0.0.1"]);
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let few = Rlimit { current: Some(64), maximum: Some(64) };
    prlimit(pid, Resource::Nofile, few).expect("a child of ours");

    let mut waiting: Vec<Client> = (0..200).map(|_| Client::connect(server.port())).collect();
    let header = v1("192.0.2.7:4321", "198.51.100.1:443");
    let served = Client::connect(server.port()).send(header).ending();
    assert_eq!(served, Ending::Answered(b"You are 192.0.2.7, port 4321.\n".to_vec()));
    for client in &mut waiting[..100] {
        client.must_be_closed();
    }
    assert!(waiting[199].is_quiet(), "the newest has to go");
    server.stop();
}
