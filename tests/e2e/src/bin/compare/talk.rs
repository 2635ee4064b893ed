//! One connection, and what came of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use realpeer_e2e::{Authority, Client, TlsClient};

use crate::inputs::{Input, Split};

/// Who connects: an address that stands in no vector.
pub const PEER: &str = "127.0.0.2";

/// What is spoken behind the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Http,
    Https,
    Stream,
    Mail,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Stream, Self::Mail];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Stream => "stream",
            Self::Mail => "mail",
        }
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
const HELLO: &str = "EHLO client.example\r\n";
/// "a" with the password "b".
const LOGIN: &str = "AUTH PLAIN AGEAYg==\r\n";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Closed without a byte.
    Refused,
    /// Neither answered nor closed: it waits for more.
    Waits,
    /// Answered, but not with the page: the request was not understood.
    Misread(String),
    Served(Seen),
}

/// What a server knew of its client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// `$remote_addr`; None where that is who connected.
    pub client: Option<String>,
    /// `$remote_port`; empty where it is zero, where that of who connected, and
    /// from mail, which does not tell.
    pub port: String,
    /// `$proxy_protocol_addr`; in Apache the peer of the connection, empty where
    /// that is who connected.
    pub named: String,
}

/// How it is known what a server does.
pub trait Pace {
    /// Returns when it has looked at all that was sent, or has answered.
    fn looked(&mut self, stream: &TcpStream);

    /// Whether it answers, or closes; otherwise it waits for more.
    fn answers(&mut self, _stream: &TcpStream) -> bool {
        true
    }
}

/// What a server said, and the port of the client it said that to. None: it
/// waits for more.
pub type Said = Option<(String, u16)>;

/// Sends it, and a request behind it.
pub fn talk(
    kind: Kind,
    port: u16,
    input: &Input,
    pace: &mut dyn Pace,
    authority: &Authority,
) -> Outcome {
    let Some((heard, local)) = said(kind, port, input, pace, authority) else {
        return Outcome::Waits;
    };
    if heard.is_empty() {
        return Outcome::Refused;
    }
    match heard.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((fields, _)) if fields.contains('|') => Outcome::Served(seen(fields, local)),
        _ => Outcome::Misread(heard.lines().next().unwrap_or_default().to_owned()),
    }
}

/// The same, and what it said.
pub fn said(
    kind: Kind,
    port: u16,
    input: &Input,
    pace: &mut dyn Pace,
    authority: &Authority,
) -> Said {
    let mut client = Client::from(PEER, port);
    client.reset_at_the_end();
    let local = client.local().port();
    let (first, last) = input.segments();
    for segment in first {
        client.send(segment);
        pace.looked(client.stream());
        if !client.is_quiet() {
            // Refused already, or stream has said all it had to.
            break;
        }
    }
    if input.split == Split::Unfinished {
        client.send(last);
        pace.looked(client.stream());
        return Some((heard(client.finish()), local));
    }
    let heard = match kind {
        Kind::Http | Kind::Stream => {
            let words: &[u8] = if kind == Kind::Http { REQUEST } else { b"words" };
            client.send([last, words].concat());
            if !pace.answers(client.stream()) {
                return None;
            }
            heard(&mut client)
        }
        Kind::Https => {
            let mut tls = TlsClient::fused(client, authority, last);
            tls.say_hello();
            if !pace.answers(tls.stream()) {
                return None;
            }
            // One that is refused has nobody to shake hands with.
            match tls.write_all(REQUEST) {
                Ok(()) => heard(&mut tls),
                Err(_) => String::new(),
            }
        }
        Kind::Mail => mail(client, last),
    };
    Some((heard, local))
}

fn mail(mut client: Client, last: &[u8]) -> String {
    client.send([last, HELLO.as_bytes()].concat());
    let mut answer = String::new();
    // The greeting, and the answer, whose last line has no hyphen.
    while !answer.starts_with("250 ") {
        answer = line(&mut client);
        if answer.is_empty() {
            return answer;
        }
    }
    heard(client.send(LOGIN))
}

fn seen(fields: &str, local: u16) -> Seen {
    let [client, port, named] = fields.split('|').collect::<Vec<_>>()[..] else {
        panic!("not three fields: {fields:?}");
    };
    // nginx does not show port 0.
    let port = if port == "0" { "" } else { port };
    let is_own = client == PEER && (port.is_empty() || port == local.to_string());
    Seen {
        client: (!is_own).then(|| client.to_owned()),
        port: if is_own { String::new() } else { port.to_owned() },
        named: if named == PEER { String::new() } else { named.to_owned() },
    }
}

/// All that comes until the server closes.
fn heard(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // A server that closes with something left unread resets.
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("still open: {bytes:?}"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The first line, or as much of it as came.
fn line(client: &mut Client) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\n") {
        match client.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("silent: {bytes:?}"),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
