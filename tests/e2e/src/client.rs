//! A client that sends exactly the bytes it is told to.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::http::Response;
use crate::page::Vars;
use crate::wait::{PATIENCE, wait_until};

/// How a connection ended, seen from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Closed or reset without a byte.
    Unanswered,
    Answered(Vec<u8>),
}

impl Ending {
    /// The answer that came before the end.
    #[track_caller]
    pub fn response(&self) -> Response {
        match self {
            Self::Answered(bytes) => Response::parse(bytes),
            Self::Unanswered => panic!("closed without a byte"),
        }
    }

    /// The variables that a server of stream returned.
    #[track_caller]
    pub fn vars(&self) -> Vars {
        match self {
            Self::Answered(bytes) => Vars::new(bytes),
            Self::Unanswered => panic!("closed without a byte"),
        }
    }
}

/// A TCP connection to a server under test.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// From 127.0.0.1 to 127.0.0.1.
    pub fn connect(port: u16) -> Self {
        Self::from("127.0.0.1", port)
    }

    /// From `source` to the loopback address of its family.
    pub fn from(source: &str, port: u16) -> Self {
        let source: IpAddr = source.parse().expect("an address");
        let target = match source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => "::1".parse().expect("an address"),
        };
        Self::between(source, SocketAddr::new(target, port))
    }

    /// From `source` to `target`.
    pub fn between(source: IpAddr, target: SocketAddr) -> Self {
        let socket =
            Socket::new(Domain::for_address(target), Type::STREAM, None).expect("a socket");
        // With tens of thousands of connections about, a port may not be found at once.
        wait_until("a source address", || socket.bind(&SocketAddr::new(source, 0).into()).ok());
        socket.connect(&target.into()).expect("a listener");
        let stream = TcpStream::from(socket);
        // Each write of a test is a segment of its own.
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { stream }
    }

    /// Our own end, which the server sees as its peer.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a bound socket")
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends all of it. A server that has closed already is no error here: the
    /// test finds out by reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        match self.stream.write_all(bytes.as_ref()) {
            Ok(()) => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("sending: {error}"),
        }
        self
    }

    /// Sends each piece after the server has read the one before it.
    pub fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> &mut Self {
        for piece in pieces {
            self.send(piece);
            self.wait_until_read();
        }
        self
    }

    /// Returns when nothing that was sent is left in the server's receive
    /// queue, or after a moment: a server that only peeks at the first bytes
    /// leaves them there, and nothing tells from outside that it has peeked.
    /// Too short a moment makes two pieces one, which is never an error.
    pub fn wait_until_read(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(10) {
            if unread_by_peer(&self.stream) == Some(0) {
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Returns when the server has taken all that was sent off its socket.
    #[track_caller]
    pub fn wait_until_taken(&self) {
        wait_until("the server to read", || self.is_taken().then_some(()));
    }

    /// Whether the server has taken all that was sent off its socket.
    pub fn is_taken(&self) -> bool {
        is_taken(&self.stream)
    }

    /// Sends no more; can still read.
    pub fn finish(&mut self) -> &mut Self {
        // The server may have closed first.
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Closes by a reset, as a balancer's layer 4 check does.
    pub fn reset(self) {
        self.reset_at_the_end();
    }

    /// Has it closed by a reset whenever that will be, so that the kernel does
    /// not remember thousands of ended connections.
    pub fn reset_at_the_end(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("an option");
    }

    /// The next answer on this connection.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        Response::read(&mut self.stream)
    }

    /// Asks for `path` and reads the answer; the connection stays open.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(request(path)).response()
    }

    /// Reads until the server closes.
    #[track_caller]
    pub fn ending(&mut self) -> Ending {
        read_to_end(&mut self.stream)
    }

    /// Panics unless the server closes without answering a single byte.
    #[track_caller]
    pub fn must_be_closed(&mut self) {
        assert_eq!(self.ending(), Ending::Unanswered);
    }

    /// Whether the server has neither sent something nor closed, without
    /// waiting.
    pub fn is_quiet(&self) -> bool {
        is_quiet(&self.stream)
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl Read for Client {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A request that keeps the connection open.
pub(crate) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Asks for `path` on a unix socket, after `header`.
pub fn get_on_unix_socket(socket: &Path, header: &[u8], path: &str) -> Response {
    let mut stream = UnixStream::connect(socket).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.write_all(header).expect("a server that reads");
    stream.write_all(request(path).as_bytes()).expect("a server that reads");
    Response::read(&mut stream)
}

#[track_caller]
pub(crate) fn read_to_end(stream: &mut impl Read) -> Ending {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // Closing with unread bytes in the queue is a reset; closing without
        // a word of TLS is no end of TLS.
        Err(error)
            if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {}
        Err(error) => panic!("still open after {:?}: {error}", String::from_utf8_lossy(&bytes)),
    }
    if bytes.is_empty() { Ending::Unanswered } else { Ending::Answered(bytes) }
}

/// Whether the server has neither sent something nor closed, without waiting.
pub fn is_quiet(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("an option");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("an option");
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Whether the server has taken all that was sent off its socket.
pub fn is_taken(stream: &TcpStream) -> bool {
    unread_by_peer(stream) == Some(0)
}

/// Bytes waiting in the receive queue of the other end of a loopback
/// connection. None when the other end is gone.
fn unread_by_peer(stream: &TcpStream) -> Option<u64> {
    let ours = stream.local_addr().ok()?.port();
    let theirs = stream.peer_addr().ok()?.port();
    let (local, remote) = (format!(":{theirs:04X}"), format!(":{ours:04X}"));
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        let line = table.lines().find(|line| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next().is_some_and(|field| field.ends_with(&local))
                && fields.next().is_some_and(|field| field.ends_with(&remote))
        })?;
        let (_, receive_queue) = line.split_whitespace().nth(4)?.split_once(':')?;
        u64::from_str_radix(receive_queue, 16).ok()
    })
}
