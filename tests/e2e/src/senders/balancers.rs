//! HAProxy and nginx's stream, as balancers in TCP mode.

use super::place::Receiver;
use super::visit::{Visited, over_ipv4, over_ipv6, over_tls, over_unix};
use crate::certificates::Authority;
use crate::haproxy::HaProxy;
use crate::port::Port;
use crate::site::Site;
use crate::which::Which;

/// Where the id of a connection is asked for, all have this one.
const UNIQUE_ID: &str = "unique-id-format connection-1";

/// A visitor on 127.0.0.1 of a HAProxy whose `server` line ends in these words.
pub(super) fn haproxy(receiver: &Receiver, words: &str) -> Visited {
    let mut haproxy = HaProxy::new();
    let front = haproxy.listener("", UNIQUE_ID, receiver.port, words);
    let _haproxy = haproxy.start();
    over_ipv4(front)
}

pub(super) fn haproxy_ipv6(receiver: &Receiver, words: &str) -> Visited {
    let port = Port::claim();
    let mut haproxy = HaProxy::new();
    haproxy.listener("", &format!("bind [::1]:{port}"), receiver.port, words);
    let _haproxy = haproxy.start();
    over_ipv6(port.number())
}

pub(super) fn haproxy_unix(receiver: &Receiver, words: &str) -> Visited {
    let mut haproxy = HaProxy::new();
    let socket = haproxy.dir().join("front.sock");
    let bind = format!("bind unix@{}", socket.display());
    haproxy.listener("", &bind, receiver.port, words);
    let _haproxy = haproxy.start();
    over_unix(&socket)
}

/// The client is given an IPv6 address, the listener has an IPv4 one.
pub(super) fn haproxy_mixed(receiver: &Receiver, words: &str) -> Visited {
    let mut haproxy = HaProxy::new();
    let change = "tcp-request connection set-src str(2001:db8::7)\n    \
                  tcp-request connection set-src-port int(4321)";
    let front = haproxy.listener("", change, receiver.port, words);
    let _haproxy = haproxy.start();
    let visited = over_ipv4(front);
    Visited { visitor: "[2001:db8::7]:4321".parse().ok(), ..visited }
}

/// A visitor over TLS, who may show a certificate.
fn haproxy_tls(receiver: &Receiver, words: &str, shown: Option<&str>) -> Visited {
    let authority = Authority::new();
    let mut haproxy = HaProxy::new();
    let own = authority.issue("localhost");
    let pem = haproxy.dir().join("server.pem");
    let trusted = haproxy.dir().join("authority.pem");
    std::fs::write(&pem, own.pem.clone() + &own.key_pem).expect("own folder");
    std::fs::write(&trusted, authority.pem()).expect("own folder");
    let bind = format!("ssl crt {} ca-file {} verify optional", pem.display(), trusted.display());
    let front = haproxy.listener(&bind, UNIQUE_ID, receiver.port, words);
    let _haproxy = haproxy.start();
    let shown = shown.map(|name| authority.issue(name));
    over_tls(front, &authority, shown.as_ref())
}

pub(super) fn haproxy_tls_with_certificate(receiver: &Receiver, words: &str) -> Visited {
    haproxy_tls(receiver, words, Some("visitor.example"))
}

pub(super) fn haproxy_tls_without(receiver: &Receiver, words: &str) -> Visited {
    haproxy_tls(receiver, words, None)
}

/// nginx's stream in front, of this version, listening on what `front` says.
fn nginx(
    which: Which,
    listen: &str,
    receiver: &Receiver,
    visit: impl Fn(u16) -> Visited,
) -> Visited {
    let mut site = Site::native(which);
    let front = site.port();
    site.stream(format!(
        "server {{ listen {listen}:{front}; proxy_pass 127.0.0.1:{}; proxy_protocol on; }}",
        receiver.port
    ));
    let _nginx = site.start();
    visit(front)
}

fn nginx_unix(which: Which, receiver: &Receiver) -> Visited {
    let mut site = Site::native(which);
    let socket = site.dir().join("front.sock");
    site.stream(format!(
        "server {{ listen unix:{}; proxy_pass 127.0.0.1:{}; proxy_protocol on; }}",
        socket.display(),
        receiver.port
    ));
    let _nginx = site.start();
    over_unix(&socket)
}

/// `how` is what the visitor comes over.
pub(super) fn nginx_debian(receiver: &Receiver, how: &str) -> Visited {
    nginx_over(Which::Debian, receiver, how)
}

pub(super) fn nginx_built(receiver: &Receiver, how: &str) -> Visited {
    nginx_over(Which::Built, receiver, how)
}

fn nginx_over(which: Which, receiver: &Receiver, how: &str) -> Visited {
    match how {
        "IPv4" => nginx(which, "127.0.0.1", receiver, over_ipv4),
        "IPv6" => nginx(which, "[::1]", receiver, over_ipv6),
        "Unix" => nginx_unix(which, receiver),
        _ => unreachable!("no such way: {how}"),
    }
}
