//! An nginx with something in it that uses addresses.

use crate::client::Client;
use crate::consumers::whose::{BALANCER, CLIENT, FRONT, PARTIES};
use crate::header::v1;
use crate::http::Response;
use crate::nginx::Nginx;
use crate::page::Vars;
use crate::site::Site;
use crate::which::Which;

/// The header by which `client` is told of.
pub(super) fn header(client: &str) -> Vec<u8> {
    if client.contains(':') {
        v1(&format!("[{client}]:4321"), "[2001:db8::1]:443")
    } else {
        v1(&format!("{client}:4321"), FRONT)
    }
}

/// A connection from a balancer that has named a client.
pub(super) fn connect(client: &str, balancer: &str, port: u16) -> Client {
    let mut connection = Client::from(balancer, port);
    connection.send(header(client));
    connection
}

/// A variable's map from each address to itself: `map $remote_addr $seen`.
pub(super) fn to_itself(what: &str) -> String {
    let lines: String = PARTIES.iter().map(|ip| format!("{ip} {ip};")).collect();
    format!("{what} {{ default nobody; {lines} }}")
}

/// One running, with a server on `port`.
pub(super) struct Place {
    pub nginx: Nginx,
    pub port: u16,
}

impl Place {
    /// `outside` stands in `http`, `inside` in the server.
    #[track_caller]
    pub fn http(which: Which, outside: &str, inside: &str) -> Self {
        Self::of(Site::new(which), outside, inside)
    }

    #[track_caller]
    pub fn of(mut site: Site, outside: &str, inside: &str) -> Self {
        let port = site.port();
        site.http(format!(
            "{outside} server {{ listen 127.0.0.1:{port}; realpeer require all; {inside} }}"
        ));
        Self { nginx: site.start(), port }
    }

    #[track_caller]
    pub fn stream(which: Which, outside: &str, inside: &str) -> Self {
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "{outside} server {{ listen 127.0.0.1:{port}; realpeer require all; {inside} }}"
        ));
        Self { nginx: site.start(), port }
    }

    /// Asks as the client, through the balancer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.get_by(CLIENT, BALANCER, path)
    }

    #[track_caller]
    pub fn get_by(&self, client: &str, balancer: &str, path: &str) -> Response {
        connect(client, balancer, self.port).get(path)
    }

    /// What a server of stream returns to the client.
    #[track_caller]
    pub fn returned(&self) -> Vars {
        connect(CLIENT, BALANCER, self.port).ending().vars()
    }
}
