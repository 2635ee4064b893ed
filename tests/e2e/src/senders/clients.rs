//! Clients that write a header themselves: curl, libcurl, swaks.

use std::net::SocketAddr;
use std::process::Command;

use super::place::Receiver;
use super::program::{installed, python_of_senders};
use super::visit::Visited;
use crate::curl::Curl;

/// It names its own connection.
pub(super) fn curl(receiver: &Receiver, words: &str) -> Visited {
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    assert_eq!(Curl::new(&url).args(&[words]).run().status, 200);
    Visited::nobody()
}

/// It names this address, as source and as destination, with its own ports.
pub(super) fn libcurl(receiver: &Receiver, address: &str) -> Visited {
    // Ports that are not known beforehand are printed.
    let script = "import pycurl, sys\n\
                  curl = pycurl.Curl()\n\
                  curl.setopt(pycurl.URL, sys.argv[1])\n\
                  curl.setopt(pycurl.NOPROXY, '*')\n\
                  curl.setopt(pycurl.TIMEOUT, 60)\n\
                  curl.setopt(pycurl.HAPROXY_CLIENT_IP, sys.argv[2])\n\
                  curl.setopt(pycurl.WRITEFUNCTION, lambda body: None)\n\
                  curl.perform()\n\
                  assert curl.getinfo(pycurl.RESPONSE_CODE) == 200\n\
                  print(curl.getinfo(pycurl.LOCAL_PORT))\n";
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let said = run(Command::new(python_of_senders()).args(["-c", script, &url, address]));
    let port: u16 = said.trim().parse().expect("a port");
    let address = address.parse().expect("an address");
    let of = |port| SocketAddr::new(address, port);
    Visited::between(of(port), of(receiver.port))
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
    assert!(said.contains("AUTH PLAIN"), "no login: {said}");
    receiver.wait_for(1);
    if words.contains("LOCAL") {
        return Visited::nobody();
    }
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
