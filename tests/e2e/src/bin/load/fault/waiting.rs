//! Tens of thousands wait without a header: one half leaves, and the other is
//! thrown out when its time is over.

use std::time::{Duration, Instant};

use realpeer_e2e::{Holdings, PATIENCE};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, beginnings, count, on_all};
use crate::crowd::{Crowd, State};
use crate::server::Needs;

pub const FAULT: Fault = Fault {
    name: "waiting",
    on: on_all,
    needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

fn needs(scale: &Scale) -> Needs {
    let waiting = scale.crowd(scale.waiting);
    let room = waiting + 4096;
    Needs {
        // Long enough for all of them to be there before the first has to go.
        timeout: Duration::from_millis(1000 + count(waiting) / 2),
        backlog: 4096,
        reuseport: true,
        connections: room,
        files: 2 * room,
        clock: false,
    }
}

fn round(scene: &Scene) -> Round {
    let waiting = scene.scale.crowd(scene.scale.waiting);
    let begin = Instant::now();
    let beginnings = beginnings();
    let crowd = Crowd::open(&scene.ports(), waiting, |n| &beginnings[n % 3]);
    let Ok(mut crowd) = crowd else {
        scene.must(false, || format!("not so many can be opened: {crowd:?}"));
        return Round::new(0..=count(waiting), String::new());
    };
    let opened = begin.elapsed();
    let all = count(scene.idle.count() + waiting);
    let mut held = Holdings::of(&scene.server.workers());
    while count(held.count()) < all && begin.elapsed() < scene.timeout {
        // Only how often it is looked.
        std::thread::sleep(Duration::from_millis(50));
        held = Holdings::of(&scene.server.workers());
    }
    let there = crowd.count(State::Open);
    // Whether any was thrown out early can be told before the first has to go.
    let in_time = begin.elapsed() < scene.timeout;
    scene.must(!in_time || there == waiting, || {
        format!("only {there} of {waiting} are there before their time is over")
    });
    let each = held.resident.saturating_sub(scene.idle.resident) * 1024 / count(waiting);

    crowd.split().reset();
    let rest = crowd.members.len();
    let (stuck, answered) = crowd.wait(scene.timeout + PATIENCE);
    scene.must(stuck == 0, || format!("{stuck} of {rest} were never thrown out"));
    scene.must(answered == 0, || format!("{answered} without a header were answered"));
    Round::new(
        count(waiting)..=count(waiting),
        format!(
            "{waiting} at once, opened in {} ms, {each} bytes of memory each",
            opened.as_millis()
        ),
    )
}
