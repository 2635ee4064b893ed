//! The shortest server behind a balancer: tells each client who it is.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use realpeer::{Action, Policy, Receiver, Rule, Rules, Settings};

fn serve(stream: &mut TcpStream, rules: Rules<'_>) -> Result<(), Error> {
    let peer = stream.peer_addr()?;
    let mut buffer = [0; 4096];
    let policy = rules.find(peer.ip().into());
    let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
    let end = Instant::now() + Duration::from_secs(5);
    while receiver.decision().action == Action::More {
        let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(ErrorKind::TimedOut)?))?;
        let n = stream.read(receiver.missing())?;
        receiver.filled(n);
    }
    let decision = receiver.decision();
    if decision.action == Action::Refuse {
        return Err(Error::other(decision.outcome));
    }

    // From here on the stream is as if nothing had been in front.
    writeln!(stream, "You are {}.", decision.client.unwrap_or(peer))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (address, balancer) = words.next().zip(words.next()).ok_or("server ADDRESS BALANCER")?;
    let mut list = [Rule::parse(&balancer, Policy::Require, 0)?.0];
    let rules = Rules::prepare(&mut list)?;
    for stream in TcpListener::bind(address)?.incoming() {
        if let Err(error) = stream.and_then(|mut stream| serve(&mut stream, rules)) {
            eprintln!("{error}");
        }
    }
    Ok(())
}
