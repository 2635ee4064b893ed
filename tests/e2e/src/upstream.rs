//! Servers behind nginx: a thread that answers each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A TCP server on a port of its own that ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A request as the upstream received it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => break,
            }
        }
        let mut request =
            Self { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse::<usize>().expect("a length"));
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body).expect("the whole body");
        request
    }

    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Upstream {
    /// Calls `serve` for each connection, in a thread of its own.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let serve = Arc::clone(&serve);
                let stream = stream.expect("a connection");
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// Sends back every byte it gets.
    pub fn mirror() -> Self {
        Self::start(|mut stream| {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                // A client that has gone away is the test's own doing.
                if stream.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers each request with its own head, and the length of its body and
    /// the sum of the body's bytes in headers.
    pub fn echo() -> Self {
        Self::start(|mut stream| {
            let request = Request::read(&mut stream);
            let sum: u64 = request.body.iter().map(|byte| u64::from(*byte)).sum();
            let head = &request.head;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Body-Length: {}\r\nX-Body-Sum: {sum}\r\n\
                 Content-Length: {}\r\n\r\n{head}",
                request.body.len(),
                head.len(),
            );
            // A client that has gone away is the test's own doing.
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread up so that it sees the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
