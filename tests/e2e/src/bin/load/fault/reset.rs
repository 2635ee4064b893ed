//! Clients that break off by a reset, after each byte of a header of each version.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::{ALL_KINDS, Fault, Round, Scene, headers, on_all, usual_needs};
use crate::crowd::{connect, reset, say, source};

pub const FAULT: Fault = Fault {
    name: "reset at each byte",
    on: on_all,
    needs: usual_needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

const HANDS: usize = 4;

fn round(scene: &Scene) -> Round {
    let ports = scene.ports();
    // Bytes, and whether they are a header.
    let all: Vec<_> = headers()
        .into_iter()
        .flat_map(|header| {
            let length = header.len();
            (0..=length).map(move |cut| (header[..cut].to_vec(), cut == length))
        })
        .collect();
    let (next, sure, made) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let once = all.len() * ports.len();
    let begin = Instant::now();
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    // Each at least once, and then again for a while.
                    if n >= once && begin.elapsed() > scene.scale.pace {
                        return;
                    }
                    let (bytes, whole) = &all[n / ports.len() % all.len()];
                    let Ok(mut stream) = connect(source(n), ports[n % ports.len()]) else {
                        failed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    if n % 2 == 1 {
                        // In two parts, of which the server may see one alone.
                        let (first, second) = bytes.split_at(bytes.len() / 2);
                        drop(say(&mut stream, first));
                        drop(say(&mut stream, second));
                    } else {
                        drop(say(&mut stream, bytes));
                    }
                    reset(stream);
                    made.fetch_add(1, Ordering::Relaxed);
                    sure.fetch_add(u64::from(!whole), Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    scene.must(failed == 0, || format!("{failed} found no way in"));
    let (sure, made) = (sure.into_inner(), made.into_inner());
    // A reset takes with it what nobody has read: a whole header may never be seen.
    let least = if scene.server.is_nginx() { sure } else { 0 };
    Round::new(
        least..=made,
        format!("{made} resets after 0 to {} bytes", all[all.len() - 1].0.len()),
    )
}
