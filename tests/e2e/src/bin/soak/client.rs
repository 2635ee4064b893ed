//! Clients: those that do as planned, and the one that must be served.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use realpeer_e2e::{Client, Dialogue, TlsClient, V2, v1};

use crate::plan::{After, Plan, addresses};
use crate::random::Random;
use crate::server::Server;
use crate::target::Target;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The server sent something, and closed.
    Answered,
    /// The server closed without a byte.
    Closed,
    /// The client did not wait for it.
    Left,
    /// The server did neither, for far longer than any of its timeouts.
    Stuck,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered and closed",
            Self::Closed => "closed by the server",
            Self::Left => "by the client",
            Self::Stuck => "not at all",
        }
    }
}

fn connect(server: &Server, source: Ipv4Addr, target: Target) -> Client {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port(target)));
    Client::between(source.into(), to)
}

/// Does as planned.
pub fn drive(server: &Server, plan: &Plan) -> Outcome {
    let mut client = connect(server, plan.source, plan.target);
    if plan.target == Target::StreamTlsPass {
        return drive_within_tls(TlsClient::over(client, &server.authority), plan);
    }
    let (last, first) = match (plan.after, plan.pieces.split_last()) {
        (After::Tls, Some((last, first))) => (&last[..], first),
        _ => (&[][..], &plan.pieces[..]),
    };
    for piece in first {
        client.send(piece);
        pause(plan);
    }
    match plan.after {
        After::Tls => {
            let mut tls = TlsClient::fused(client, &server.authority, last);
            // A server that refuses is found out by reading.
            let _ = tls.write_all(plan.target.words()).and_then(|()| tls.flush());
            read_to_end(&mut tls)
        }
        After::Read => read_to_end(&mut client),
        After::Finish => read_to_end(client.finish()),
        After::Close => Outcome::Left,
        After::Reset => {
            client.reset();
            Outcome::Left
        }
    }
}

fn drive_within_tls(mut tls: TlsClient, plan: &Plan) -> Outcome {
    for piece in &plan.pieces {
        // As above.
        let _ = tls.write_all(piece).and_then(|()| tls.flush());
        pause(plan);
    }
    match plan.after {
        After::Close => Outcome::Left,
        _ => read_to_end(&mut tls),
    }
}

/// Part of what a slow client does; nothing waits for it.
fn pause(plan: &Plan) {
    if plan.pause > 0 {
        std::thread::sleep(Duration::from_millis(plan.pause));
    }
}

fn read_to_end(from: &mut impl Read) -> Outcome {
    let mut some = false;
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes) {
            Ok(1..) => some = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Outcome::Stuck;
            }
            // Closed, reset, or not as TLS wants it.
            Ok(0) | Err(_) if some => return Outcome::Answered,
            Ok(0) | Err(_) => return Outcome::Closed,
        }
    }
}

/// A client that does everything right, on one of these listeners. Says what was
/// wrong.
pub fn visit(server: &Server, targets: &[Target], random: &mut Random) -> Result<(), String> {
    let (client, to) = addresses(random);
    let address: SocketAddr = client.parse().expect("an address");
    let header = if random.percent(50) {
        v1(&client, &to)
    } else {
        V2::proxy(&client, &to).checksum().build()
    };
    let target = *random.one_of(targets);
    let mut visitor = connect(server, Ipv4Addr::new(127, 0, 1, 1), target);
    visitor.send(&header);
    let seen = match target {
        Target::Http => visitor.get("/").var("remote_addr"),
        Target::Https => TlsClient::over(visitor, &server.authority).get("/").var("remote_addr"),
        Target::Stream => visitor.ending().vars().var("remote_addr"),
        Target::StreamTls => {
            TlsClient::over(visitor, &server.authority).ending().vars().var("remote_addr")
        }
        _ => {
            let mut dialogue = Dialogue::over(visitor);
            dialogue.line();
            dialogue.say("USER a");
            dialogue.say("PASS b").replace("-ERR client ", "")
        }
    };
    // Mail puts IPv6 addresses in brackets.
    if seen.trim_matches(['[', ']']) == address.ip().to_string() {
        return Ok(());
    }
    Err(format!("{target:?}: the visitor {} was taken for {seen}", address.ip()))
}
