//! Varnish, a cache in front.

use super::place::Receiver;
use super::visit::{Visited, over_ipv4, over_ipv6};
use crate::port::Port;
use crate::varnish::Varnish;

/// Nothing is kept, everything is fetched.
fn vcl(receiver: &Receiver, words: &str) -> String {
    format!(
        "vcl 4.1;\nbackend behind {{ .host = \"127.0.0.1\"; .port = \"{}\"; {words} }}\n\
         sub vcl_recv {{ return (pass); }}\n",
        receiver.port
    )
}

pub(super) fn ipv4(receiver: &Receiver, words: &str) -> Visited {
    let varnish = Varnish::serving(&vcl(receiver, words), "");
    over_ipv4(varnish.port())
}

pub(super) fn ipv6(receiver: &Receiver, words: &str) -> Visited {
    let port = Port::claim();
    let _varnish = Varnish::serving(&vcl(receiver, words), &format!("[::1]:{port}"));
    over_ipv6(port.number())
}

/// Nobody visits; it looks after its backend by itself.
pub(super) fn probe(receiver: &Receiver, words: &str) -> Visited {
    let probe = ".probe = { .url = \"/check\"; .interval = 100ms; }";
    let _varnish = Varnish::serving(&vcl(receiver, &format!("{words} {probe}")), "");
    receiver.wait_for(2);
    Visited::nobody()
}
