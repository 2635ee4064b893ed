//! The workers run out of descriptors: accept() fails.

use realpeer_e2e::PATIENCE;

use super::{Fault, Round, Scale, Scene, beginnings, count, on_nginx, usual_needs};
use crate::crowd::Crowd;
use crate::server::{Kind, Needs};

pub const FAULT: Fault = Fault {
    name: "out of descriptors",
    on: on_nginx,
    needs,
    round,
    // Mail asks its login server for each visitor, which takes a descriptor.
    visited: &[Kind::Http, Kind::Stream],
    places: true,
    // nginx tries again after half a second.
    alarms: &["accept4() failed (24: "],
};

const FILES: usize = 128;

fn needs(scale: &Scale) -> Needs {
    Needs { files: FILES, ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let beginnings = beginnings();
    let waiting = 2 * FILES;
    let crowd = Crowd::open(&scene.ports(), waiting, &beginnings);
    let Ok(crowd) = crowd else {
        scene.must(false, || format!("not so many can be opened: {crowd:?}"));
        return Round::new(0..=count(waiting), String::new());
    };
    let (stuck, answered) = crowd.wait(scene.timeout * 10 + PATIENCE);
    scene.must(stuck == 0, || format!("{stuck} of {waiting} were never thrown out"));
    scene.must(answered == 0, || format!("{answered} without a header were answered"));
    let failures = scene.server.logs().error_log().matches("accept4() failed (24: ").count();
    scene.must(failures > 0, || "accept() has never failed".into());
    Round::new(
        count(waiting)..=count(waiting),
        format!("{waiting} at {FILES} descriptors a worker; accept() has failed {failures} times"),
    )
}
