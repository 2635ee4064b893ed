//! A conversation in lines, as those of mail are.

use std::io::{Read, Write};

use crate::certificates::Authority;
use crate::client::Client;
use crate::tls::TlsClient;

/// A client that speaks POP3, IMAP or SMTP.
#[derive(Debug)]
pub struct Dialogue<S> {
    stream: S,
}

impl<S: Read + Write> Dialogue<S> {
    pub fn over(stream: S) -> Self {
        Self { stream }
    }

    /// The next line, without its end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                end => panic!("no line but {end:?} after {:?}", String::from_utf8_lossy(&line)),
            }
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).expect("text")
    }

    /// The last line of the next answer, which in SMTP can have several.
    #[track_caller]
    pub fn answer(&mut self) -> String {
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends a line and waits for its answer.
    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        self.stream.write_all(line.as_bytes()).expect("a server that reads");
        self.stream.flush().expect("a server that reads");
        self.answer()
    }
}

impl Dialogue<Client> {
    /// Goes on over TLS, which the server has just agreed to.
    pub fn start_tls(self, authority: &Authority) -> Dialogue<TlsClient> {
        Dialogue::over(TlsClient::over(self.stream, authority))
    }
}
