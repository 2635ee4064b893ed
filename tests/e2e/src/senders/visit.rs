//! Visitors of a sender, and who they are.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::certificates::{Authority, Certificate};
use crate::client::{Client, get_on_unix_socket};
use crate::tls::TlsClient;

/// Where visitors come from, who are none of the machine's other addresses.
const VISITOR: &str = "127.0.0.9";

/// What has come to pass before a server, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Visited {
    pub(super) visitor: Option<SocketAddr>,
    /// What the visitor connected to.
    pub(super) listener: Option<SocketAddr>,
    /// Who connected to the server.
    pub(super) sender: String,
}

impl Visited {
    /// The sender spoke for itself.
    pub(super) fn nobody() -> Self {
        Self { visitor: None, listener: None, sender: "127.0.0.1".into() }
    }

    pub(super) fn between(visitor: SocketAddr, listener: SocketAddr) -> Self {
        Self { visitor: Some(visitor), listener: Some(listener), ..Self::nobody() }
    }

    pub(super) fn claimed(visitor: &str, listener: &str) -> Self {
        let address = |text: &str| text.parse().expect("ADDRESS:PORT");
        Self::between(address(visitor), address(listener))
    }
}

fn connected(client: &Client, port: u16) -> Visited {
    let visitor = client.local();
    let to = match visitor.ip() {
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Visited::between(visitor, SocketAddr::new(to, port))
}

/// Asks for a page on 127.0.0.1.
#[track_caller]
pub(super) fn over_ipv4(port: u16) -> Visited {
    ask(Client::from(VISITOR, port), port)
}

/// Asks for a page on ::1.
#[track_caller]
pub(super) fn over_ipv6(port: u16) -> Visited {
    ask(Client::from("::1", port), port)
}

#[track_caller]
fn ask(mut client: Client, port: u16) -> Visited {
    let visited = connected(&client, port);
    assert_eq!(client.get("/").status, 200);
    visited
}

/// Asks on a Unix socket.
#[track_caller]
pub(super) fn over_unix(socket: &Path) -> Visited {
    assert_eq!(get_on_unix_socket(socket, b"", "/").status, 200);
    Visited::nobody()
}

/// Asks over TLS, with a certificate or without.
#[track_caller]
pub(super) fn over_tls(port: u16, trusted: &Authority, own: Option<&Certificate>) -> Visited {
    tls(Client::from(VISITOR, port), port, trusted, own)
}

#[track_caller]
pub(super) fn over_tls_and_ipv6(port: u16, trusted: &Authority) -> Visited {
    tls(Client::from("::1", port), port, trusted, None)
}

#[track_caller]
fn tls(client: Client, port: u16, trusted: &Authority, own: Option<&Certificate>) -> Visited {
    let visited = connected(&client, port);
    let mut client = match own {
        Some(own) => TlsClient::identified(client, trusted, own),
        None => TlsClient::over(client, trusted),
    };
    assert_eq!(client.get("/").status, 200);
    visited
}

/// Sends a question over TCP and waits for the end, whatever is answered.
pub(super) fn ask_and_be_left(port: u16, bytes: &[u8]) -> Visited {
    let mut client = Client::from(VISITOR, port);
    let visited = connected(&client, port);
    client.send(bytes).ending();
    visited
}
