//! What the library reads from a datagram, told as the servers tell it.

use std::fmt::Write;
use std::net::SocketAddr;

use realpeer::{Policy, Settings, TlvField, decide_datagram};

use super::wanted::TLVS;
use crate::page::Vars;

/// The page, and the payload.
#[track_caller]
pub(super) fn read(peer: SocketAddr, datagram: &[u8]) -> (Vars, Vec<u8>) {
    let decision = decide_datagram(Some(Policy::Require), &Settings::default(), datagram);
    let header = decision.header.unwrap_or_else(|| panic!("refused: {decision:?}"));
    let client = decision.client.unwrap_or(peer);
    let mut page = String::new();
    let mut line = |name: &str, value: &str| writeln!(page, "{name}={value}").expect("memory");
    line("result", decision.outcome.name());
    line("version", "2");
    line("proxy_addr", &peer.ip().to_string());
    line("proxy_port", &peer.port().to_string());
    line("remote_addr", &client.ip().to_string());
    line("remote_port", &client.port().to_string());
    for (name, end) in [("", decision.client), ("server_", header.destination())] {
        let [address, port] =
            end.map(|end| [end.ip().to_string(), end.port().to_string()]).unwrap_or_default();
        line(&format!("{name}addr"), &address);
        line(&format!("{name}port"), &port);
    }
    for name in TLVS {
        let (plain, is_hex) = match name.strip_prefix("hex_") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let field = TlvField::from_name(plain.as_bytes()).expect("a name");
        let mut out = [0; 1024];
        let length = if is_hex {
            field.hex(header.tlvs(), &mut out)
        } else {
            field.text(header.tlvs(), &mut out)
        };
        let value = String::from_utf8_lossy(&out[..length.unwrap_or_default()]);
        line(&format!("tlv_{name}"), &value);
    }
    (Vars::new(page.as_bytes()), datagram[decision.consumed..].to_vec())
}
