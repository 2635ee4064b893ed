//! What a server and the system say of the connections that there are.

use std::fs;

use crate::client::Client;

/// A page that counts connections, and its port.
#[derive(Debug, Clone, Copy)]
pub enum StatusPage {
    /// Of stub_status.
    Nginx(u16),
    /// Of mod_status.
    Apache(u16),
}

impl StatusPage {
    pub fn port(self) -> u16 {
        let (Self::Nginx(port) | Self::Apache(port)) = self;
        port
    }

    /// The page as it is.
    #[track_caller]
    pub fn text(self) -> String {
        let path = match self {
            Self::Nginx(_) => "/",
            Self::Apache(_) => "/status?auto",
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Client::connect(self.port()).send(request).ending().response().text()
    }

    /// A number that the page gives that name.
    #[track_caller]
    pub fn number(self, name: &str) -> Option<u64> {
        self.text().split_once(name)?.1.split_whitespace().next()?.parse().ok()
    }

    /// How many connections there are, that of the question included.
    #[track_caller]
    pub fn active(self) -> u64 {
        let name = match self {
            Self::Nginx(_) => "Active connections:",
            // Those that the event MPM holds without a worker have sockets: its own
            // count of them is of some time before.
            Self::Apache(_) => "BusyWorkers:",
        };
        self.number(name).unwrap_or(u64::MAX)
    }
}

/// Sockets of connections to a port of ours that a process still has.
pub fn open_sockets(is_ours: impl Fn(u16) -> bool) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    // N: ADDRESS:PORT REMOTE STATE QUEUES TIMER RETRANSMITS USER TIMEOUT INODE
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let port = fields.next().and_then(|local| local.rsplit(':').next());
        let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
        let listens = fields.nth(1) == Some("0A");
        let inode = fields.nth(5).unwrap_or("0");
        port.is_some_and(&is_ours) && !listens && inode != "0"
    };
    table.lines().filter(is_open).count() as u64
}
