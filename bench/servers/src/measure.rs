//! What is measured: counts, which are the same in each run, and times, which are
//! not.

use std::collections::BTreeMap;

use crate::case::{Case, Way};
use crate::load::{Talk, waiting};
use crate::profile::Profile;
use crate::server::{Counted, Server, Setup};
use crate::usage::{Cores, wait_for_descriptors};

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds, in each of which every way has its turn.
    pub(crate) rounds: usize,
    /// Connections of a turn, of which each has so much to do.
    pub(crate) burst: usize,
    /// By how many connections a long run exceeds a short one.
    pub(crate) counted: usize,
    /// Connections that wait.
    pub(crate) waiting: usize,
}

impl Effort {
    pub(crate) const QUICK: Self = Self { rounds: 5, burst: 600, counted: 40, waiting: 10_000 };
    pub(crate) const FULL: Self = Self { rounds: 15, burst: 2000, counted: 200, waiting: 10_000 };

    fn burst_of(&self, talk: Talk) -> usize {
        match talk {
            Talk::Http(1) => self.burst,
            // Each has many requests.
            Talk::Http(_) => self.burst / 20,
            Talk::Tls => self.burst / 3,
            Talk::Bytes => self.burst / 2,
        }
    }
}

/// Connections before those that count, which have the server set up what it sets
/// up once.
const FIRST: usize = 10;

fn number(n: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "not that many")]
    let n = n as f64;
    n
}

/// System calls of one connection, by their names.
pub(crate) fn calls(setup: &Setup, case: &Case, way: Way, more: usize) -> BTreeMap<String, f64> {
    let setup = Setup { counted: Counted::Calls, ..*setup };
    let all = |count| {
        let server = Server::start(&setup, case, way);
        server.load.one_by_one(&server.worked(), count);
        server.system_calls()
    };
    let (few, many) = (all(FIRST), all(FIRST + more));
    let before = |name: &String| few.get(name).copied().unwrap_or(0);
    many.iter()
        .map(|(name, &n)| (name.clone(), (number(n) - number(before(name))) / number(more)))
        .filter(|(_, each)| each.abs() > 0.01)
        .collect()
}

/// Instructions of one connection, those of the kernel apart.
pub(crate) fn instructions(setup: &Setup, case: &Case, way: Way, more: usize) -> Profile {
    grown_instructions(setup, case, way, &case.header(way), 0, more)
}

/// The same with another header, while so many others wait, who have said nothing.
pub(crate) fn grown_instructions(
    setup: &Setup,
    case: &Case,
    way: Way,
    header: &[u8],
    others: usize,
    more: usize,
) -> Profile {
    let setup = Setup { counted: Counted::Instructions, waiting: others, ..*setup };
    let all = |count| {
        let mut server = Server::start(&setup, case, way);
        server.load.header = header.to_vec();
        let worked = server.settle();
        let before = worked.descriptors();
        let waiting = waiting(server.load.port, others, b"");
        wait_for_descriptors(&worked, before + others);
        server.load.one_by_one(&worked, count);
        drop(waiting);
        server.instructions()
    };
    let (few, many) = (all(FIRST), all(FIRST + more));
    Profile::each(&few, &many, more)
}

/// What one round has told of one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Microseconds of the server's processor for a connection.
    pub(crate) cpu: f64,
    /// Connections in a second.
    pub(crate) rate: f64,
    /// For how much of the time the server had something to do, be it that it was
    /// running or that somebody else had its processor.
    pub(crate) busy: f64,
}

/// Rounds of all ways.
#[derive(Debug, Default)]
pub(crate) struct Times {
    rounds: BTreeMap<Way, Vec<Round>>,
}

/// The middle one of some values, and the least and the greatest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) middle: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { middle: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
    }
}

impl Times {
    pub(crate) fn of(&self, way: Way, value: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds[&way].iter().map(value))
    }

    /// One way beside another, within each round.
    pub(crate) fn ratio(&self, way: Way, to: Way, value: impl Fn(&Round) -> f64) -> Spread {
        let pairs = self.rounds[&way].iter().zip(&self.rounds[&to]);
        Spread::of(pairs.map(|(one, other)| value(one) / value(other)))
    }
}

/// The ways take turns, so that what else the machine does falls on all of them.
pub(crate) fn times(setup: &Setup, case: &Case, cores: &Cores, effort: &Effort) -> Times {
    let start = |way| {
        let server = if setup.workers == 1 {
            cores.of_server(|| Server::start(setup, case, way))
        } else {
            cores.any(|| Server::start(setup, case, way))
        };
        let worked = server.worked();
        (way, server, worked)
    };
    let mut servers = Way::ALL.map(start);
    let count = effort.burst_of(case.talk);
    let mut times = Times::default();
    for (_, server, worked) in &servers {
        server.load.burst(worked, count.div_ceil(4));
    }
    for _ in 0..effort.rounds {
        for (way, server, worked) in &servers {
            let burst = server.load.burst(worked, count);
            let seconds = burst.time.as_secs_f64();
            let cpu = burst.server.as_secs_f64();
            times.rounds.entry(*way).or_default().push(Round {
                cpu: cpu * 1e6 / number(count),
                rate: number(count) / seconds,
                busy: ((cpu + burst.delayed.as_secs_f64()) / seconds).min(1.0),
            });
        }
        servers.rotate_left(1);
    }
    times
}
