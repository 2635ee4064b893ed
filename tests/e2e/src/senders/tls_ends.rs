//! stunnel and hitch, which take TLS off.

use super::place::Receiver;
use super::program::installed;
use super::starter::Starter;
use super::visit::{Visited, over_tls, over_tls_and_ipv6};
use crate::certificates::Authority;
use crate::process::unprivileged;

/// `how` is the address it listens on.
pub(super) fn stunnel(receiver: &Receiver, how: &str) -> Visited {
    let authority = Authority::new();
    let mut starter = Starter::new("stunnel");
    let front = starter.port();
    let pem = starter.pem(&authority);
    let log = starter.dir().join("stunnel.log").display().to_string();
    let config = starter.file(
        "stunnel.conf",
        &format!(
            "foreground = yes\nsyslog = no\npid =\noutput = {log}\n\
             [front]\naccept = {how}:{front}\nconnect = 127.0.0.1:{}\n\
             protocol = proxy\ncert = {pem}\n",
            receiver.port
        ),
    );
    let _stunnel = starter.start(installed("/usr/bin/stunnel4"), &[&config]);
    match how {
        "::1" => over_tls_and_ipv6(front, &authority),
        _ => over_tls(front, &authority, None),
    }
}

/// `how` are settings, one a line, of which the first is the address it
/// listens on.
pub(super) fn hitch(receiver: &Receiver, how: &str) -> Visited {
    let (address, settings) = how.split_once('\n').unwrap_or((how, ""));
    let authority = Authority::new();
    let mut starter = Starter::new("hitch");
    let front = starter.port();
    let pem = starter.pem(&authority);
    let trusted = starter.file("authority.pem", &authority.pem());
    let who = unprivileged();
    let who = who.map_or(String::new(), |(user, _)| format!("user = \"{user}\"\n"));
    let config = starter.file(
        "hitch.conf",
        &format!(
            "frontend = \"[{address}]:{front}\"\nbackend = \"[127.0.0.1]:{}\"\n\
             pem-file = \"{pem}\"\nworkers = 1\n{who}{}\n",
            receiver.port,
            settings.replace("AUTHORITY", &trusted),
        ),
    );
    let _hitch = starter.start(installed("/usr/sbin/hitch"), &["--config", &config]);
    let shown = settings.contains("AUTHORITY").then(|| authority.issue("visitor.example"));
    match address {
        "::1" => over_tls_and_ipv6(front, &authority),
        _ => over_tls(front, &authority, shown.as_ref()),
    }
}
