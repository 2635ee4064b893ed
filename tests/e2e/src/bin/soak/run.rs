//! One server, its connections, and all there is to say about it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use realpeer_e2e::{Holdings, Logs, PATIENCE, Watch};

use crate::client::{Outcome, drive, visit};
use crate::plan::{Kind, Material};
use crate::random::Random;
use crate::reports::Reports;
use crate::server::{Server, Software};
use crate::target::Target;

/// Clients at once.
const CLIENTS: usize = 24;

/// After so many connections of all kinds one must be served.
const VISIT_EVERY: u64 = 50;

/// Resident memory may grow by so many kB after the first quarter, which is
/// for what is allocated once: by Apache in each of its threads or processes. Tools
/// keep what was freed, for a while.
const GROWTH: u64 = 1024;
const GROWTH_OF_APACHE: u64 = 8 * 1024;
const GROWTH_UNDER_TOOL: u64 = 64 * 1024;

/// Numbers by name, one for each column.
pub type Table = BTreeMap<String, [u64; 3]>;

/// What is to be right, and whether it is.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub detail: String,
    pub good: bool,
}

/// All there is to say.
#[derive(Debug)]
pub struct Outcomes {
    /// By kind, and by how they ended.
    pub kinds: BTreeMap<Kind, [u64; 3]>,
    pub endings: BTreeMap<Outcome, [u64; 3]>,
    /// Result words in the server's logs: of refused connections, and of requests
    /// or sessions that were served.
    pub refused: Table,
    pub served: Table,
    pub checks: Vec<Check>,
    pub reports: Reports,
}

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeMap<Kind, [u64; 3]>,
    endings: BTreeMap<Outcome, [u64; 3]>,
    visits: u64,
    failures: Vec<String>,
}

/// `connections` in each column.
pub fn run(
    software: Software,
    watch: Watch,
    folder: &Path,
    connections: u64,
    seed: u64,
) -> Outcomes {
    let (mut running, server) = software.start(watch, folder);
    let material = Material::new();
    let seen = Mutex::new(Seen::default());
    let workers = running.workers();

    // Whatever is opened or allocated with the first connection.
    for column in server.columns {
        visit_safely(&server, column.visited, &mut Random::new(seed, u64::MAX), &seen);
    }
    let (_, before) = at_rest(&server, &workers);

    let all = connections * 3;
    let mut samples = Vec::new();
    for quarter in 0..4 {
        let next = AtomicU64::new(all * quarter / 4);
        let end = all * (quarter + 1) / 4;
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| clients(&server, &material, seed, &next, end, &seen));
            }
        });
        let (active, held) = at_rest(&server, &workers);
        samples.push((active, held));
        if active != 1 {
            // It would only be waited for again.
            break;
        }
    }

    let same_workers = running.workers() == workers;
    let (ended_well, end) = running.end();
    let seen = seen.into_inner().expect("no panic");
    let logs = running.logs();
    let log = logs.error_log();
    let reports = Reports::read(watch, logs.dir(), &format!("{}{log}", logs.stderr()));
    let (refused, twice) = refusals(&server, &log);
    let served = served(&server, logs);

    let mut checks = Vec::new();
    let mut check = |name, good, detail: String| checks.push(Check { name, detail, good });
    let made: u64 = seen.kinds.values().flatten().sum();
    check("connections", made == all, format!("{made} of {all} made"));
    let failures = seen.failures.len();
    let first = seen.failures.first().map(|text| format!(": {text}")).unwrap_or_default();
    check(
        "visitors served",
        failures == 0,
        format!("{} served, {failures} failed{first}", seen.visits),
    );
    let stuck: u64 = seen.endings.get(&Outcome::Stuck).into_iter().flatten().sum();
    check("none forgotten", stuck == 0, format!("{stuck} were not closed"));
    check("workers", same_workers, if same_workers { "the same" } else { "others" }.into());
    let active: Vec<_> = samples
        .iter()
        .map(|(active, _)| if *active == u64::MAX { "?".into() } else { active.to_string() })
        .collect();
    check(
        "status page",
        samples.iter().all(|(active, _)| *active == 1),
        format!("active after each quarter: {}", active.join(", ")),
    );
    let last = &samples[samples.len() - 1].1;
    check(
        "descriptors",
        last.descriptors == before.descriptors,
        if last.descriptors == before.descriptors {
            format!("{} before, {} after", before.count(), last.count())
        } else {
            format!("{:?} before, {:?} after", before.descriptors, last.descriptors)
        },
    );
    let growth = last.resident.saturating_sub(samples[0].1.resident);
    let limit = match (watch, software) {
        (Watch::Plain, Software::Nginx) => GROWTH,
        (Watch::Plain, Software::Apache(_)) => GROWTH_OF_APACHE,
        _ => GROWTH_UNDER_TOOL * workers.len() as u64,
    };
    let resident: Vec<_> = samples.iter().map(|(_, held)| held.resident.to_string()).collect();
    check(
        "resident memory",
        growth <= limit,
        format!("kB after each quarter: {}, may grow by {limit}", resident.join(", ")),
    );
    let alarming: Vec<_> = log.lines().filter(|line| is_alarming(line)).collect();
    check(
        "log",
        alarming.is_empty(),
        format!("{} alarming lines {}", alarming.len(), alarming.first().unwrap_or(&"")),
    );
    check("one line each", twice == 0, format!("{twice} connections refused twice"));
    check("exit", ended_well, end);
    if watch != Watch::Plain {
        let errors = reports.errors.len();
        let list = reports.errors.join("\n");
        check("memory errors", errors == 0, format!("{errors} {list}").trim_end().to_owned());
    }
    if watch == Watch::Valgrind {
        let processes = reports.processes;
        check("reports", processes == running.processes(), format!("of {processes} processes"));
    }
    Outcomes { kinds: seen.kinds, endings: seen.endings, refused, served, checks, reports }
}

/// How many connections are left, and what the workers hold: the same as before
/// the server was asked again, as a file may be open a moment longer than its
/// connection.
fn at_rest(server: &Server, workers: &[u32]) -> (u64, Holdings) {
    let start = Instant::now();
    let mut before = Holdings::of(workers);
    loop {
        let active = server.settle();
        let held = Holdings::of(workers);
        if held.descriptors == before.descriptors || active != 1 || start.elapsed() > PATIENCE {
            return (active, held);
        }
        before = held;
    }
}

/// One client after the other, until all of them were there.
fn clients(
    server: &Server,
    material: &Material,
    seed: u64,
    next: &AtomicU64,
    end: u64,
    seen: &Mutex<Seen>,
) {
    loop {
        let task = next.fetch_add(1, Ordering::Relaxed);
        if task >= end {
            return;
        }
        let column = usize::try_from(task % 3).expect("less than 3");
        let plan = material.plan(seed, server.columns, column, task / 3);
        let outcome = catch_unwind(AssertUnwindSafe(|| drive(server, &plan)));
        {
            let mut seen = seen.lock().expect("no panic");
            seen.kinds.entry(plan.kind).or_default()[column] += 1;
            match outcome {
                Ok(Outcome::Stuck) => {
                    eprintln!("not closed: {:?}", Summary(&plan));
                    seen.endings.entry(Outcome::Stuck).or_default()[column] += 1;
                }
                Ok(outcome) => seen.endings.entry(outcome).or_default()[column] += 1,
                Err(_) => seen.failures.push(format!("panic with {:?}", Summary(&plan))),
            }
        }
        if task % VISIT_EVERY == 0 {
            // Each column in turn: 50 and 3 have no divisor in common.
            let visited = server.columns[column].visited;
            visit_safely(server, visited, &mut Random::new(!seed, task), seen);
        }
    }
}

fn visit_safely(server: &Server, targets: &[Target], random: &mut Random, seen: &Mutex<Seen>) {
    let visited = catch_unwind(AssertUnwindSafe(|| visit(server, targets, random)));
    let mut seen = seen.lock().expect("no panic");
    match visited {
        Ok(Ok(())) => seen.visits += 1,
        Ok(Err(wrong)) => seen.failures.push(wrong),
        Err(_) => seen.failures.push(format!("{targets:?}: a visitor was not served")),
    }
}

/// A plan without its bytes, which may be many.
struct Summary<'a>(&'a crate::plan::Plan);

impl std::fmt::Debug for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plan = self.0;
        let lengths: Vec<_> = plan.pieces.iter().map(Vec::len).collect();
        let begin: Vec<u8> = plan.pieces.iter().flatten().take(60).copied().collect();
        write!(
            f,
            "{:?} from {}, {:?}, then {:?}, pieces of {lengths:?}: {}",
            plan.target,
            plan.source,
            plan.kind,
            plan.after,
            begin.escape_ascii()
        )
    }
}

/// Refused connections by result, and how many were refused more than once.
fn refusals(server: &Server, log: &str) -> (Table, usize) {
    let mut table = Table::new();
    let mut connections = BTreeSet::new();
    let mut twice = 0;
    for line in log.lines() {
        let Some((head, rest)) = line.split_once(" realpeer: refused ") else { continue };
        let number = head.rsplit('*').next().unwrap_or_default().to_owned();
        twice += usize::from(!connections.insert(number));
        let word = rest.split(' ').next().unwrap_or_default();
        let listener = rest
            .split_once(", listener: ")
            .and_then(|(_, rest)| rest.split(", ").next())
            .unwrap_or_default();
        if let Some(column) = server.column_at(listener) {
            table.entry(word.to_owned()).or_default()[column] += 1;
        }
    }
    (table, twice)
}

/// Requests and sessions by result; of mail, which has no variables, logins.
fn served(server: &Server, logs: &Logs) -> Table {
    let mut table = Table::new();
    for log in ["soak.http", "soak.stream"] {
        for line in logs.log(log).lines() {
            let mut fields = line.split(' ');
            let (port, word) = (fields.next().unwrap_or_default(), fields.next());
            // What stream could not pass on to http, where it is counted else.
            let word = word.map(|word| if word == "-" { "(not passed on)" } else { word });
            if let (Some(column), Some(word)) = (server.column_at(port), word) {
                table.entry(word.to_owned()).or_default()[column] += 1;
            }
        }
    }
    if let Some(logins) = server.logins() {
        table.entry("(logins)".into()).or_default()[2] += logins;
    }
    table
}

/// What nothing that a client does may cause; a bad handshake may be critical
/// to nginx.
fn is_alarming(line: &str) -> bool {
    // `[LEVEL]` is the third word of nginx, `[MODULE:LEVEL]` the sixth of Apache.
    let levels = line.split(' ').take(6).filter(|word| word.ends_with(']'));
    let mut levels = levels.filter_map(|word| word.trim_end_matches(']').rsplit(['[', ':']).next());
    levels.any(|level| matches!(level, "crit" | "alert" | "emerg")) && !line.contains("SSL_")
}
