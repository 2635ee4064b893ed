//! Those behind the balancer, who do all of it right and must be served whatever
//! goes on: one for each kind of listener, by HAProxy, again and again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use realpeer_e2e::{HaProxy, PATIENCE};

use crate::crowd::connect;
use crate::server::{Kind, Server};

/// How long one waits after having been served: he is not the load.
const PAUSE: Duration = Duration::from_millis(5);

/// How often one who waits for an answer looks whether it is worth it. Nothing depends
/// on it.
const LOOK: Duration = Duration::from_secs(1);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Before,
    During,
    After,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

/// What the visitors of one phase have seen.
#[derive(Debug)]
pub struct Tally {
    /// In microseconds, of those who were served.
    pub latency: Histogram<u64>,
    /// Not served, from when to when, and what was wrong.
    failed: Vec<(Instant, Instant, String)>,
}

impl Tally {
    fn new() -> Self {
        Self { latency: Histogram::new(3).expect("a precision"), failed: Vec::new() }
    }

    /// What went wrong, but for those who were cut off.
    pub fn errors(&self, cuts: &[(Instant, Instant)]) -> Vec<&str> {
        let wrong = self.failed.iter().filter(|failed| !is_cut(failed, cuts));
        wrong.map(|(_, _, what)| what.as_str()).collect()
    }

    /// How many were cut off.
    pub fn cut(&self, cuts: &[(Instant, Instant)]) -> usize {
        self.failed.iter().filter(|failed| is_cut(failed, cuts)).count()
    }
}

fn is_cut((begin, end, _): &(Instant, Instant, String), cuts: &[(Instant, Instant)]) -> bool {
    cuts.iter().any(|(before, after)| begin <= after && before <= end)
}

#[derive(Debug)]
struct State {
    /// None: nobody is to begin.
    phase: Option<Phase>,
    under_way: usize,
    /// How often each has come, served or not.
    visits: Vec<u64>,
    ended: bool,
    tallies: [Tally; 3],
    /// When some were cut off: from when to when.
    cuts: Vec<(Instant, Instant)>,
    /// How many hold the server still.
    holds: usize,
    /// Since when nothing has held it still.
    free_since: Instant,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Whether a visitor who has seen nothing since then is one that is lost.
    fn is_too_long(&self, since: Instant) -> bool {
        let state = self.lock();
        state.holds == 0 && since.max(state.free_since).elapsed() > PATIENCE
    }
}

/// They come until this is dropped.
#[derive(Debug)]
pub struct Visitors {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    _balancer: HaProxy,
}

impl Visitors {
    /// On the listeners of these kinds, once somebody lets them begin.
    pub fn new(server: &Server, kinds: &[Kind]) -> Self {
        let mut balancer = HaProxy::new();
        let ports: Vec<_> = server
            .ports
            .iter()
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(kind, port)| {
                let words = "send-proxy-v2 source 127.0.9.1";
                (*kind, balancer.listener("", "", *port, words))
            })
            .collect();
        let state = State {
            phase: None,
            under_way: 0,
            visits: vec![0; ports.len()],
            ended: false,
            tallies: Phase::ALL.map(|_| Tally::new()),
            cuts: Vec::new(),
            holds: 0,
            free_since: Instant::now(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let balancer = balancer.start();
        let threads = ports.into_iter().enumerate().map(|(index, (kind, port))| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || come_again(&shared, index, kind, port))
        });
        Self { threads: threads.collect(), shared, _balancer: balancer }
    }

    /// Lets them come.
    pub fn begin(&self, phase: Phase) {
        self.shared.lock().phase = Some(phase);
        self.shared.changed.notify_all();
    }

    /// Lets nobody begin any more, and returns when all have been served.
    pub fn pause(&self) {
        let mut state = self.shared.lock();
        state.phase = None;
        while state.under_way > 0 {
            state = self.shared.changed.wait(state).expect("no panic");
        }
    }

    /// Returns when each has come and gone once more.
    pub fn let_pass(&self) {
        let mut state = self.shared.lock();
        // The first may have begun before.
        let wanted: Vec<_> = state.visits.iter().map(|visits| visits + 2).collect();
        while state.visits.iter().zip(&wanted).any(|(visits, wanted)| visits < wanted) {
            state = self.shared.changed.wait(state).expect("no panic");
        }
    }

    /// Does something after which those who are under way may not be served: no
    /// fault of ours, and counted apart.
    pub fn cut(&self, cut: impl FnOnce()) {
        let before = Instant::now();
        cut();
        self.shared.lock().cuts.push((before, Instant::now()));
    }

    /// The server is made to stand still, until what this returns is dropped: their
    /// patience begins anew then.
    pub fn hold(&self) -> Hold<'_> {
        self.shared.lock().holds += 1;
        Hold(&self.shared)
    }

    /// What they saw, and when some were cut off.
    pub fn tallies(&self) -> ([Tally; 3], Vec<(Instant, Instant)>) {
        let mut state = self.shared.lock();
        let new = Phase::ALL.map(|_| Tally::new());
        (std::mem::replace(&mut state.tallies, new), state.cuts.clone())
    }
}

/// A server that stands still.
#[derive(Debug)]
pub struct Hold<'a>(&'a Shared);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.holds -= 1;
        state.free_since = Instant::now();
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn come_again(shared: &Shared, index: usize, kind: Kind, port: u16) {
    let number = u8::try_from(index + 1).expect("a few");
    let source = Ipv4Addr::new(127, 0, 7, number);
    loop {
        let mut state = shared.lock();
        let phase = loop {
            if state.ended {
                return;
            }
            match state.phase {
                Some(phase) => break phase,
                None => state = shared.changed.wait(state).expect("no panic"),
            }
        };
        state.under_way += 1;
        drop(state);

        let begin = Instant::now();
        let visit = visit(shared, kind, source, port);
        let end = Instant::now();

        let mut state = shared.lock();
        let tally = &mut state.tallies[phase as usize];
        match visit {
            Ok(()) => {
                let taken = u64::try_from((end - begin).as_micros()).unwrap_or(u64::MAX);
                tally.latency.record(taken.max(1)).expect("a histogram that grows");
            }
            Err(error) => tally.failed.push((begin, end, format!("{}: {error}", kind.name()))),
        }
        state.under_way -= 1;
        state.visits[index] += 1;
        drop(state);
        shared.changed.notify_all();
        std::thread::sleep(PAUSE);
    }
}

/// Comes by the balancer, and must be known by his own address.
fn visit(shared: &Shared, kind: Kind, source: Ipv4Addr, port: u16) -> io::Result<()> {
    let mut stream = connect(source, port)?;
    stream.set_read_timeout(Some(LOOK))?;
    let (words, wanted) = match kind {
        Kind::Http => ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", format!("remote_addr={source}\n")),
        Kind::Stream => ("", format!("remote_addr={source}\n")),
        Kind::Mail => ("USER a\r\nPASS b\r\nQUIT\r\n", format!("-ERR client {source}\r\n")),
    };
    stream.write_all(words.as_bytes())?;
    let answer = read(shared, &mut stream)?;
    // He is the first to leave, so that the server's port is free again.
    let _ = stream.shutdown(Shutdown::Both);
    if answer.contains(&wanted) {
        return Ok(());
    }
    Err(io::Error::other(format!("{:?} instead of {wanted:?}", tail(&answer))))
}

/// Reads to the end, for as long as there is progress, or none can be asked for.
fn read(shared: &Shared, stream: &mut TcpStream) -> io::Result<String> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let mut since = Instant::now();
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => {
                all.extend_from_slice(&piece[..n]);
                since = Instant::now();
            }
            Err(error) if is_pause(error.kind()) && !shared.is_too_long(since) => {}
            // He has been answered, and that is what counts.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !all.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Whether nothing has come yet.
fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The end of it, for a message.
fn tail(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(80);
    text.chars().skip(skip).collect()
}
