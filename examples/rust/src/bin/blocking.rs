//! A web server behind a balancer, with threads: shows its visitors their address,
//! and that of the balancer that relayed them.
//!
//!     blocking 0.0.0.0:8080 require 10.0.1.0/24 direct 127.0.0.1
//!
//! Policies and sources follow the address to listen on.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, thread};

use realpeer::{Action, Receiver, Rules, Settings};
use realpeer_examples::{Visit, rules};

const USAGE: &str = "usage: blocking ADDRESS:PORT POLICY SOURCE [POLICY SOURCE ...]";

/// As many connections are served at once.
const THREADS: usize = 16;
/// For the whole header, and then for the whole request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the longest request.
const REQUEST: u64 = 8192;

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let Some(address) = words.next() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let rules = match rules(words) {
        Ok(rules) => rules,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let listener = match TcpListener::bind(&address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("{address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| accept_all(&listener, rules));
        }
    });
    ExitCode::SUCCESS
}

fn accept_all(listener: &TcpListener, rules: Rules<'_>) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                if let Err(error) = serve(&stream, peer, rules) {
                    eprintln!("{error}, peer: {peer}");
                }
            }
            Err(error) => {
                // Too many open files, for example, which passes.
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn serve(stream: &TcpStream, peer: SocketAddr, rules: Rules<'_>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let policy = rules.find(peer.ip().into());
    let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
    take_header(stream, &mut receiver);

    let decision = receiver.decision();
    let outcome = decision.outcome;
    if decision.action == Action::Refuse {
        if !outcome.is_quiet() {
            eprintln!("refused {} ({outcome}), peer: {peer}", outcome.name());
        }
        return Ok(());
    }
    let visit = Visit::new(&decision, peer, stream.local_addr()?);

    // Where a header only may come, the beginning of a request has perhaps been
    // read instead of one.
    let request = receiver.rest().chain(Until::now(stream));
    answer(request, stream, &visit)
}

/// Reads up to the end of the header, and never further.
fn take_header(stream: &TcpStream, receiver: &mut Receiver<'_>) {
    let mut stream = Until::now(stream);
    while receiver.decision().action == Action::More {
        match stream.read(receiver.missing()) {
            Ok(n) => receiver.filled(n),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => receiver.timed_out(),
                _ => receiver.closed(),
            },
        }
    }
}

/// From here on all is as if the visitor had connected himself.
fn answer(request: impl Read, mut stream: &TcpStream, visit: &Visit) -> io::Result<()> {
    let mut first = None;
    for line in BufReader::new(request.take(REQUEST)).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        first.get_or_insert(line);
    }
    let Some(first) = first else { return Ok(()) };
    let page = visit.page("a thread", &[("request", first)]);
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len(),
    )
}

/// A stream that can be read until a moment: a timeout of the socket begins anew
/// with every byte.
struct Until<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl<'a> Until<'a> {
    fn now(stream: &'a TcpStream) -> Self {
        Until { stream, end: Instant::now() + TIMEOUT }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(bytes)
    }
}
