//! The command `realpeer` beside real servers: what HAProxy writes, and what nginx
//! makes of its rules.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Command;

use clap::Parser;
use realpeer_cli::{Cli, Verdict, run};
use realpeer_e2e::{
    AuthHttp, Client, Dialogue, Ending, HaProxy, MailBackend, MailProtocol, PAGE, Site, Subsystem,
    Vars, Which, location, on_each_nginx, stream_return, v1,
};
use serde_json::Value;

/// What the command prints.
fn realpeer(args: &[&str]) -> (Verdict, String) {
    let cli = Cli::try_parse_from(["realpeer"].iter().chain(args)).expect("a command");
    let mut out = Vec::new();
    let verdict = run(&cli, &mut out).expect("an answer");
    (verdict, String::from_utf8(out).expect("UTF-8"))
}

/// The addresses and TLVs in HAProxy's headers are found, and so are the first bytes
/// behind them.
#[test]
fn decodes_what_haproxy_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bytes");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("a bound socket").port();
    let mut haproxy = HaProxy::new();
    let fronts = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
        .map(|words| {
            let options = "unique-id-format %[str(an-id)]";
            (words, haproxy.listener("", options, target, words))
        });
    let _haproxy = haproxy.start();

    for (words, port) in fronts {
        let mut client = Client::connect(port);
        let own = client.local().to_string();
        client.send("hello").finish();
        let mut bytes = Vec::new();
        let (mut stream, _) = listener.accept().expect("a connection from HAProxy");
        stream.read_to_end(&mut bytes).expect("the end");
        fs::write(&file, &bytes).expect("own folder");

        let file = file.to_str().expect("a name");
        let (verdict, json) = realpeer(&["decode", "--json", "--file", file]);
        assert_eq!(verdict, Verdict::Fine, "{words}: {json}");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["result"], "proxy", "{words}");
        assert_eq!(json["source"], own, "{words}");
        assert_eq!(json["payload"]["length"], 5, "{words}");
        let wants_tlvs = words.contains("crc32c");
        let (checksum, id) = match wants_tlvs {
            true => (Value::from("right"), Value::from("an-id")),
            false => (Value::Null, Value::Null),
        };
        assert_eq!(json["checksum"], checksum, "{words}");
        assert_eq!(json["named"]["unique_id"], id, "{words}");
    }
}

const RULES: &str = "realpeer require 127.0.0.0/29; realpeer direct 127.0.0.2; \
                     realpeer optional 127.0.0.4/31; realpeer strip 127.0.0.5; \
                     realpeer refuse 127.0.0.6;";

on_each_nginx! {
    /// `check nginx`, with the very file that nginx runs with, names the policy
    /// that nginx applies.
    fn says_the_policy_that_nginx_applies(which) {
        says_the_policy(which);
    }

    /// What `check nginx` says of a listener, rules or none, is what nginx does with
    /// connections with and without a header, from each source.
    fn says_what_nginx_does_with_each_listener(which) {
        says_what_happens(which);
    }

    /// What `check nginx` calls a fault, nginx does not start with.
    fn finds_the_faults_that_nginx_finds(which) {
        finds_the_faults(which);
    }

    /// The output of `nginx -T` says the same as the files.
    fn reads_what_nginx_prints(which) {
        reads_the_output(which);
    }
}

fn says_the_policy(which: Which) {
    let mut site = Site::new(which);
    let port = site.port();
    let other = site.port();
    site.http(format!(
        "{RULES} \
         server {{ listen 127.0.0.1:{port}; {PAGE} }} \
         server {{ listen 127.0.0.1:{other}; realpeer direct all; {PAGE} }}"
    ));
    let nginx = site.start();
    let config = nginx.dir().join("nginx.conf");
    let config = config.to_str().expect("a name");

    for source in (1..=9).map(|last| format!("127.0.0.{last}")) {
        let named = |port: u16| {
            let listener = format!("127.0.0.1:{port}");
            let args = ["check", "nginx", "--config", config, "--listener", &listener, &source];
            let (verdict, said) = realpeer(&args);
            let line = said.lines().last().unwrap_or_default();
            let policy = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            assert_eq!(verdict == Verdict::Refused, policy == "-" || policy == "refuse", "{said}");
            policy
        };
        assert_eq!(named(other), "direct");

        let policy = named(port);
        let mut client = Client::from(&source, port);
        match policy.as_str() {
            "-" | "refuse" => {
                client.must_be_closed();
                let refusals = nginx.new_refusals();
                let results: Vec<_> = refusals.iter().map(|refusal| &refusal.result).collect();
                assert_eq!(results, ["untrusted"], "{source}");
                continue;
            }
            "direct" => {}
            _ => {
                client.send(v1("192.0.2.7:4321", "198.51.100.1:443"));
            }
        }
        assert_eq!(client.get("/").var("policy"), policy, "{source}");
    }
}

const VISITOR: &str = "192.0.2.7";
const SOURCES: [&str; 4] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"];

/// What becomes of a connection.
#[derive(Debug, PartialEq)]
enum Fate {
    Closed,
    /// Served: the client's address, and whether the header was read.
    Served(String, bool),
    /// What was sent is no request.
    Bad,
}

/// What the command's words mean for a connection from `source`, with a header that
/// names the visitor or without one.
fn promised(line: &str, source: &str, subsystem: Subsystem, sends: bool) -> Fate {
    let served = |address: &str, read| Fate::Served(address.to_owned(), read);
    let own = served(source, false);
    let not_looked_for = match (subsystem, sends) {
        (Subsystem::Http, true) => Fate::Bad,
        _ => served(source, false),
    };
    if line.contains("no rules: ") {
        return not_looked_for;
    }
    match (line.split_whitespace().nth(1).expect("a policy"), sends) {
        ("-" | "refuse", _) | ("require" | "native", false) => Fate::Closed,
        ("require" | "optional", true) => served(VISITOR, true),
        ("optional", false) | ("strip", _) => own,
        ("direct", _) => not_looked_for,
        ("native", true) if line.contains(" is taken from it;") => served(VISITOR, true),
        ("native", true) if line.contains(" stays its own") => served(source, true),
        (_, _) => panic!("{line}"),
    }
}

fn fate(subsystem: Subsystem, source: &str, port: u16, sends: bool) -> Fate {
    let mut client = Client::from(source, port);
    if sends {
        client.send(v1("192.0.2.7:4321", "198.51.100.1:443"));
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    let ending = client.ending();
    let vars = match (&ending, subsystem) {
        (Ending::Unanswered, _) => return Fate::Closed,
        (_, Subsystem::Http) => {
            let answer = ending.response();
            match answer.status {
                200 => Vars::new(&answer.body),
                400 => return Fate::Bad,
                status => panic!("{status}"),
            }
        }
        _ => ending.vars(),
    };
    Fate::Served(vars.var("remote_addr"), vars.var("proxy_protocol_addr") == VISITOR)
}

fn says_what_happens(which: Which) {
    let variables = &["remote_addr", "proxy_protocol_addr"];
    let page = location("/", variables);
    let back = stream_return(variables);
    let realip = "set_real_ip_from 127.0.0.2; set_real_ip_from ::1;";
    let header = "real_ip_header proxy_protocol;";
    let rules = "realpeer require 127.0.0.1; realpeer direct 127.0.0.2;";
    let both = "realpeer optional 127.0.0.1 ::1; realpeer strip 127.0.0.2; realpeer refuse all;";
    let http = [
        ("", ""),
        ("", rules),
        ("", both),
        ("proxy_protocol", ""),
        ("proxy_protocol", "realpeer off;"),
        ("proxy_protocol", realip),
        ("proxy_protocol", &format!("{realip} {header}")),
        ("", &format!("{realip} {header}")),
        ("", &format!("{realip} {rules}")),
    ]
    .map(|(listen, text)| (Subsystem::Http, listen, text.to_owned()));
    let stream = [
        ("", ""),
        ("", rules),
        ("", both),
        ("proxy_protocol", ""),
        ("proxy_protocol", realip),
        ("proxy_protocol", "realpeer off;"),
    ]
    .map(|(listen, text)| (Subsystem::Stream, listen, text.to_owned()));

    let mut site = Site::new(which);
    let mut listeners = Vec::new();
    for (subsystem, listen, text) in http.into_iter().chain(stream) {
        for (host, option) in [("127.0.0.1", ""), ("[::]", ""), ("[::]", "ipv6only=off")] {
            let port = site.port();
            let answer = if subsystem == Subsystem::Http { &page } else { &back };
            let server =
                format!("server {{ listen {host}:{port} {listen} {option}; {text} {answer} }}");
            site.block(subsystem, &server);
            listeners.push((subsystem, host, option, port, !listen.is_empty(), server));
        }
    }
    // One server has nginx read the header for all that share the address.
    let port = site.port();
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; {page} }} \
         server {{ listen 127.0.0.1:{port} proxy_protocol; server_name other; {page} }}"
    );
    site.http(&server);
    listeners.push((Subsystem::Http, "127.0.0.1", "", port, true, server));
    // The specific address has another server than all others.
    let port = site.port();
    let server = format!(
        "server {{ listen 127.0.0.1:{port} proxy_protocol; {page} }} \
         server {{ listen *:{port}; {rules} {page} }}"
    );
    site.http(&server);
    listeners.push((Subsystem::Http, "127.0.0.1", "", port, true, server));
    let nginx = site.start();
    let config = nginx.dir().join("nginx.conf");
    let config = config.to_str().expect("a name");

    for (subsystem, host, option, port, native, server) in listeners {
        for source in SOURCES {
            let can_connect = match (host, option) {
                ("127.0.0.1", _) => source != "::1",
                (_, "ipv6only=off") => true,
                _ => source == "::1",
            };
            let listener = format!("{host}:{port}");
            let (verdict, said) =
                realpeer(&["check", "nginx", config, "--listener", &listener, source]);
            let line = said.lines().last().unwrap_or_default();
            let is_native = said.contains("nginx itself reads the header");
            assert_eq!(is_native, native, "{server}: {said}");
            if !line.contains("no rules: ") {
                let can = !line.contains("cannot connect here");
                assert_eq!(can, can_connect, "{server}: {said}");
            }
            if !can_connect {
                continue;
            }
            for sends in [false, true] {
                let promised = promised(line, source, subsystem, sends);
                let wanted = match (verdict, &promised) {
                    (Verdict::Native, _) => is_native,
                    (Verdict::Refused, fate) => *fate == Fate::Closed,
                    (_, _) => !is_native,
                };
                assert!(wanted, "{server} {verdict:?}: {said}");
                // IPv4 over IPv6 is IPv4 for the command, and a mapped address for nginx.
                let fate = match fate(subsystem, source, port, sends) {
                    Fate::Served(address, read) => {
                        let plain = address.strip_prefix("::ffff:").unwrap_or(&address);
                        Fate::Served(plain.to_owned(), read)
                    }
                    other => other,
                };
                assert_eq!(fate, promised, "{server}, from {source}, header: {sends}\n{said}");
            }
        }
    }
    says_what_happens_to_mail(which);
}

/// Mail servers say whose address they have to their `auth_http`.
fn says_what_happens_to_mail(which: Which) {
    let backend = MailBackend::start(MailProtocol::Smtp);
    let auth = AuthHttp::passing_to(backend.port());
    let mut site = Site::new(which);
    let ask = auth.directive();
    site.mail(format!("{ask} server_name mail.example;"));
    let ports = [
        ("proxy_protocol", ""),
        ("proxy_protocol", "set_real_ip_from 127.0.0.2;"),
        ("", "realpeer require 127.0.0.1; realpeer direct 127.0.0.2;"),
        ("", ""),
    ]
    .map(|(listen, text)| {
        let port = site.port();
        site.mail(format!("server {{ listen 127.0.0.1:{port} {listen}; protocol smtp; {text} }}"));
        port
    });
    let nginx = site.start();
    let config = nginx.dir().join("nginx.conf");
    let config = config.to_str().expect("a name");
    for port in ports {
        for source in ["127.0.0.1", "127.0.0.2"] {
            let listener = format!(":{port}");
            let (_, said) = realpeer(&["check", "nginx", config, "-l", &listener, source]);
            let line = said.lines().last().unwrap_or_default();
            for sends in [false, true] {
                let promised = promised(line, source, Subsystem::Mail, sends);
                let mut client = Client::from(source, port);
                if sends {
                    client.send(v1("192.0.2.7:4321", "198.51.100.1:443"));
                }
                if promised == Fate::Closed {
                    client.send("EHLO visitor.example\r\n").must_be_closed();
                    continue;
                }
                let Fate::Served(address, read) = &promised else { unreachable!("{promised:?}") };
                if sends && !read {
                    // The server speaks first, and the header is a bad command to it.
                    continue;
                }
                let mut dialogue = Dialogue::over(client);
                assert!(dialogue.line().starts_with("220"), "{said}");
                assert!(dialogue.say("EHLO visitor.example").starts_with("250"));
                assert!(dialogue.say("AUTH PLAIN AGEAYg==").starts_with("235"));
                let requests = auth.requests();
                let last = requests.last().expect("a question");
                assert_eq!(last.header("client-ip"), Some(address.as_str()), "{said}");
            }
        }
    }
}

fn finds_the_faults(which: Which) {
    // With PORT for a free port; whether nginx starts with it.
    for (subsystem, text, starts) in [
        (Subsystem::Http, "server { listen PORT; realpeer direct all; }", true),
        (Subsystem::Http, "server { listen PORT proxy_protocol; }", true),
        (Subsystem::Http, "server { listen PORT proxy_protocol; realpeer direct all; }", false),
        (
            Subsystem::Http,
            "server { listen PORT; realpeer direct all; } server { listen PORT proxy_protocol; }",
            false,
        ),
        (
            Subsystem::Http,
            "realpeer direct all; server { listen PORT proxy_protocol; realpeer off; }",
            true,
        ),
        (Subsystem::Http, "server { listen PORT; listen *:PORT; }", false),
        (Subsystem::Http, "server { listen PORT udp; }", false),
        (Subsystem::Http, "server { listen PORT quic proxy_protocol; }", false),
        (Subsystem::Http, "server { listen $address; }", false),
        (Subsystem::Http, "server { }", true),
        (Subsystem::Stream, "server { listen PORT proxy_protocol; return x; }", true),
        (
            Subsystem::Stream,
            "server { listen PORT proxy_protocol; realpeer direct all; return x; }",
            false,
        ),
        (Subsystem::Stream, "server { listen PORT udp proxy_protocol; return x; }", false),
        (Subsystem::Stream, "server { listen PORT quic; return x; }", false),
        (Subsystem::Stream, "server { return x; }", false),
        (Subsystem::Mail, "server { listen PORT proxy_protocol; }", true),
        (Subsystem::Mail, "server { listen PORT proxy_protocol; realpeer direct all; }", false),
        (Subsystem::Mail, "server { listen PORT; } server { listen *:PORT; }", false),
        (Subsystem::Mail, "server { listen PORT udp; }", false),
        (Subsystem::Mail, "server { }", false),
    ] {
        let mut site = Site::new(which);
        let port = site.port();
        let text = text.replace("PORT", &port.to_string());
        let mail = "server { auth_http 127.0.0.1:1; protocol smtp; ";
        site.block(
            subsystem,
            match subsystem {
                Subsystem::Mail => text.replace("server { ", mail),
                _ => text.clone(),
            },
        );
        let check = site.check();
        assert_eq!(check.passed, starts, "{text}: {check:?}");
        let config = site.dir().join("nginx.conf");
        let config = config.to_str().expect("a name");
        let cli = Cli::try_parse_from(["realpeer", "check", "nginx", config]).expect("a command");
        let said = run(&cli, &mut Vec::new());
        assert_eq!(said.is_ok(), starts, "{text}: {said:?}");
    }
}

fn reads_the_output(which: Which) {
    let mut site = Site::new(which);
    let (port, other) = (site.port(), site.port());
    fs::create_dir(site.dir().join("conf.d")).expect("own folder");
    site.file("conf.d/a.conf", &format!("server {{ listen {port} proxy_protocol; }}"));
    site.file("conf.d/b.conf", "\n\n# a comment");
    site.file("conf.d/.hidden.conf", "}");
    site.file("map", "a b;");
    site.http(format!(
        "include conf.d/*.conf; map $host $x {{ include map; }}
         include conf.d/[z]*; server {{ listen {other}; realpeer direct all; }}"
    ));
    assert!(site.check().passed);
    let config = site.dir().join("nginx.conf");
    let config = config.to_str().expect("a name");
    let printed = Command::new(which.program())
        .args(["-T", "-e", "stderr", "-c", config, "-p"])
        .arg(site.dir())
        .output()
        .expect("nginx -T runs");
    let of_files = realpeer(&["check", "nginx", config, "127.0.0.1"]);
    assert_eq!(of_files.0, Verdict::Native);
    // Messages too, as with 2>&1, before and after.
    for text in [
        printed.stdout.clone(),
        [printed.stderr.clone(), printed.stdout.clone()].concat(),
        [printed.stdout, printed.stderr].concat(),
    ] {
        let output = site.file("output", &String::from_utf8(text).expect("UTF-8"));
        assert_eq!(realpeer(&["check", "nginx", &output, "127.0.0.1"]), of_files);
    }
}
