//! What was sent to whom, and what came of it.

use std::thread;

use realpeer_e2e::Authority;

use super::servers::{KINDS, Server};
use crate::inputs::{Input, Limits, Split, limits};
use crate::talk::{Kind, Outcome, Seen, talk};

/// One input at one kind of server, mod_remoteip's and realpeer's.
#[derive(Debug)]
pub struct Case<'a> {
    pub kind: Kind,
    pub input: &'a Input,
    pub native: Outcome,
    pub realpeer: Outcome,
}

/// All inputs, at all servers, kind by kind.
pub fn cases(inputs: &[Input]) -> Vec<Case<'_>> {
    let limits: Vec<Limits> = limits(inputs).into_iter().collect();
    thread::scope(|scope| {
        let places = KINDS.map(|kind| {
            scope.spawn({
                let limits = &limits;
                move || place(kind, inputs, limits)
            })
        });
        places.into_iter().flat_map(|place| place.join().expect("no panic")).collect()
    })
}

fn place<'a>(kind: Kind, inputs: &'a [Input], limits: &[Limits]) -> Vec<Case<'a>> {
    let authority = Authority::new();
    let native = Server::remoteip(kind, &authority, limits);
    let realpeer = Server::realpeer(kind, &authority, limits);
    let case = |input: &'a Input| {
        let [native, realpeer] = [&native, &realpeer].map(|mut server| {
            talk(kind, server.port(&input.limits()), input, &mut server, &authority)
        });
        Case { kind, input, native, realpeer }
    };
    inputs.iter().map(case).collect()
}

impl Case<'_> {
    /// For the request; what the connection's peer is, is told apart.
    pub fn is_alike(&self) -> bool {
        let request = |outcome: &Outcome| match outcome {
            Outcome::Served(seen) => {
                Outcome::Served(Seen { named: String::new(), port: String::new(), ..seen.clone() })
            }
            other => other.clone(),
        };
        request(&self.native) == request(&self.realpeer)
    }

    /// What realpeer has to make of it: that, and not what mod_remoteip does,
    /// is what it is measured by.
    pub fn wanted(&self) -> Outcome {
        let vector = &self.input.vector;
        if self.input.split == Split::Unfinished || !vector.is_accepted() {
            return Outcome::Refused;
        }
        let source = vector.source.filter(|_| vector.expect == "proxy");
        let client = source.map(|source| source.ip().to_canonical().to_string());
        let port = match source.map(|source| source.port()) {
            Some(port @ 1..) => port.to_string(),
            _ => String::new(),
        };
        Outcome::Served(Seen { named: client.clone().unwrap_or_default(), client, port })
    }
}
