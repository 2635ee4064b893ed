//! The time of day jumps by a day, forth and back, while connections wait. Nobody
//! is thrown out before his time for that, and nobody stays for ever.

use std::time::{Duration, Instant};

use realpeer_e2e::{Mpm, PATIENCE};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, beginnings, count, on_all, usual_needs};
use crate::crowd::{Crowd, State};
use crate::server::{Needs, Software};

pub const FAULT: Fault = Fault {
    name: "clock jumps",
    on: on_all,
    needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

fn needs(scale: &Scale) -> Needs {
    Needs { clock: true, ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let waiting = scene.scale.crowd(scene.scale.waiting / 50);
    let clock = scene.server.clock.as_ref().expect("one that can be set");
    let beginnings = beginnings();
    let begin = Instant::now();
    let crowd = Crowd::open(&scene.ports(), waiting, &beginnings);
    let Ok(crowd) = crowd else {
        scene.must(false, || format!("not so many can be opened: {crowd:?}"));
        return Round::new(0..=count(waiting), String::new());
    };
    // httpd's event goes by the time of day with connections that it waits for, and
    // ends those that seem old, whoever has given them to it.
    let by_time_of_day = scene.scale.software == Software::Apache(Mpm::Event);
    let mut jumps = 0;
    let mut early = 0;
    while begin.elapsed() < scene.timeout {
        let jump = || clock.set(if jumps % 2 == 0 { "+1d" } else { "-1d" });
        if by_time_of_day {
            scene.visitors.cut(jump)
        } else {
            jump()
        }
        jumps += 1;
        std::thread::sleep(Duration::from_millis(250));
        let ended = waiting - crowd.count(State::Open);
        // What has ended by now may only count if it is still too early.
        if begin.elapsed() < scene.timeout {
            early = ended;
        }
    }
    let jump = || clock.set("+0");
    if by_time_of_day {
        scene.visitors.cut(jump)
    } else {
        jump()
    }
    let good = early == 0 || by_time_of_day;
    scene.must(good, || format!("{early} of {waiting} ended before their time"));
    let (stuck, answered) = crowd.wait(scene.timeout + PATIENCE);
    scene.must(stuck == 0, || format!("{stuck} of {waiting} were never thrown out"));
    scene.must(answered == 0, || format!("{answered} without a header were answered"));
    Round::new(
        if by_time_of_day { 0 } else { count(waiting) }..=count(waiting),
        format!("{waiting} waited during {jumps} jumps of the clock, {early} ended by them"),
    )
}
