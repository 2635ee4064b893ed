//! The faults, and what each of them is given and says.

mod clock;
mod connections;
mod descriptors;
mod drip;
mod half_close;
mod killed;
mod queue;
mod reset;
mod waiting;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use realpeer_e2e::{Holdings, V2, v1};

use crate::server::{Kind, Needs, Server, Software, WORKERS};
use crate::visitors::Visitors;

/// How much of it.
#[derive(Debug, Clone)]
pub struct Scale {
    pub software: Software,
    /// Connections that wait without a header.
    pub waiting: usize,
    /// As long as a slow client is slow, a stopped worker stopped and the like.
    pub pace: Duration,
    /// For one fault, if it does not need longer.
    pub budget: Duration,
}

impl Scale {
    /// A crowd of that size, or of as many as the server can hold beside others.
    pub fn crowd(&self, wanted: usize) -> usize {
        wanted.clamp(1, self.software.room())
    }
}

/// What goes wrong.
#[derive(Debug)]
pub struct Fault {
    pub name: &'static str,
    /// The servers that it makes sense with.
    pub on: fn(Software) -> bool,
    pub needs: fn(&Scale) -> Needs,
    pub round: fn(&Scene) -> Round,
    /// Listeners where well-behaved clients are served all the while.
    pub visited: &'static [Kind],
    /// Whether all places are taken while it goes on.
    pub places: bool,
    /// What the server may say at `[crit]` or worse.
    pub alarms: &'static [&'static str],
}

pub static ALL: [Fault; 9] = [
    waiting::FAULT,
    drip::FAULT,
    reset::FAULT,
    half_close::FAULT,
    killed::FAULT,
    queue::FAULT,
    clock::FAULT,
    descriptors::FAULT,
    connections::FAULT,
];

const ALL_KINDS: &[Kind] = &[Kind::Http, Kind::Stream, Kind::Mail];

fn on_all(_: Software) -> bool {
    true
}

fn on_nginx(software: Software) -> bool {
    software == Software::Nginx
}

/// What is there when it begins.
#[derive(Debug)]
pub struct Scene<'a> {
    pub server: &'a Server,
    pub scale: &'a Scale,
    pub timeout: Duration,
    pub visitors: &'a Visitors,
    /// What the workers held at rest.
    pub idle: &'a Holdings,
    wrong: RefCell<Vec<String>>,
}

impl<'a> Scene<'a> {
    pub fn new(
        server: &'a Server,
        scale: &'a Scale,
        timeout: Duration,
        visitors: &'a Visitors,
        idle: &'a Holdings,
    ) -> Self {
        Self { server, scale, timeout, visitors, idle, wrong: RefCell::default() }
    }

    /// Where the crowd goes.
    pub fn ports(&self) -> Vec<u16> {
        self.server.ports.iter().map(|(_, port)| *port).collect()
    }

    /// This must be so.
    pub fn must(&self, good: bool, otherwise: impl FnOnce() -> String) {
        if !good {
            self.wrong.borrow_mut().push(otherwise());
        }
    }

    pub fn wrong(&self) -> Vec<String> {
        self.wrong.take()
    }
}

/// What there is to say of one time.
#[derive(Debug)]
pub struct Round {
    /// How many lines there must be of refused connections.
    pub refused: RangeInclusive<u64>,
    /// Connections which a killed nginx worker had, and nginx counts for good.
    pub lost: RangeInclusive<u64>,
    pub killed: usize,
    /// Connections that were there together.
    pub at_once: usize,
    pub said: String,
}

impl Round {
    /// So many were refused, and nobody was killed.
    pub fn new(refused: RangeInclusive<u64>, said: String) -> Self {
        Self { refused, lost: 0..=0, killed: 0, at_once: 0, said }
    }
}

/// What most faults want.
fn usual_needs(scale: &Scale) -> Needs {
    Needs {
        workers: WORKERS,
        timeout: Duration::from_secs(1) + scale.pace,
        backlog: 4096,
        reuseport: false,
        connections: 8192,
        files: 16_384,
        clock: false,
    }
}

/// Nothing, and the beginnings of headers.
fn beginnings() -> [Vec<u8>; 3] {
    let [mut line, mut binary] = headers();
    line.truncate(20);
    binary.truncate(20);
    [Vec::new(), line, binary]
}

/// One of each version.
fn headers() -> [Vec<u8>; 2] {
    let (source, target) = ("192.0.2.7:4321", "198.51.100.1:443");
    [v1(source, target), V2::proxy(source, target).checksum().tlv(0xE5, [7; 40]).build()]
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
