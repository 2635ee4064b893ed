//! Clients that write a header themselves: curl, libcurl, swaks.

use std::net::SocketAddr;
use std::process::Command;

use super::place::Receiver;
use super::program::{installed, python_of_senders};
use super::visit::Visited;
use crate::curl::Curl;

/// It names its own connection, to this address.
pub(super) fn curl(receiver: &Receiver, address: &str) -> Visited {
    let url = format!("http://{address}:{}/", receiver.port);
    // What comes in chunks is taken apart by whoever reads it.
    let answer = Curl::new(&url).args(&["--haproxy-protocol", "--raw"]).run();
    assert_eq!(answer.status, 200);
    from(address)
}

/// Prints its own port, or nothing where it is not served.
const SCRIPT: &str = "import pycurl, sys\n\
    curl = pycurl.Curl()\n\
    curl.setopt(pycurl.URL, sys.argv[1])\n\
    curl.setopt(pycurl.NOPROXY, '*')\n\
    curl.setopt(pycurl.TIMEOUT, 60)\n\
    curl.setopt(pycurl.HAPROXY_CLIENT_IP, sys.argv[2])\n\
    curl.setopt(pycurl.WRITEFUNCTION, lambda body: None)\n\
    try:\n    curl.perform()\n\
    except pycurl.error as error:\n\
    \u{20}   sys.exit(0 if error.args[0] in (52, 55, 56) else str(error))\n\
    assert curl.getinfo(pycurl.RESPONSE_CODE) == 200\n\
    print(curl.getinfo(pycurl.LOCAL_PORT))\n";

/// What it prints, connecting to the first address and naming the second.
fn libcurl_says(receiver: &Receiver, to: &str, named: &str) -> String {
    let url = format!("http://{to}:{}/", receiver.port);
    run(Command::new(python_of_senders()).args(["-c", SCRIPT, &url, named]))
}

/// It names an address, with the ports of its own connection.
pub(super) fn libcurl(receiver: &Receiver, addresses: &str) -> Visited {
    let (to, named) = addresses.split_once(' ').expect("two");
    let said = libcurl_says(receiver, to, named);
    let port: u16 = said.trim().parse().expect("a port");
    let named = named.parse().expect("an address");
    let listener = format!("{to}:{}", receiver.port).parse().expect("ADDRESS:PORT");
    let visited = Visited::between(SocketAddr::new(named, port), listener);
    Visited { sender: from(to).sender, ..visited }
}

/// The same, and the server does not answer.
pub(super) fn libcurl_refused(receiver: &Receiver, addresses: &str) -> Visited {
    let (to, named) = addresses.split_once(' ').expect("two");
    assert_eq!(libcurl_says(receiver, to, named), "");
    from(to)
}

/// Nobody but a sender on the same loopback address.
fn from(address: &str) -> Visited {
    let sender = address.trim_matches(['[', ']']).to_owned();
    Visited { sender, ..Visited::nobody() }
}

/// `words` are those of the header; it logs in, which nginx asks about.
pub(super) fn swaks(receiver: &Receiver, words: &str) -> Visited {
    let port = receiver.port.to_string();
    let mut command = Command::new(installed("/usr/bin/swaks"));
    command
        .args(["--server", "127.0.0.1", "--port", &port, "--to", "a@example.com"])
        .args(["--from", "b@example.com", "--helo", "visitor.example", "--suppress-data"])
        .args(["--auth", "PLAIN", "--auth-user", "a", "--auth-password", "b"])
        .args(["--timeout", "60s"])
        .args(words.split(' '));
    // Nobody is let in, so it fails; that it was asked about shows.
    let output = command.output().expect("swaks runs");
    let said = String::from_utf8_lossy(&output.stdout);
    if words.contains("LOCAL") {
        return Visited::nobody();
    }
    assert!(said.contains("AUTH PLAIN"), "no login: {said}");
    let word = |name: &str| {
        let mut words = words.split(' ').skip_while(|word| *word != name);
        words.nth(1).unwrap_or_else(|| panic!("no {name}"))
    };
    let socket = |end: &str| {
        let address = word(&format!("--proxy-{end}")).parse().expect("an address");
        let port: u16 = word(&format!("--proxy-{end}-port")).parse().expect("a port");
        SocketAddr::new(address, port)
    };
    Visited::between(socket("source"), socket("dest"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
