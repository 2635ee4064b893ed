//! What was sent to whom, and what came of it.

use std::thread;

use realpeer_e2e::Which;

use super::servers::{Page, Server, Servers};
use crate::inputs::{Input, Split, limits};
use crate::talk::{Kind, Outcome, Seen, talk};

/// One input at one kind of server of one version, nginx's own and realpeer.
#[derive(Debug)]
pub struct Case<'a> {
    pub which: Which,
    pub kind: Kind,
    pub input: &'a Input,
    pub native: Outcome,
    pub realpeer: Outcome,
}

/// All inputs, at all servers: version by version, kind by kind.
pub fn cases(inputs: &[Input]) -> Vec<Case<'_>> {
    let versions = [Which::Debian, Which::Built];
    let servers = versions.map(|which| (which, Servers::start(which, limits(inputs))));
    thread::scope(|scope| {
        let places = servers.iter().flat_map(|(which, (servers, _running))| {
            Kind::ALL.map(|kind| scope.spawn(move || place(*which, kind, servers, inputs)))
        });
        let places: Vec<_> = places.collect();
        places.into_iter().flat_map(|place| place.join().expect("no panic")).collect()
    })
}

fn place<'a>(which: Which, kind: Kind, servers: &Servers, inputs: &'a [Input]) -> Vec<Case<'a>> {
    let mut pages = [&servers.native, &servers.realpeer].map(|server| server.page());
    let [native, realpeer] = &mut pages;
    inputs
        .iter()
        .map(|input| {
            let outcome = |server: &Server, page: &mut Page| {
                let port = server.port(kind, &input.limits());
                talk(kind, port, input, page, &servers.authority)
            };
            let native = outcome(&servers.native, native);
            let realpeer = outcome(&servers.realpeer, realpeer);
            Case { which, kind, input, native, realpeer }
        })
        .collect()
}

impl Case<'_> {
    pub fn is_alike(&self) -> bool {
        self.native == self.realpeer
    }

    /// What realpeer has to make of it: that, and not what nginx does, is what
    /// it is measured by.
    pub fn wanted(&self) -> Outcome {
        let vector = &self.input.vector;
        if self.input.split == Split::Unfinished || !vector.is_accepted() {
            return Outcome::Refused;
        }
        let named = vector.source.filter(|_| vector.expect == "proxy");
        let client = named.map(|source| source.ip().to_canonical().to_string());
        let port = match named.map(|source| source.port()) {
            Some(port @ 1..) if self.kind != Kind::Mail => port.to_string(),
            _ => String::new(),
        };
        Outcome::Served(Seen { named: client.clone().unwrap_or_default(), client, port })
    }
}
