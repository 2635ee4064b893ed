//! Tens of thousands wait without a header: one half leaves, and the other is
//! thrown out when its time is over.

use std::time::{Duration, Instant};

use realpeer_e2e::{Holdings, PATIENCE};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, beginnings, count, on_all};
use crate::crowd::{Crowd, State};
use crate::server::{Kind, Needs, WORKERS, per_worker};

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
        workers: waiting.div_ceil(per_worker()).max(WORKERS),
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
    // Of ten, one is in mail, whose workers have one queue, and share it unevenly.
    let of = |wanted| scene.server.ports.iter().filter(move |(kind, _)| *kind == wanted);
    let ports: Vec<_> = [(Kind::Http, 5), (Kind::Stream, 4), (Kind::Mail, 1)]
        .into_iter()
        .flat_map(|(kind, times)| of(kind).map(|(_, port)| *port).cycle().take(times))
        .collect();
    let crowd = Crowd::open(&ports, waiting, &beginnings);
    let Ok(crowd) = crowd else {
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

    let rest = crowd.halve();
    let (stuck, answered) = crowd.wait(scene.timeout + PATIENCE);
    scene.must(stuck == 0, || format!("{stuck} of {rest} were never thrown out"));
    scene.must(answered == 0, || format!("{answered} without a header were answered"));
    let said = format!(
        "{waiting} at once with {} workers, opened in {} ms, {each} bytes of memory each",
        scene.server.workers().len(),
        opened.as_millis()
    );
    Round { at_once: waiting, ..Round::new(count(waiting)..=count(waiting), said) }
}
