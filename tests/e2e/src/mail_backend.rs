//! A mail server behind nginx that agrees to everything.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::upstream::Upstream;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailProtocol {
    Smtp,
    Imap,
    Pop3,
}

/// Runs until it is dropped, and remembers the lines it was sent.
#[derive(Debug)]
pub struct MailBackend {
    server: Upstream,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailBackend {
    pub fn start(protocol: MailProtocol) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&lines);
        // nginx ends a connection when its client does, at any time.
        let server = Upstream::start(move |stream| drop(serve(protocol, stream, &seen)));
        Self { server, lines }
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Every line of every connection, without the ends.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// The first line that begins so; nginx has waited for the answer to it
    /// before it tells the client that all is well.
    #[track_caller]
    pub fn line(&self, beginning: &str) -> String {
        let lines = self.lines();
        let found = lines.iter().find(|line| line.starts_with(beginning));
        found.unwrap_or_else(|| panic!("no {beginning} in {lines:#?}")).clone()
    }
}

fn serve(
    protocol: MailProtocol,
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let greeting = match protocol {
        MailProtocol::Smtp => "220 backend ESMTP",
        MailProtocol::Imap => "* OK backend",
        MailProtocol::Pop3 => "+OK backend",
    };
    stream.write_all(format!("{greeting}\r\n").as_bytes())?;
    let reader = BufReader::new(stream.try_clone()?);
    let mut tag = None;
    for line in reader.lines() {
        let line = line?;
        seen.lock().expect("no panic").push(line.clone());
        if line.starts_with("PROXY ") {
            continue;
        }
        let answer = match protocol {
            MailProtocol::Smtp => smtp(&line).to_owned(),
            MailProtocol::Imap => imap(&line, &mut tag),
            MailProtocol::Pop3 => "+OK".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

fn smtp(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "XCLIENT" => "220 backend ESMTP",
        "AUTH" => "235 welcome",
        _ => "250 fine",
    }
}

/// A command may end in the length of a literal, which comes as the next line
/// and may end so itself; its tag is in its first line.
fn imap(line: &str, tag: &mut Option<String>) -> String {
    let first = line.split(' ').next().unwrap_or_default();
    let tag_now = tag.take().unwrap_or_else(|| first.to_owned());
    if line.ends_with('}') {
        *tag = Some(tag_now);
        return "+ go on".to_owned();
    }
    format!("{tag_now} OK done")
}
