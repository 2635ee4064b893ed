//! Servers behind the server, which tell what they were asked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::upstream::{Request, Upstream};
use crate::wait::PATIENCE;

/// Remembers each request.
pub(super) struct Asked {
    upstream: Upstream,
    asked: Mutex<Receiver<String>>,
}

impl Asked {
    /// Answers that there is nothing to say.
    pub fn over_http() -> Self {
        Self::new(|stream, tell| {
            let _ = tell.send(Request::read(stream).head);
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        })
    }

    /// The same over uwsgi.
    pub fn over_uwsgi() -> Self {
        Self::new(|stream, tell| {
            let mut head = [0; 4];
            stream.read_exact(&mut head)?;
            let mut block = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
            stream.read_exact(&mut block)?;
            let _ = tell.send(String::from_utf8_lossy(&block).into_owned());
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        })
    }

    /// The same over SCGI.
    pub fn over_scgi() -> Self {
        Self::new(|stream, tell| {
            let mut length = Vec::new();
            let mut byte = [0];
            while byte != *b":" {
                stream.read_exact(&mut byte)?;
                length.extend(byte);
            }
            let length = String::from_utf8_lossy(&length);
            let length = length.trim_end_matches(':').parse().expect("a length");
            // A comma comes after it.
            let mut block = vec![0; length];
            stream.read_exact(&mut block)?;
            stream.read_exact(&mut byte)?;
            let _ = tell.send(String::from_utf8_lossy(&block).into_owned());
            stream.write_all(b"Status: 204 No Content\r\n\r\n")
        })
    }

    /// Whatever comes in the first line, and from where; closes.
    pub fn a_line() -> Self {
        Self::new(|stream, tell| {
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\n") && matches!(stream.read(&mut byte), Ok(1)) {
                line.push(byte[0]);
            }
            let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
            Ok(())
        })
    }

    /// From where it is connected to; answers as HTTP.
    pub fn peers() -> Self {
        Self::new(|stream, tell| {
            Request::read(stream);
            let _ = tell.send(stream.peer_addr()?.ip().to_string());
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        })
    }

    fn new(serve: fn(&mut TcpStream, &Sender<String>) -> io::Result<()>) -> Self {
        let (tell, asked) = channel();
        let upstream = Upstream::start(move |mut stream| {
            // Who has gone away has been told of or not.
            let _ = serve(&mut stream, &tell);
        });
        Self { upstream, asked: Mutex::new(asked) }
    }

    pub fn port(&self) -> u16 {
        self.upstream.port()
    }

    /// What it was asked next.
    #[track_caller]
    pub fn what(&self) -> String {
        let asked = self.asked.lock().expect("no panic");
        asked.recv_timeout(PATIENCE).expect("somebody who asks")
    }
}
