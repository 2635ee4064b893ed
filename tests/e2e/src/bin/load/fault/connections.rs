//! The workers run out of connections: whoever has waited longest without a header
//! makes room.

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

fn needs(scale: &Scale) -> Needs {
    Needs { connections: CONNECTIONS, timeout: Duration::from_secs(60), ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let beginnings = beginnings();
    let waiting = scene.scale.crowd(scene.scale.waiting / 20).max(CONNECTIONS * 6);
    let crowd = Crowd::open(&scene.ports(), waiting, &beginnings);
    let Ok(crowd) = crowd else {
        scene.must(false, || format!("not so many can be opened: {crowd:?}"));
        return Round::new(0..=count(waiting), String::new());
    };
    let begin = std::time::Instant::now();
    let room = 2 * CONNECTIONS;
    let mut open = crowd.count(State::Open);
    while open > room && begin.elapsed() < PATIENCE {
        // Only how often it is looked.
        std::thread::sleep(Duration::from_millis(20));
        open = crowd.count(State::Open);
    }
    scene.must(open <= room, || format!("{open} wait, where there is room for {room}"));
    std::thread::sleep(scene.scale.pace);
    let open = crowd.count(State::Open);
    drop(crowd);
    // Those who made room have been refused nothing.
    Round::new(
        count(open)..=count(waiting),
        format!("{waiting} at {CONNECTIONS} connections a worker, {open} could stay"),
    )
}
