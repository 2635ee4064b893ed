//! Clients that say no more after each byte of a header of each version, and wait
//! for what the server has to say: nothing, at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::{ALL_KINDS, Fault, Round, Scene, headers, on_all, usual_needs};
use crate::crowd::{connect, finish, say, source};

pub const FAULT: Fault = Fault {
    name: "half-close",
    on: on_all,
    needs: usual_needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

const HANDS: usize = 8;

fn round(scene: &Scene) -> Round {
    let ports = scene.ports();
    let all: Vec<_> = headers()
        .into_iter()
        .flat_map(|header| (0..header.len()).map(move |cut| header[..cut].to_vec()))
        .collect();
    let once = all.len() * ports.len();
    let (next, made) = (AtomicUsize::new(0), AtomicU64::new(0));
    let (failed, stuck, answered) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    // Each at least once, and then again for a while.
                    if n >= once && begin.elapsed() > scene.scale.pace {
                        return;
                    }
                    let Ok(mut stream) = connect(source(n), ports[n % ports.len()]) else {
                        failed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    drop(say(&mut stream, &all[n / ports.len() % all.len()]));
                    made.fetch_add(1, Ordering::Relaxed);
                    match finish(stream) {
                        None => stuck.fetch_add(1, Ordering::Relaxed),
                        Some(bytes) => {
                            answered.fetch_add(u64::from(!bytes.is_empty()), Ordering::Relaxed)
                        }
                    };
                }
            });
        }
    });
    let [failed, stuck, answered] = [failed, stuck, answered].map(AtomicU64::into_inner);
    scene.must(failed == 0, || format!("{failed} found no way in"));
    scene.must(stuck == 0, || format!("{stuck} were not closed"));
    scene.must(answered == 0, || format!("{answered} without a whole header were answered"));
    let made = made.into_inner();
    Round::new(made..=made, format!("{made} closed by the server, too"))
}
