//! Many connections at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use realpeer_e2e::PATIENCE;
use socket2::{Domain, SockRef, Socket, Type};

/// Threads that a crowd is shared out among.
const HANDS: usize = 4;

/// Addresses they come from: one alone has some 28,000 ports.
const SOURCES: usize = 64;

/// The nth of the addresses of a crowd.
pub fn source(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 10, 1 + u8::try_from(n % SOURCES).expect("less than SOURCES"))
}

/// A connection to 127.0.0.1.
pub fn connect(source: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    // Each write is a segment of its own.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// The same, and does not wait until there is room in the queue.
pub fn begin_to_connect(source: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// What the other side has done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// Closed or reset.
    Ended,
    /// There are bytes.
    Answered,
}

pub fn state(stream: &TcpStream) -> State {
    match stream.peek(&mut [0]) {
        Ok(0) => State::Ended,
        Ok(_) => State::Answered,
        Err(error) if error.kind() == ErrorKind::WouldBlock => State::Open,
        Err(_) => State::Ended,
    }
}

type Members = Vec<TcpStream>;
type Order = Box<dyn FnOnce(&mut Members) + Send>;

/// A thread with some of them, which it alone can touch: it has a table of
/// descriptors of its own, as one alone may be too small.
#[derive(Debug)]
struct Hand {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    fn new() -> Self {
        let (orders, received) = mpsc::channel::<Order>();
        let thread = std::thread::spawn(move || {
            own_descriptors();
            let mut members = Members::new();
            for order in received {
                order(&mut members);
            }
            members.into_iter().for_each(reset);
        });
        Self { orders: Some(orders), thread: Some(thread) }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Gives this thread a table of its own, with nothing in it but where it may print.
fn own_descriptors() {
    let (from, to) = (3, libc::c_uint::MAX);
    let flags = libc::c_int::try_from(libc::CLOSE_RANGE_UNSHARE).expect("a small number");
    // SAFETY: only this thread loses descriptors, and it has opened none so far.
    let done = unsafe { libc::close_range(from, to, flags) };
    assert_eq!(done, 0, "Linux 5.9");
}

/// Those who wait. Whoever is left of it when it is dropped leaves with a reset.
#[derive(Debug)]
pub struct Crowd {
    hands: Vec<Hand>,
}

impl Crowd {
    /// So many, the nth of whom comes as `join` says.
    pub fn new(
        count: usize,
        join: impl Fn(usize) -> io::Result<TcpStream> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let crowd = Self { hands: (0..HANDS).map(|_| Hand::new()).collect() };
        let opened = crowd.ask(move |hand, members| {
            for n in (hand..count).step_by(HANDS) {
                let stream = join(n)?;
                stream.set_nonblocking(true)?;
                members.push(stream);
            }
            Ok(())
        });
        opened.into_iter().collect::<io::Result<()>>()?;
        Ok(crowd)
    }

    /// So many on these ports, each of whom has one of these things to say.
    pub fn open(ports: &[u16], count: usize, words: &[Vec<u8>]) -> io::Result<Self> {
        let (ports, words) = (ports.to_vec(), words.to_vec());
        Self::new(count, move |n| {
            let mut stream = connect(source(n), ports[n % ports.len()])?;
            say(&mut stream, &words[n / ports.len() % words.len()])?;
            Ok(stream)
        })
    }

    /// Has all hands do something at once, each with its number and its part.
    fn ask<R: Send + 'static>(
        &self,
        order: impl Fn(usize, &mut Members) -> R + Send + Sync + 'static,
    ) -> Vec<R> {
        let order = Arc::new(order);
        let answers: Vec<_> = self
            .hands
            .iter()
            .enumerate()
            .map(|(hand, Hand { orders, .. })| {
                let (answer, answers) = mpsc::channel();
                let order = Arc::clone(&order);
                let sent = orders.as_ref().expect("not dropped").send(Box::new(move |members| {
                    let _ = answer.send(order(hand, members));
                }));
                sent.expect("a thread that waits for orders");
                answers
            })
            .collect();
        answers.into_iter().map(|answer| answer.recv().expect("no panic")).collect()
    }

    /// How many are in that state.
    pub fn count(&self, wanted: State) -> usize {
        let count = self
            .ask(move |_, members| members.iter().filter(|stream| state(stream) == wanted).count());
        count.into_iter().sum()
    }

    /// How many have been let in.
    pub fn connected(&self) -> usize {
        let count = self
            .ask(|_, members| members.iter().filter(|stream| stream.peer_addr().is_ok()).count());
        count.into_iter().sum()
    }

    /// All say that. One that has been closed is found out by reading.
    pub fn say(&self, words: &[u8]) {
        let words = words.to_vec();
        self.ask(move |_, members| {
            for stream in members {
                drop(say(stream, &words));
            }
        });
    }

    /// One half leaves with a reset; how many stay.
    pub fn halve(&self) -> usize {
        let left = self.ask(|_, members| {
            members.split_off(members.len() / 2).into_iter().for_each(reset);
            members.len()
        });
        left.into_iter().sum()
    }

    /// Waits until the server has ended all of them, and says how many it has not,
    /// and how many got an answer.
    pub fn wait(self, longest: Duration) -> (usize, usize) {
        let ended = self.ask(move |_, members| {
            let start = Instant::now();
            let mut answered = 0;
            loop {
                members.retain(|stream| match state(stream) {
                    State::Open => true,
                    State::Ended => false,
                    State::Answered => {
                        answered += 1;
                        false
                    }
                });
                if members.is_empty() || start.elapsed() >= longest {
                    return (members.len(), answered);
                }
                // Only how often it is looked.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        ended.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    /// Reads all there is until the server closes, and says how many got that answer.
    pub fn answered(self, wanted: &str) -> usize {
        let wanted = wanted.to_owned();
        let count = self.ask(move |_, members| {
            let answers = members.drain(..).filter_map(|stream| {
                stream.set_nonblocking(false).expect("an option");
                read_out(stream)
            });
            answers.filter(|answer| String::from_utf8_lossy(answer).contains(&wanted)).count()
        });
        count.into_iter().sum()
    }
}

/// Sends it all; the server may have closed first, which is found out by reading.
pub fn say(stream: &mut TcpStream, words: &[u8]) -> io::Result<()> {
    match stream.write_all(words) {
        Err(error)
            if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Ends it at once, without a word to the other side but that.
pub fn reset(stream: TcpStream) {
    // One that has ended already needs nothing.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Says no more, and reads to the end.
pub fn finish(stream: TcpStream) -> Option<Vec<u8>> {
    // The server may have closed first.
    let _ = stream.shutdown(Shutdown::Write);
    read_out(stream)
}

/// Reads to the end: what came, or None if there was no end.
pub fn read_out(mut stream: TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        // Closing with bytes that nobody has read is a reset.
        _ => Some(all),
    }
}
