//! All workers stand still until the queues of accept() are full, and then go on.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use realpeer_e2e::{PATIENCE, wait_until};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, count, on_all, usual_needs};
use crate::crowd::{Crowd, begin_to_connect, source};
use crate::server::Needs;
use crate::stopped::Stopped;

pub const FAULT: Fault = Fault {
    name: "accept queues full",
    on: on_all,
    needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

const BACKLOG: u32 = 16;

fn needs(scale: &Scale) -> Needs {
    Needs { backlog: BACKLOG, timeout: Duration::from_secs(60), ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let ports = scene.ports();
    let least = ports.len() * 2 * usize::try_from(BACKLOG).expect("a few");
    let waiting = scene.scale.crowd(scene.scale.waiting / 20).max(least);
    // Visitors cannot be served either, until the workers go on.
    let held = scene.visitors.hold();
    let stopped = Stopped::new(&scene.server.workers());
    let to = ports.clone();
    let crowd = Crowd::new(waiting, move |n| begin_to_connect(source(n), to[n % to.len()]));
    let Ok(crowd) = crowd else {
        scene.must(false, || format!("not so many can be opened: {crowd:?}"));
        return Round::new(0..=count(waiting), String::new());
    };
    let begin = Instant::now();
    let full = || ports.iter().filter(|port| queued(**port) >= BACKLOG).count();
    while full() < ports.len() && begin.elapsed() < PATIENCE {
        // Only how often it is looked.
        std::thread::sleep(Duration::from_millis(20));
    }
    let full = full();
    scene.must(full == ports.len(), || format!("{full} of {} queues are full", ports.len()));
    // That it lasts.
    std::thread::sleep(scene.scale.pace);
    let outside = waiting - crowd.connected();
    drop(stopped);
    drop(held);
    wait_until("the queues to be taken in", || {
        ports.iter().all(|port| queued(*port) == 0).then_some(())
    });
    drop(crowd);
    // Of the others, some never came so far.
    Round::new(
        count(waiting - outside).min(1)..=count(waiting),
        format!("{waiting} came, {outside} were left outside for {} s", scene.scale.pace.as_secs()),
    )
}

/// Connections that the kernel has made and nobody has accepted.
fn queued(port: u16) -> u32 {
    let table = File::open("/proc/net/tcp").expect("Linux");
    // N: ADDRESS:PORT REMOTE STATE SENDING:WAITING, and listeners come first.
    let mut lines = BufReader::new(table).lines().map_while(Result::ok);
    let listener = lines.find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, "0A", queues, ..] = fields[..] else { return None };
        local.ends_with(&format!(":{port:04X}")).then(|| queues.to_owned())
    });
    let waiting = listener.as_deref().and_then(|queues| queues.split(':').nth(1));
    waiting.and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_default()
}
