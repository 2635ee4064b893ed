//! One fault on one server, and all there is to say about it afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use realpeer_e2e::{Holdings, PATIENCE};

use crate::fault::{Fault, Scale, Scene};
use crate::places::Places;
use crate::server::{Running, Server, Software};
use crate::visitors::{Phase, Tally, Visitors};

/// How long clients are served before and after.
const QUIET: Duration = Duration::from_millis(700);

/// Resident memory may grow by so many kB after the first round, for what is
/// allocated once: by Apache in each of its threads or processes.
const GROWTH: u64 = 1024;
const GROWTH_OF_APACHE: u64 = 8 * 1024;

/// And by so many bytes for each of the connections that were there together: workers
/// do not share them in the same way each time, and keep room for the most they had.
const UNEVEN: u64 = 128;

/// All there is to say.
#[derive(Debug)]
pub struct Outcome {
    pub tallies: [Tally; 3],
    pub cuts: Vec<(Instant, Instant)>,
    pub rounds: usize,
    /// Of the last round.
    pub said: String,
    pub held: String,
    pub wrong: Vec<String>,
}

/// What has been seen so far.
#[derive(Debug, Default)]
struct Sum {
    refused: [u64; 2],
    lost: [u64; 2],
    killed: usize,
    at_once: u64,
    resident: Vec<u64>,
}

pub fn run(fault: &Fault, scale: &Scale, folder: &Path) -> Outcome {
    let needs = (fault.needs)(scale);
    let mut server = Server::start(scale.software, folder, &needs);
    let visitors = Visitors::new(&server, fault.visited);
    let mut wrong = Vec::new();
    let mut sum = Sum::default();

    // Whatever is opened or allocated with the first connection.
    for _ in 0..2 {
        visitors.begin(Phase::Before);
        std::thread::sleep(QUIET / 4);
        visitors.pause();
        wrong.extend(Places::take(&server).err());
    }
    let _ = visitors.tallies();
    visitors.begin(Phase::Before);
    std::thread::sleep(QUIET);
    visitors.pause();
    let (left, idle) = server.at_rest(0, None);
    if left != 1 {
        wrong.push(format!("{left} connections before anything has gone wrong"));
    }
    let workers = server.workers();

    let mut said = String::new();
    let begin = Instant::now();
    let mut took = Duration::ZERO;
    // The second shows whether the first has left something.
    while sum.resident.len() < 2 || begin.elapsed() + took < scale.budget {
        let round_began = Instant::now();
        let places = Places::take(&server);
        wrong.extend(places.as_ref().err().cloned());
        let places = places.ok().filter(|_| fault.places);
        visitors.begin(Phase::During);
        let scene = Scene::new(&server, scale, needs.timeout, &visitors, &idle);
        let round = (fault.round)(&scene);
        wrong.extend(scene.wrong());
        visitors.pause();
        drop(places);

        sum.refused[0] += round.refused.start();
        sum.refused[1] += round.refused.end();
        sum.killed += round.killed;
        sum.at_once = sum.at_once.max(round.at_once as u64);
        if server.is_nginx() {
            sum.lost[0] += round.lost.start();
            sum.lost[1] += round.lost.end();
        }
        let (left, now) = server.at_rest(sum.lost[1], Some(&idle));
        if left <= sum.lost[0] || left > sum.lost[1] + 1 {
            wrong.push(format!("{left} connections are counted afterwards"));
        }
        sum.resident.push(now.resident);
        said = round.said;
        took = round_began.elapsed();
        if !wrong.is_empty() {
            // It would only be waited for again.
            break;
        }
    }

    visitors.begin(Phase::After);
    std::thread::sleep(QUIET);
    visitors.pause();
    wrong.extend(Places::take(&server).err());
    let (_, end) = server.at_rest(sum.lost[1], Some(&idle));
    if end.descriptors != idle.descriptors {
        wrong.push(format!(
            "descriptors: {:?} before, {:?} after",
            idle.descriptors, end.descriptors
        ));
    }
    compare_workers(&workers, &server.workers(), sum.killed, &mut wrong);
    wrong.extend(missing_threads(&server));
    compare_memory(scale.software, &sum, &mut wrong);
    let (tallies, cuts) = visitors.tallies();
    drop(visitors);
    let (ended_well, how) = server.end();
    if !ended_well {
        wrong.push(how);
    }
    let lines = look_at_log(&server.logs().error_log(), fault, &sum, &mut wrong);
    for (phase, tally) in Phase::ALL.into_iter().zip(&tallies) {
        let errors = tally.errors(&cuts);
        if let Some(first) = errors.first() {
            wrong.push(format!("{} visitors not served {}: {first}", errors.len(), phase.name()));
        }
        if tally.latency.is_empty() {
            wrong.push(format!("no visitor served {}", phase.name()));
        }
    }
    let held = describe(&server, &idle, &end, &sum, lines);
    Outcome { tallies, cuts, rounds: sum.resident.len(), said, held, wrong }
}

/// Whether Apache has all its threads or processes to serve with, but for the one that
/// says so. One that has just served is counted neither as busy nor as idle.
fn missing_threads(server: &Server) -> Option<String> {
    let Running::Apache(_) = server.running else { return None };
    let wanted = [1, server.threads - 1];
    let asked = Instant::now();
    loop {
        let found = ["BusyWorkers:", "IdleWorkers:"].map(|name| server.status.number(name));
        if found == wanted.map(Some) {
            return None;
        }
        if asked.elapsed() > PATIENCE {
            return Some(format!("busy and idle threads: {found:?}, not {wanted:?}"));
        }
        // Only how often it is asked.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn compare_workers(before: &[u32], after: &[u32], killed: usize, wrong: &mut Vec<String>) {
    let old: BTreeSet<_> = before.iter().collect();
    let new = after.iter().filter(|worker| !old.contains(worker)).count();
    if after.len() != before.len() || new > killed {
        wrong.push(format!("workers: {before:?} before, {after:?} after, {killed} killed"));
    }
}

fn compare_memory(software: Software, sum: &Sum, wrong: &mut Vec<String>) {
    let limit = match software {
        Software::Nginx => GROWTH,
        Software::Apache(_) => GROWTH_OF_APACHE,
    };
    let limit = limit + sum.at_once * UNEVEN / 1024;
    let resident = &sum.resident;
    let (Some(first), Some(last)) = (resident.first(), resident.last()) else { return };
    if last.saturating_sub(*first) > limit {
        let rounds = format!("kB after each round: {resident:?}, may grow by {limit}");
        wrong.push(format!("resident memory: {rounds}"));
    }
}

/// How many connections were refused, with one line each.
fn look_at_log(log: &str, fault: &Fault, sum: &Sum, wrong: &mut Vec<String>) -> u64 {
    let lines = log.lines().filter(|line| line.contains(" realpeer: refused ")).count() as u64;
    if lines < sum.refused[0] || lines > sum.refused[1] {
        wrong.push(format!("{lines} lines for {:?} refused connections", sum.refused));
    }
    let visitors = log.lines().filter(|line| line.contains(", peer: 127.0.9.1:")).count();
    if visitors > 0 {
        wrong.push(format!("{visitors} connections of the balancer were refused"));
    }
    let expected = |line: &&str| fault.alarms.iter().any(|alarm| line.contains(alarm));
    let alarming: Vec<_> =
        log.lines().filter(|line| is_alarming(line) && !expected(line)).collect();
    if let Some(first) = alarming.first() {
        wrong.push(format!("{} alarming lines: {first}", alarming.len()));
    }
    lines
}

/// What nothing that a client does may cause.
fn is_alarming(line: &str) -> bool {
    // `[LEVEL]` is the third word of nginx, `[MODULE:LEVEL]` the sixth of Apache.
    let levels = line.split(' ').take(6).filter(|word| word.ends_with(']'));
    let mut levels = levels.filter_map(|word| word.trim_end_matches(']').rsplit(['[', ':']).next());
    levels.any(|level| matches!(level, "crit" | "alert" | "emerg"))
}

fn describe(server: &Server, idle: &Holdings, end: &Holdings, sum: &Sum, lines: u64) -> String {
    let workers = match sum.killed {
        0 => "the same workers".to_owned(),
        killed => format!("{killed} workers replaced"),
    };
    let slots = if server.is_nginx() { "all places free" } else { "all threads free" };
    let memory: Vec<_> = sum.resident.iter().map(u64::to_string).collect();
    format!(
        "{workers}, {} and {} descriptors, {slots}, kB after each round {}, {lines} refused \
         in the log",
        idle.count(),
        end.count(),
        memory.join(" ")
    )
}
