//! The places that nginx counts in memory which its workers share: whoever takes
//! one must give it back, or its client will find fewer the next time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use realpeer_e2e::{PATIENCE, V2};

use crate::crowd::{connect, finish};
use crate::server::{Kind, Server};

/// For each client, in http and in stream.
pub const PLACES: usize = 8;

/// All of them, taken by one client who holds them.
#[derive(Debug)]
pub struct Places {
    _held: Vec<TcpStream>,
}

impl Places {
    /// Takes all, and sees that there is not one more. Those who had them before
    /// may be about to leave.
    pub fn take(server: &Server) -> Result<Self, String> {
        let start = Instant::now();
        let mut all = Vec::new();
        for (kind, port) in &server.limited {
            let held = loop {
                let held: Vec<_> =
                    (0..PLACES).map_while(|_| enter(*kind, *port).ok().flatten()).collect();
                if held.len() == PLACES {
                    break held;
                }
                if start.elapsed() > PATIENCE {
                    let free = held.len();
                    return Err(format!("{} of {PLACES} places left in {}", free, kind.name()));
                }
                // Only how often it is tried.
                drop(held);
                std::thread::sleep(Duration::from_millis(20));
            };
            match enter(*kind, *port) {
                Ok(None) => all.extend(held),
                other => return Err(format!("one place too many in {}: {other:?}", kind.name())),
            }
        }
        Ok(Self { _held: all })
    }
}

/// Someone with a place, or None if there is none left.
fn enter(kind: Kind, port: u16) -> io::Result<Option<TcpStream>> {
    let mut stream = connect([127, 0, 8, 1].into(), port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&V2::proxy("192.0.2.99:4321", "198.51.100.1:443").build())?;
    let (words, welcome): (&[u8], &[u8]) = match kind {
        Kind::Http => (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ),
        _ => (b"words", b"words"),
    };
    stream.write_all(words)?;
    let mut answer = vec![0; welcome.len()];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer == welcome => Ok(Some(stream)),
        Ok(()) if answer.starts_with(b"HTTP/1.1 503") => {
            // nginx goes on counting one that resets while the rest of its request is
            // thrown away, with no module of ours as well (seen in 1.28.3).
            finish(stream);
            Ok(None)
        }
        Ok(()) => Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
        Err(error)
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
