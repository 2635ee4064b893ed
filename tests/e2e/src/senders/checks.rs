//! How HAProxy looks after its servers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::place::Receiver;
use super::visit::Visited;
use crate::haproxy::HaProxy;
use crate::wait::wait_until;

/// By asking for a page.
pub(super) fn haproxy_http(receiver: &Receiver, words: &str) -> Visited {
    let mut haproxy = HaProxy::new();
    let words = format!("{words} check inter 100ms check-send-proxy");
    haproxy.listener("", "option httpchk GET /check", receiver.port, &words);
    let _haproxy = haproxy.start();
    receiver.wait_for(2);
    Visited::nobody()
}

/// By connecting: the header is all that is sent before it resets.
pub(super) fn haproxy_connect(receiver: &Receiver, words: &str) -> Visited {
    let mut haproxy = HaProxy::new();
    let socket = haproxy.dir().join("admin.sock");
    haproxy.global(&format!("stats socket {}", socket.display()));
    let words = format!("{words} check inter 100ms check-send-proxy");
    haproxy.listener("", "", receiver.port, &words);
    let _haproxy = haproxy.start();
    wait_until("a check", || is_up(&socket).then_some(()));
    Visited::nobody()
}

/// Whether its server has been looked at and found well.
fn is_up(socket: &Path) -> bool {
    let mut answer = String::new();
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.write_all(b"show stat\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.lines().any(|line| line.contains(",L4OK,"))
}
