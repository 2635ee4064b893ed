//! A worker is killed, by a signal that it cannot see, while connections wait.

use std::time::{Duration, Instant};

use realpeer_e2e::{Holdings, PATIENCE, wait_until};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, beginnings, count, on_all, usual_needs};
use crate::crowd::{Crowd, State};
use crate::server::Needs;
use crate::stopped::Stopped;

pub const FAULT: Fault = Fault {
    name: "worker killed",
    on: on_all,
    needs,
    round,
    visited: ALL_KINDS,
    // nginx gives those of a killed worker to nobody, whoever held them.
    places: false,
    alarms: &[" exited on signal 9"],
};

fn needs(scale: &Scale) -> Needs {
    // One queue, so that whoever is in it is served by another worker.
    Needs { timeout: Duration::from_secs(60), ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let waiting = scene.scale.crowd(scene.scale.waiting / 10);
    let beginnings = beginnings();
    let crowd = Crowd::open(&scene.ports(), waiting, &beginnings);
    let Ok(crowd) = crowd else {
        scene.must(false, || "not so many can be opened".into());
        return Round::new(0..=count(waiting), String::new());
    };
    let workers = scene.server.workers();
    wait_until("all to be accepted", || {
        let held = Holdings::of(&workers).count();
        (held >= scene.idle.count() + waiting).then_some(())
    });

    // The one with most of them.
    let most = workers.iter().max_by_key(|worker| Holdings::of(&[**worker]).count());
    let victim = *most.expect("workers");
    let mut held = 0;
    scene.visitors.cut(|| {
        // It is to do nothing more, so that what it has can be counted.
        let stopped = Stopped::new(&[victim]);
        held = sockets(victim);
        stopped.kill();
        wait_until("its end", || (!scene.server.workers().contains(&victim)).then_some(()));
    });
    wait_until("another worker", || (scene.server.workers().len() >= workers.len()).then_some(()));

    // Those who were with the other one go on waiting.
    let begin = Instant::now();
    let mut open = crowd.count(State::Open);
    while begin.elapsed() < scene.scale.pace {
        std::thread::sleep(scene.scale.pace / 10);
        open = crowd.count(State::Open);
    }
    let ended = waiting - open;
    scene.must(ended <= held, || {
        format!("{ended} connections ended with a worker that had {held} sockets")
    });
    let others = Holdings::of(&scene.server.workers()).count();
    scene.must(begin.elapsed() > PATIENCE || others >= open, || {
        format!("{open} wait, and the workers hold {others} descriptors")
    });
    drop(crowd);
    Round {
        // That one has written nothing.
        refused: count(open)..=count(open),
        lost: count(ended)..=count(held),
        killed: 1,
        at_once: waiting,
        said: format!("{ended} of {waiting} ended with their worker, {open} waited on"),
    }
}

fn sockets(pid: u32) -> usize {
    Holdings::of(&[pid]).descriptors.get("socket").copied().unwrap_or_default()
}
