//! Nanoseconds: rounds in which all take turns, so that what else the machine does
//! hits all alike.

use std::hint::black_box;
use std::time::Instant;

use crate::rows::Row;
use crate::{Contender, Job, Place};

/// Nanoseconds per header.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Of the fastest round: what the code takes where nothing disturbs it.
    pub least: f64,
    pub median: f64,
}

/// Measures all of `contenders` on `row`, in so many rounds.
#[must_use]
pub fn time(contenders: &[Contender], row: &Row, rounds: usize) -> Vec<Time> {
    let inputs = inputs(row);
    let mut place = Place::default();
    let mut spent = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            // Each follows another one in each round.
            let who = (turn * step(round, contenders.len()) + round) % contenders.len();
            let start = Instant::now();
            run(&contenders[who], &inputs, &mut place);
            spent[who].push(start.elapsed().as_nanos() as f64 / inputs.len() as f64);
        }
    }
    spent
        .into_iter()
        .map(|mut spent| {
            spent.sort_by(f64::total_cmp);
            Time { least: spent[0], median: spent[spent.len() / 2] }
        })
        .collect()
}

/// A step that comes by each of `n` once.
fn step(round: usize, n: usize) -> usize {
    let coprime = |a: usize| (2..=a).all(|d| a % d != 0 || n % d != 0);
    let steps: Vec<usize> = (1..n.max(2)).filter(|&a| coprime(a)).collect();
    steps[round % steps.len()]
}

/// Where the row has one header, that one as often as a round of about 50
/// microseconds needs; different ones once each.
#[must_use]
pub fn inputs(row: &Row) -> Vec<&[u8]> {
    match &*row.cases {
        [case] if case.bytes.len() > 32 * 1024 => vec![&case.bytes; 16],
        [case] => vec![&case.bytes; 1024],
        cases => cases.iter().map(|case| &*case.bytes).collect(),
    }
}

/// One time through all inputs.
#[inline(never)]
pub fn run(contender: &Contender, inputs: &[&[u8]], place: &mut Place) {
    // SAFETY: the pointers are valid for what the jobs read and write.
    match black_box(contender.job) {
        Job::Rust(job) => {
            for bytes in inputs {
                black_box(job(bytes, &mut place.pair));
            }
        }
        Job::C(job) => {
            for bytes in inputs {
                black_box(unsafe { job(bytes.as_ptr(), bytes.len(), &mut place.sockets) });
            }
        }
        Job::CHeader(job) => {
            for bytes in inputs {
                black_box(unsafe { job(bytes.as_ptr(), bytes.len(), &mut place.header) });
            }
        }
    }
    black_box(place);
}

/// Stays on one processor from here on, the last that is allowed, and says which.
pub fn pin() -> Option<usize> {
    // SAFETY: plain structs, filled in by the kernel, read by libc's macros.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) != 0 {
            return None;
        }
        let allowed = libc::CPU_SETSIZE as usize;
        let last = (0..allowed).rev().find(|&cpu| libc::CPU_ISSET(cpu, &set))?;
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(last, &mut set);
        (libc::sched_setaffinity(0, size_of_val(&set), &set) == 0).then_some(last)
    }
}
