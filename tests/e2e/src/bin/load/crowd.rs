//! Many connections at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use realpeer_e2e::PATIENCE;
use socket2::{Domain, SockRef, Socket, Type};

/// Threads that open and watch them.
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

/// Those who wait.
#[derive(Debug, Default)]
pub struct Crowd {
    pub members: Vec<TcpStream>,
}

impl Crowd {
    /// So many on these ports, the nth of which sends `words(n)`.
    pub fn open<'a>(
        ports: &[u16],
        count: usize,
        words: impl Fn(usize) -> &'a [u8] + Sync,
    ) -> io::Result<Self> {
        let join = |n: usize| {
            let mut stream = connect(source(n), ports[n % ports.len()])?;
            say(&mut stream, words(n))?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let members = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS)
                .map(|hand| {
                    scope.spawn(move || {
                        (hand..count).step_by(HANDS).map(join).collect::<io::Result<Vec<_>>>()
                    })
                })
                .collect();
            let parts: io::Result<Vec<_>> =
                hands.into_iter().map(|hand| hand.join().expect("no panic")).collect();
            parts
        })?;
        Ok(Self { members: members.into_iter().flatten().collect() })
    }

    /// How many are in that state.
    pub fn count(&self, wanted: State) -> usize {
        self.members.iter().filter(|stream| state(stream) == wanted).count()
    }

    /// Leaves, each with a reset.
    pub fn reset(self) {
        self.members.into_iter().for_each(reset);
    }

    /// The second half of it.
    pub fn split(&mut self) -> Self {
        Self { members: self.members.split_off(self.members.len() / 2) }
    }

    /// Waits until the server has ended all of them, and says how many it has not,
    /// and how many got an answer.
    pub fn wait(self, longest: Duration) -> (usize, usize) {
        let start = Instant::now();
        let mut rest = self.members;
        let mut answered = 0;
        while !rest.is_empty() && start.elapsed() < longest {
            rest.retain(|stream| match state(stream) {
                State::Open => true,
                State::Ended => false,
                State::Answered => {
                    answered += 1;
                    false
                }
            });
            // Only how often it is looked.
            std::thread::sleep(Duration::from_millis(20));
        }
        (rest.len(), answered)
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
