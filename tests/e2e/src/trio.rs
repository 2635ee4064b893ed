//! http, stream and mail in one nginx, with one policy.

use crate::client::Client;
use crate::front::{Front, Kind};
use crate::header::{V2, v1};
use crate::site::Site;

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// A server of each subsystem, on 127.0.0.1.
#[derive(Debug)]
pub struct Trio {
    pub fronts: [Front; 3],
    pub ports: [u16; 3],
}

impl Trio {
    /// Claims ports; the servers are [written](Self::write) later.
    pub fn new(site: &mut Site) -> Self {
        Self { fronts: Kind::PLAIN.map(Front::new), ports: [(); 3].map(|()| site.port()) }
    }

    /// With the same directives in all three.
    pub fn write(&self, site: &mut Site, parameters: &str, directives: &str) {
        for (front, port) in self.fronts.iter().zip(self.ports) {
            site.clear(front.kind().subsystem());
            front.add(site, &format!("127.0.0.1:{port} {parameters}"), directives);
        }
    }

    /// Each with its port.
    pub fn each(&self) -> impl Iterator<Item = (&Front, u16)> {
        self.fronts.iter().zip(self.ports)
    }

    /// Visits each, and gives what nginx took for the client's address.
    pub fn clients(&self) -> [String; 3] {
        let header = v1(VISITOR, LISTENER);
        let seen: Vec<_> =
            self.each().map(|(front, port)| front.visit(port, &header).client).collect();
        seen.try_into().expect("three")
    }

    /// Each serves the visitor.
    #[track_caller]
    pub fn must_serve(&self) {
        assert_eq!(self.clients(), ["192.0.2.7"; 3]);
    }

    /// Connections that have sent nothing or half a header, accepted by now.
    pub fn waiting(&self) -> Waiting<'_> {
        let header = V2::proxy(VISITOR, LISTENER).checksum().build();
        let clients = self
            .each()
            .flat_map(|(front, port)| {
                [0, 1, 20].map(|sent| {
                    let mut client = Client::connect(port);
                    client.send_pieces([&header[..sent]]);
                    (front, client, header[sent..].to_vec())
                })
            })
            .collect();
        // A listener's connections are accepted in their order.
        self.must_serve();
        Waiting { clients }
    }
}

/// Connections whose header is not whole.
#[derive(Debug)]
pub struct Waiting<'a> {
    clients: Vec<(&'a Front, Client, Vec<u8>)>,
}

impl Waiting<'_> {
    /// Sends the rest, and checks that these workers do what was promised.
    #[track_caller]
    pub fn must_be_served_by(self, workers: &[u32]) {
        let known: Vec<_> = workers.iter().map(u32::to_string).collect();
        for (front, mut client, rest) in self.clients {
            client.send(rest);
            let seen = front.ask(client);
            assert_eq!(seen.client, "192.0.2.7", "{:?}", front.kind());
            // Mail does not say which worker it is.
            let worker = seen.var("pid");
            assert!(worker.iter().all(|pid| known.contains(pid)), "{worker:?} {known:?}");
        }
    }

    /// Those of another kind; the others are closed.
    pub fn without(mut self, kind: Kind) -> Self {
        self.clients.retain(|(front, ..)| front.kind() != kind);
        self
    }

    /// None has been answered, and none waits any longer.
    #[track_caller]
    pub fn must_be_closed(self) {
        for (_, mut client, _) in self.clients {
            client.must_be_closed();
        }
    }
}
