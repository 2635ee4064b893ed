//! One connection, and what came of it.

use std::io::{ErrorKind, Read, Write};

use realpeer_e2e::{Authority, Client, TlsClient};

use crate::inputs::{Input, Split};
use crate::servers::{Kind, PEER, Page};

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";
const HELLO: &str = "EHLO client.example\r\n";
/// "a" with the password "b".
const LOGIN: &str = "AUTH PLAIN AGEAYg==\r\n";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Closed without a byte.
    Refused,
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
    /// `$proxy_protocol_addr`
    pub named: String,
}

/// Sends it, and a request behind it.
pub fn talk(
    kind: Kind,
    port: u16,
    input: &Input,
    page: &mut Page,
    authority: &Authority,
) -> Outcome {
    let mut client = Client::from(PEER, port);
    client.reset_at_the_end();
    let local = client.local().port();
    let (first, last) = input.segments();
    for segment in first {
        client.send(segment);
        page.visit_twice();
        if !client.is_quiet() {
            // Refused already, or stream has said all it had to.
            break;
        }
    }
    let heard = if input.split == Split::Unfinished {
        client.send(last);
        page.visit_twice();
        heard(client.finish())
    } else {
        match kind {
            Kind::Http => heard(client.send([last, REQUEST.as_bytes()].concat())),
            Kind::Https => {
                let mut tls = TlsClient::fused(client, authority, last);
                // One that is refused has nobody to shake hands with.
                match tls.write_all(REQUEST.as_bytes()) {
                    Ok(()) => heard(&mut tls),
                    Err(_) => String::new(),
                }
            }
            Kind::Stream => heard(client.send([last, b"words"].concat())),
            Kind::Mail => {
                client.send([last, HELLO.as_bytes()].concat());
                let mut answer = String::new();
                // The greeting, and the answer, whose last line has no hyphen.
                while !answer.starts_with("250 ") {
                    answer = line(&mut client);
                    if answer.is_empty() {
                        return Outcome::Refused;
                    }
                }
                heard(client.send(LOGIN))
            }
        }
    };
    if heard.is_empty() {
        return Outcome::Refused;
    }
    match heard.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((fields, _)) if fields.contains('|') => Outcome::Served(seen(fields, local)),
        _ => Outcome::Misread(heard.lines().next().unwrap_or_default().to_owned()),
    }
}

fn seen(fields: &str, local: u16) -> Seen {
    let [client, port, named] = fields.split('|').collect::<Vec<_>>()[..] else {
        panic!("not three fields: {fields:?}");
    };
    let is_own = client == PEER && (port.is_empty() || port == local.to_string());
    Seen {
        client: (!is_own).then(|| client.to_owned()),
        port: if is_own { String::new() } else { port.to_owned() },
        named: named.to_owned(),
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
