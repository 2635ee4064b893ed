//! `realpeer send`: a connection with a header in front.

use std::io::{self, IsTerminal, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Verdict;
use crate::error::Error;
use crate::header::{self, Endpoint};

/// Connect, send a header, and join the connection with standard input and output
///
/// Without --source and --destination the header has the addresses of the connection
/// itself, as a balancer's own checks do. The end of the standard input is passed
/// on by closing the connection for writing; the command ends when the peer closes
/// and the input that is there has been sent.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status: 0 when the peer has closed the connection, 1 where it could not be \
reached, reset the connection, did not take all of the input, or was silent for too \
long, 2 where the options do not go together.")]
pub struct Args {
    /// HOST:PORT, [IPV6]:PORT or unix:PATH
    #[arg(value_name = "TO")]
    pub to: String,

    /// Give up after so many seconds in which nothing moves
    #[arg(short = 'w', long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,

    /// What the header says.
    #[command(flatten)]
    pub header: header::Options,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 => {
            Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
        }
        _ => Err("a number of seconds of more than 0 is wanted".to_owned()),
    }
}

/// Talks to the peer until it closes.
///
/// # Errors
/// Where the options do not go together, or the standard input or output fail.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let stream = match Stream::connect(&args.to, args.timeout)? {
        Ok(stream) => stream,
        Err(error) => return failed(&format!("cannot connect to {}: {error}", args.to)),
    };
    let header = args.header.write(Some(stream.ends()?))?;
    match talk(&stream, &header, args.timeout, out)? {
        Ok(()) => Ok(Verdict::Fine),
        Err(error) => failed(&format!("{}: {error}", args.to)),
    }
}

/// Says what happened to the connection: that is an answer, and no failure of ours.
fn failed(what: &str) -> Result<Verdict, Error> {
    writeln!(io::stderr(), "realpeer: {what}")?;
    Ok(Verdict::Refused)
}

/// A connection of either kind.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// The inner error is the peer's.
    fn connect(to: &str, timeout: Option<Duration>) -> Result<io::Result<Stream>, Error> {
        if let Some(path) = to.strip_prefix("unix:") {
            return Ok(UnixStream::connect(path).map(Stream::Unix));
        }
        let addresses: Vec<SocketAddr> = match to.to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Error::new(format!(
                    "\"{to}\" is not HOST:PORT, [IPV6]:PORT or unix:PATH"
                )));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut last = Err(io::Error::other("the name has no address"));
        for address in addresses {
            let stream = match timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout),
                None => TcpStream::connect(address),
            };
            match stream {
                Ok(stream) => {
                    // What is typed should go out when it is typed.
                    stream.set_nodelay(true)?;
                    return Ok(Ok(Stream::Tcp(stream)));
                }
                Err(error) => last = Err(error),
            }
        }
        Ok(last)
    }

    /// Our own end and the peer's.
    fn ends(&self) -> io::Result<(Endpoint, Endpoint)> {
        Ok(match self {
            Stream::Tcp(tcp) => {
                (Endpoint::Inet(tcp.local_addr()?), Endpoint::Inet(tcp.peer_addr()?))
            }
            Stream::Unix(unix) => {
                let path = |address: std::os::unix::net::SocketAddr| {
                    let path = address.as_pathname().map(|path| path.as_os_str().as_bytes());
                    Endpoint::Unix(path.unwrap_or(&[]).to_vec())
                };
                (path(unix.local_addr()?), path(unix.peer_addr()?))
            }
        })
    }

    fn close_for_writing(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => tcp.shutdown(Shutdown::Write),
            Stream::Unix(unix) => unix.shutdown(Shutdown::Write),
        }
    }

    fn try_clone(&self) -> io::Result<Stream> {
        Ok(match self {
            Stream::Tcp(tcp) => Stream::Tcp(tcp.try_clone()?),
            Stream::Unix(unix) => Stream::Unix(unix.try_clone()?),
        })
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => tcp.set_read_timeout(timeout),
            Stream::Unix(unix) => unix.set_read_timeout(timeout),
        }
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => (&*tcp).read(bytes),
            Stream::Unix(unix) => (&*unix).read(bytes),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => (&*tcp).write_all(bytes),
            Stream::Unix(unix) => (&*unix).write_all(bytes),
        }
    }
}

/// When something last went over the connection, in either direction.
struct Idle {
    start: Instant,
    /// Milliseconds after the start.
    last: AtomicU64,
}

impl Idle {
    fn moved(&self) {
        self.last.store(self.since_start(), Ordering::Relaxed);
    }

    fn since_start(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What is left of `timeout`; none when it has passed.
    fn left(&self, timeout: Duration) -> Option<Duration> {
        let idle = self.since_start().saturating_sub(self.last.load(Ordering::Relaxed));
        timeout.checked_sub(Duration::from_millis(idle)).filter(|left| !left.is_zero())
    }
}

/// How far the standard input has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All that has come; more is waited for.
    Known,
    /// Not yet what has come last.
    Part,
    All,
    /// The peer took no more of it.
    Failed,
}

/// Tells how far the standard input has been sent.
struct Progress {
    sent: Mutex<Sent>,
    changed: Condvar,
}

/// An input that is silent for so long when the peer has closed is taken for one
/// that never ends, as that of an idle pipe.
const SILENCE: Duration = Duration::from_secs(1);

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, sent: Sent) {
        *self.lock() = sent;
        self.changed.notify_all();
    }

    /// Waits for as long as `sent` holds; for `longest` at most.
    fn wait_while(&self, sent: Sent, longest: Duration) -> Sent {
        let wait = self.changed.wait_timeout_while(self.lock(), longest, |now| *now == sent);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Sends the standard input, until it ends or the peer takes no more.
fn send_input(stream: &Stream, progress: &Progress, idle: &Idle) {
    let mut bytes = [0; 16 << 10];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut bytes) {
            Ok(0) => break,
            Ok(len) => {
                progress.set(Sent::Part);
                let sent = bytes.get(..len).map_or(Ok(()), |bytes| stream.write_all(bytes));
                // What the peer has to say of it comes to the other side.
                if sent.is_err() {
                    return progress.set(Sent::Failed);
                }
                idle.moved();
                progress.set(Sent::Known);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // It fails where the peer has closed already.
    let _ = stream.close_for_writing();
    progress.set(Sent::All);
}

/// The peer has closed its side, and may go on reading: waits until what there is of
/// the input has been sent.
fn settle(progress: &Progress, idle: &Idle, timeout: Option<Duration>) -> io::Result<()> {
    let mut sent = *progress.lock();
    loop {
        sent = match sent {
            Sent::All => return Ok(()),
            Sent::Failed => {
                return Err(io::Error::other("closed before all of the input was sent"));
            }
            // Who sits there has seen that it is over.
            Sent::Known if io::stdin().is_terminal() => return Ok(()),
            Sent::Known => match progress.wait_while(sent, SILENCE) {
                Sent::Known => return Ok(()),
                other => other,
            },
            Sent::Part => {
                let left = left(idle, timeout)?;
                progress.wait_while(sent, left.unwrap_or(Duration::MAX))
            }
        };
    }
}

/// What is left of the time in which nothing has to move.
fn left(idle: &Idle, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    let Some(timeout) = timeout else { return Ok(None) };
    let left = idle.left(timeout).ok_or_else(|| {
        let text = format!("nothing moved for {} seconds", timeout.as_secs_f64());
        io::Error::new(io::ErrorKind::TimedOut, text)
    })?;
    Ok(Some(left))
}

/// Sends header and standard input, prints what comes. The inner error is the
/// peer's.
fn talk(
    stream: &Stream,
    header: &[u8],
    timeout: Option<Duration>,
    out: &mut dyn Write,
) -> Result<io::Result<()>, Error> {
    if let Err(error) = stream.write_all(header) {
        return Ok(Err(error));
    }
    let idle = Arc::new(Idle { start: Instant::now(), last: AtomicU64::new(0) });
    let progress = Arc::new(Progress { sent: Mutex::new(Sent::Known), changed: Condvar::new() });
    let sender = (stream.try_clone()?, Arc::clone(&progress), Arc::clone(&idle));
    // Nobody waits for its end: a terminal may never end.
    thread::spawn(move || send_input(&sender.0, &sender.1, &sender.2));

    let mut bytes = [0; 16 << 10];
    loop {
        match left(&idle, timeout) {
            Ok(None) => {}
            Ok(left) => stream.set_read_timeout(left)?,
            Err(error) => return Ok(Err(error)),
        }
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(settle(&progress, &idle, timeout)),
            Ok(len) => {
                idle.moved();
                out.write_all(bytes.get(..len).unwrap_or(&[]))?;
                out.flush()?;
            }
            Err(error) => match error.kind() {
                // A read timeout: whether it is over is looked at above.
                io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut => {}
                _ => return Ok(Err(error)),
            },
        }
    }
}
