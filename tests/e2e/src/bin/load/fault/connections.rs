//! The workers run out of connections: whoever has waited longest without a header
//! makes room. That is never one whose header is on its way, unless so many come in
//! the meantime as the worker has room for: here there are fewer.

use std::time::Duration;

use realpeer_e2e::PATIENCE;

use super::{ALL_KINDS, Fault, Round, Scale, Scene, beginnings, count, on_nginx, usual_needs};
use crate::crowd::{Crowd, State};
use crate::server::Needs;

pub const FAULT: Fault = Fault {
    name: "out of connections",
    on: on_nginx,
    needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

const CONNECTIONS: usize = 256;

/// They come so many at a time.
const STEP: usize = CONNECTIONS / 4;

fn needs(scale: &Scale) -> Needs {
    Needs { connections: CONNECTIONS, timeout: Duration::from_secs(60), ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let beginnings = beginnings();
    let waiting = scene.scale.crowd(scene.scale.waiting / 20).max(CONNECTIONS * 6);
    let ports = scene.ports();
    let mut crowds = Vec::new();
    for _ in 0..waiting.div_ceil(STEP) {
        match Crowd::open(&ports, STEP, &beginnings) {
            Ok(crowd) => crowds.push(crowd),
            Err(error) => scene.must(false, || format!("not so many can be opened: {error}")),
        }
        scene.visitors.let_pass();
    }
    let waiting = crowds.len() * STEP;
    let still_open = || crowds.iter().map(|crowd| crowd.count(State::Open)).sum::<usize>();
    let begin = std::time::Instant::now();
    let room = 2 * CONNECTIONS;
    let mut open = still_open();
    while open > room && begin.elapsed() < PATIENCE {
        // Only how often it is looked.
        std::thread::sleep(Duration::from_millis(20));
        open = still_open();
    }
    scene.must(open <= room, || format!("{open} wait, where there is room for {room}"));
    std::thread::sleep(scene.scale.pace);
    let open = still_open();
    drop(crowds);
    // Those who made room have been refused nothing.
    Round::new(
        count(open)..=count(waiting),
        format!("{waiting} at {CONNECTIONS} connections a worker, {open} could stay"),
    )
}
