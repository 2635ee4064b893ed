//! The examples in C, and the lines of README.md, built with an installed library
//! and put behind HAProxy and dnsdist; the servers run under valgrind.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use realpeer_e2e::{Client, DnsDist, Ending, HaProxy, PATIENCE, Response, V2, Workshop, v1};

const EXAMPLES: [&str; 5] = ["server", "epoll", "httpd", "udp-echo", "client"];

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";

fn greeting(client: SocketAddr) -> Ending {
    let line = format!("You are {}, port {}.\n", client.ip(), client.port());
    Ending::Answered(line.into_bytes())
}

/// Visits from another address than the balancer's, with each version of the header.
#[track_caller]
fn visit_through_haproxy(server: u16) {
    let mut haproxy = HaProxy::new();
    let ports =
        ["send-proxy", "send-proxy-v2"].map(|words| haproxy.listener("", "", server, words));
    let _haproxy = haproxy.start();
    for port in ports {
        let mut visitor = Client::from("127.0.0.9", port);
        let address = visitor.local();
        assert_eq!(visitor.ending(), greeting(address));
    }
}

/// The code blocks of README's section "C" in a language.
fn readme(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(path).expect("README.md");
    let (_, section) = text.split_once("\n## C\n").expect("a section \"C\"");
    let (section, _) = section.split_once("\n## ").expect("another section behind it");
    let begin = format!("\n```{language}\n");
    let blocks = section.split(begin.as_str()).skip(1);
    blocks.map(|rest| rest.split("```\n").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_lines_of_the_readme() {
    let shell = readme("sh").concat();
    let command = shell.lines().find(|line| line.starts_with("cc ")).expect("how to compile");
    let [program] = readme("c").try_into().expect("one program");
    let workshop = Workshop::new();
    workshop.compile("server", &program, command);
    let server = workshop.serve("server", &["127.0.0.1"]);
    visit_through_haproxy(server.port());
    server.stop();
    // Shown there, to be found here.
    assert_eq!(program, Workshop::example("server").0);
}

#[test]
fn without_a_warning() {
    let workshop = Workshop::new();
    for name in EXAMPLES {
        let (source, command) = Workshop::example(name);
        for compiler in ["gcc -std=gnu99", "gcc -std=gnu11", "clang -std=gnu99"] {
            let strict = format!(
                "{compiler} -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
                 -Werror "
            );
            workshop.compile(name, &source, &command.replacen("cc ", &strict, 1));
        }
    }
}

/// Nobody would get to a server that listens on another address than is meant.
#[test]
fn an_address_that_is_none() {
    let workshop = Workshop::new();
    for (name, arguments) in [
        ("server", &["127.0.0.1"][..]),
        ("epoll", &["1000", "require", "127.0.0.1"]),
        ("httpd", &["require", "127.0.0.1"]),
        ("udp-echo", &["127.0.0.1"]),
    ] {
        workshop.build(name);
        for address in ["nonsense", "127.0.0.256", "example.com"] {
            let mut program = workshop.program(name);
            let program = program.args([address, "0"]).args(arguments);
            let status = Command::new("timeout")
                .arg("20")
                .arg(program.get_program())
                .args(program.get_args())
                .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
                .stderr(Stdio::null())
                .status()
                .expect("timeout");
            assert_eq!(status.code(), Some(2), "{name} {address}");
        }
    }
}

#[test]
fn the_shortest_server() {
    let workshop = Workshop::new();
    workshop.build("server");
    let server = workshop.serve("server", &["127.0.0.1"]);
    visit_through_haproxy(server.port());
    let six = V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build();
    let seen = Client::connect(server.port()).send(six).ending();
    assert_eq!(seen, greeting("[2001:db8::7]:4321".parse().expect("an address")));
    // Not the balancer, and no header from it.
    Client::from("127.0.0.8", server.port()).send(v1(VISITOR, LISTENER)).must_be_closed();
    Client::connect(server.port()).send("GET / HTTP/1.0\r\n\r\n").must_be_closed();
    server.stop();
}

#[test]
fn many_at_once() {
    let workshop = Workshop::new();
    workshop.build("epoll");
    let minute = "60000";
    let server = workshop.serve("epoll", &[minute, "require", "127.0.0.1", "direct", "127.0.0.8"]);
    let port = server.port();

    // These stay open while others are served.
    let waiting: Vec<Client> = (0..20).map(|_| Client::connect(port)).collect();
    visit_through_haproxy(port);
    let header = v1(VISITOR, LISTENER);
    let visitor = VISITOR.parse().expect("an address");
    for at in [1, 20, header.len() - 1] {
        let (first, second) = header.split_at(at);
        let seen = Client::connect(port).send_pieces([first, second]).ending();
        assert_eq!(seen, greeting(visitor), "in pieces at {at}");
    }
    // Two whose parts come in turn.
    let other = v1("192.0.2.8:4321", LISTENER);
    let [mut one, mut two] = [&header, &other].map(|header| {
        let mut client = Client::connect(port);
        client.send(&header[..20]).wait_until_taken();
        client
    });
    assert_eq!(two.send(&other[20..]).ending(), greeting("192.0.2.8:4321".parse().expect("one")));
    assert_eq!(one.send(&header[20..]).ending(), greeting(visitor));
    let long = V2::proxy(VISITOR, LISTENER).tlv(0xE5, [7; 3000]).build();
    let seen = Client::connect(port).send_pieces(long.chunks(700)).ending();
    assert_eq!(seen, greeting(visitor));
    let mut direct = Client::from("127.0.0.8", port);
    let address = direct.local();
    assert_eq!(direct.ending(), greeting(address));
    Client::from("127.0.0.7", port).must_be_closed();
    Client::connect(port).send("GET / HTTP/1.0\r\n\r\n").must_be_closed();
    Client::connect(port).send(&header[..20]).finish().must_be_closed();

    // Some with a part of a header end with the server.
    let mut half = Client::connect(port);
    half.send(&header[..20]).wait_until_taken();
    let said = server.stop();
    drop((waiting, half));
    assert!(said.starts_with("served 9, refused 3, timed out 0 "), "{said}");
}

#[test]
fn a_web_server() {
    let workshop = Workshop::new();
    workshop.build("httpd");
    let server = workshop.serve("httpd", &["require", "127.0.0.1", "direct", "127.0.0.8"]);
    let port = server.port();
    let place = |id: &str, address: SocketAddr| {
        format!("<b id=\"{id}\">{}</b> port {}\n", address.ip(), address.port())
    };
    #[track_caller]
    fn must_show(page: &Response, line: &str) {
        let body = String::from_utf8_lossy(&page.body);
        assert!(page.status == 200 && body.contains(line), "no {line} in {body}");
    }

    let mut haproxy = HaProxy::new();
    let front = haproxy.listener("", "", port, "send-proxy-v2");
    let _haproxy = haproxy.start();
    let mut visitor = Client::from("127.0.0.9", front);
    // Kept alive: the visitor is that of the connection.
    for _ in 0..2 {
        let page = visitor.get("/");
        must_show(&page, &place("visitor", visitor.local()));
        must_show(&page, "<b id=\"balancer\">127.0.0.1</b> port ");
        must_show(&page, &format!("<b id=\"server\">127.0.0.1</b> port {port}\n"));
    }

    for address in [VISITOR, "[2001:db8::7]:4321"] {
        let listener = if address == VISITOR { LISTENER } else { "[2001:db8::1]:443" };
        let mut balancer = Client::connect(port);
        let header = V2::proxy(address, listener).build();
        let page = balancer.send(header).get("/");
        must_show(&page, &place("visitor", address.parse().expect("an address")));
        must_show(&page, &place("balancer", balancer.local()));
    }

    let mut direct = Client::from("127.0.0.8", port);
    let page = direct.get("/");
    must_show(&page, &place("visitor", direct.local()));
    must_show(&page, "<b id=\"balancer\">none</b>");

    // Balancers' own checks; and what comes with a request is left alone.
    for (request, wanted) in [
        ("HEAD / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "),
        ("OPTIONS / HTTP/1.0\r\n\r\n", "HTTP/1.1 405 "),
        ("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 405 "),
        ("GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 "),
    ] {
        match Client::from("127.0.0.8", port).send(request).ending() {
            Ending::Answered(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                assert!(text.starts_with(wanted), "{request}: {text}");
            }
            other => panic!("{request}: {other:?}"),
        }
    }

    Client::from("127.0.0.7", port).send("GET / HTTP/1.0\r\n\r\n").must_be_closed();
    server.wait_for("refused: this source is not allowed to connect here");
    server.stop();
}

#[test]
fn datagrams() {
    let workshop = Workshop::new();
    workshop.build("udp-echo");
    let server = workshop.serve_datagrams("udp-echo", &["127.0.0.1"]);
    let balancer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    balancer.set_read_timeout(Some(PATIENCE)).expect("an option");
    balancer.connect(("127.0.0.1", server.port())).expect("an address");
    let datagram = |source: &str| V2::proxy(source, LISTENER).family(0x12).build();
    let send = |header: &[u8]| balancer.send(&[header, b"words"].concat()).expect("a server");

    let header = datagram(VISITOR);
    // Cut inside, then one that is not allowed, both without an answer.
    balancer.send(&header[..20]).expect("a server");
    server.wait_for("refused: the connection was closed inside the header");
    let other = UdpSocket::bind("127.0.0.8:0").expect("a port");
    other.send_to(&header, ("127.0.0.1", server.port())).expect("a server");
    server.wait_for("refused: this source is not allowed to connect here");

    let mut answer = [0; 100];
    send(&header);
    assert_eq!(balancer.recv(&mut answer).expect("an answer"), 5);
    assert_eq!(&answer[..5], b"words");
    send(&V2::local().build());
    assert_eq!(balancer.recv(&mut answer).expect("an answer"), 5);
    let said = server.stop();
    assert!(
        said.ends_with("192.0.2.7, port 4321: 5 bytes\nthe balancer, port 0: 5 bytes\n"),
        "{said}"
    );
}

#[test]
fn datagrams_from_dnsdist() {
    let workshop = Workshop::new();
    workshop.build("udp-echo");
    let server = workshop.serve_datagrams("udp-echo", &["127.0.0.1", "dns"]);
    let dnsdist = DnsDist::in_front_of(server.port());
    let visitor = UdpSocket::bind("127.0.0.9:0").expect("a port");
    visitor.set_read_timeout(Some(PATIENCE)).expect("an option");
    visitor.send_to(QUERY, ("127.0.0.1", dnsdist.port())).expect("dnsdist");
    let mut answer = [0; 100];
    let length = visitor.recv(&mut answer).expect("an answer by way of dnsdist");
    let mut expected = QUERY.to_vec();
    expected[2] |= 0x80;
    assert_eq!(&answer[..length], expected);
    let port = visitor.local_addr().expect("bound").port();
    server.wait_for(&format!("127.0.0.9, port {port}: {} bytes", QUERY.len()));
    server.stop();
}

/// Runs the client under valgrind for 192.0.2.7, and gives what it has shown.
fn run_client(workshop: &Workshop, port: u16, input: &[u8]) -> String {
    let mut client: Command = workshop.checked_program("client");
    client.args(["127.0.0.1", &port.to_string(), "192.0.2.7", "4321", "www.example.com"]);
    let mut child =
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client");
    child.stdin.take().expect("a pipe").write_all(input).expect("a client that reads");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", output.status);
    workshop.must_be_clean("client");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_client_that_writes_the_header() {
    let workshop = Workshop::new();
    workshop.build("client");
    workshop.build("server");
    workshop.build("httpd");

    // Byte for byte.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let (mut connection, _) = listener.accept().expect("the client");
        connection.read_to_end(&mut bytes).expect("its end");
        bytes
    });
    assert_eq!(run_client(&workshop, port, b"words"), "");
    let header = V2::proxy(VISITOR, &format!("127.0.0.1:{port}"))
        .checksum()
        .tlv(0x02, "www.example.com")
        .build();
    assert_eq!(reader.join().expect("no panic"), [&header[..], b"words"].concat());

    // HAProxy reads it, and says the same to a server of ours.
    let server = workshop.serve("server", &["127.0.0.1"]);
    let mut haproxy = HaProxy::new();
    let front = haproxy.listener("accept-proxy", "", server.port(), "send-proxy");
    let haproxy = haproxy.start();
    assert_eq!(run_client(&workshop, front, b""), "You are 192.0.2.7, port 4321.\n");
    drop(haproxy);
    server.stop();

    // And so does a web server.
    let web = workshop.serve("httpd", &["require", "127.0.0.1"]);
    let page = run_client(&workshop, web.port(), b"GET / HTTP/1.0\r\n\r\n");
    assert!(page.contains("<b id=\"visitor\">192.0.2.7</b> port 4321\n"), "{page}");
    web.stop();
}
