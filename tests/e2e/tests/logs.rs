//! What docs/logs.md says one can do with logs, and the filters of
//! examples/fail2ban: on logs of real servers, with a balancer, its clients, an
//! attacker, and one who writes log lines into his requests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use realpeer_e2e::{ApacheSite, Client, Logs, Mpm, Nginx, Site, V2, on_each_nginx, v1, wait_until};

const BALANCER: &str = "127.0.0.10";
const ATTACKER: &str = "127.0.0.66";
const DIRECT: &str = "127.0.0.20";
const CLIENT: &str = "203.0.113.9";
const OTHER_CLIENT: &str = "198.51.100.8";
const LISTENER: &str = "198.51.100.1:443";

/// Would be a victim if a filter took a client's words for the server's.
const VICTIM: &str = "192.0.2.99";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/logs.md")).expect("the document")
}

/// From these words of the document to that end.
fn statement(begin: &str, end: &str) -> String {
    let document = document();
    let from = document.find(begin).expect("a recipe");
    let length = document[from..].find(end).expect("its end");
    document[from..from + length].to_owned()
}

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let document = document();
    let fence = format!("```{language}\n");
    let block = |rest: &str| rest.split_once("\n```").expect("an end").0.to_owned();
    document.split(&*fence).skip(1).map(block).collect()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: {INJECTED}\r\n\r\n")
}

const INJECTED: &str = "realpeer: refused untrusted (x), peer: 192.0.2.99:1, listener: a";

fn ask(from: &str, port: u16, header: &[u8], path: &str) -> u16 {
    let mut client = Client::from(from, port);
    client.send([header, request(path).as_bytes()].concat());
    client.ending().response().status
}

/// The same before each server: `/closed` is forbidden to everybody.
fn visit(port: u16) {
    let of = |client: &str| v1(&format!("{client}:4321"), LISTENER);
    for _ in 0..3 {
        assert_eq!(ask(BALANCER, port, &of(CLIENT), "/closed"), 403);
    }
    // An end of the request, and a line of another's.
    let line = "/closed\"%20403%200%20192.0.2.99%20proxy%20x%20[]%20\"GET%20/\"%20403%20";
    ask(BALANCER, port, &of(CLIENT), line);
    ask(BALANCER, port, &of(CLIENT), &line.replace("%20", "\t"));
    // Apache writes a path without quotes.
    let line = format!("/closed {INJECTED}").replace(' ', "%20");
    assert_eq!(ask(BALANCER, port, &of(CLIENT), &line), 403);
    ask(BALANCER, port, &of(OTHER_CLIENT), "/");
    assert_eq!(ask(BALANCER, port, &V2::local().build(), "/closed"), 403);
    assert_eq!(ask(BALANCER, port, b"PROXY UNKNOWN\r\n", "/closed"), 403);
    assert_eq!(ask(DIRECT, port, b"", "/closed"), 403);
    for broken in [
        "GET /closed HTTP/1.0\r\n\r\n".to_owned(),
        "PROXY TCP4 192.0.2.99 198.51.100.1 1 65536\r\n".to_owned(),
        format!("{INJECTED}\r\n"),
        format!("\" {INJECTED}\n2026/01/31 12:00:00 [error] 1#1: *1 {INJECTED}\r\n"),
    ] {
        Client::from(BALANCER, port).send(broken).must_be_closed();
    }
    Client::from(BALANCER, port).send("PROXY TCP4 ").finish().must_be_closed();
    // Lines without a byte in them, as the attacker's are.
    Client::from(BALANCER, port).finish().must_be_closed();
    Client::from(BALANCER, port).must_be_closed();
    for _ in 0..2 {
        Client::from(ATTACKER, port).must_be_closed();
    }
}

/// The addresses that a filter finds, however often.
fn found(filter: &Path, log: &Path) -> BTreeSet<String> {
    let output = Command::new("fail2ban-regex")
        .args(["-o", "ip"])
        .args([log, filter])
        .output()
        .expect("fail2ban-regex, see tools/packages.txt");
    assert!(output.status.success(), "{}: {output:?}", filter.display());
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn ours(name: &str) -> PathBuf {
    root().join("examples/fail2ban/filter.d").join(name)
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

fn must_find_clients_only(logs: &Logs) {
    let (error_log, access_log) = (logs.dir().join("error.log"), logs.dir().join("recipe.log"));
    assert_eq!(found(&ours("realpeer-untrusted.conf"), &error_log), set(&[ATTACKER]));
    assert_eq!(found(&ours("realpeer-untrusted.conf"), &access_log), set(&[]));
    assert_eq!(found(&ours("realpeer-access.conf"), &access_log), set(&[CLIENT]));
    assert_eq!(found(&ours("realpeer-access.conf"), &error_log), set(&[]));
    assert!(logs.error_log().contains(VICTIM) && logs.log("recipe.log").contains(VICTIM));
}

/// Those that come with fail2ban, on lines about refused connections.
fn packaged_filters_must_not_find_the_balancer(logs: &Logs, server: &str) {
    let refusals: String = logs
        .error_log()
        .lines()
        .filter(|line| line.contains("realpeer: "))
        .map(|line| format!("{line}\n"))
        .collect();
    let log = logs.dir().join("refusals.log");
    fs::write(&log, refusals).expect("own folder");
    let filters = Path::new("/etc/fail2ban/filter.d");
    let mut tried = 0;
    for entry in fs::read_dir(filters).expect("fail2ban's filters") {
        let filter = entry.expect("a file").path();
        let name = filter.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_one = name.starts_with(server);
        if is_one && !["apache-common", "apache-fakegooglebot"].contains(&&*name) {
            assert!(!found(&filter, &log).contains(BALANCER), "{name}");
            tried += 1;
        }
    }
    assert!(tried >= 3, "{tried} filters");
}

/// The commands of the document say something, and the numbers are right.
fn questions_have_answers(logs: &Logs) {
    fs::copy(logs.dir().join("recipe.log"), logs.dir().join("access.log")).expect("own folder");
    let answers: Vec<String> = blocks("sh")
        .iter()
        .map(|script| {
            let output = Command::new("sh")
                .args(["-ec", script])
                .current_dir(logs.dir())
                .output()
                .expect("a shell");
            assert!(output.status.success() && output.stderr.is_empty(), "{script}\n{output:?}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
        .collect();
    let [reasons, with_held_back, untrusted, balancers, clients] = &answers[..] else {
        panic!("{} questions", answers.len());
    };
    let number = |answer: &str, of: &str| -> usize {
        let line = answer.lines().find(|line| line.trim_end().ends_with(of));
        let line = line.unwrap_or_else(|| panic!("no {of} in\n{answer}"));
        line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    };
    assert_eq!(number(reasons, "no_header"), 2);
    assert_eq!(number(reasons, "untrusted"), 2);
    assert_eq!(number(with_held_back, "no_header"), 3);
    assert_eq!(number(with_held_back, "untrusted"), 2);
    assert_eq!(untrusted.split_whitespace().collect::<Vec<_>>(), ["2", ATTACKER]);
    assert_eq!(number(balancers, &format!("{BALANCER} local")), 1);
    assert_eq!(number(balancers, &format!("{DIRECT} direct")), 1);
    assert_eq!(number(clients, CLIENT), 6);
    assert_eq!(number(clients, OTHER_CLIENT), 1);
    assert!(!clients.contains(BALANCER), "{clients}");
}

on_each_nginx! {
    fn logs_of_nginx_tell_clients_from_balancers(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let dir = site.dir().display().to_string();
        site.file("denied.conf", "");
        site.http(format!(
            "{};
             server {{ listen 127.0.0.1:{port};
                 realpeer require {BALANCER}; realpeer direct {DIRECT};
                 realpeer_log_limit 1r/m burst=2; realpeer_timeout 500ms;
                 access_log {dir}/recipe.log realpeer; include {dir}/denied.conf;
                 location = / {{ return 200; }} location /closed {{ deny all; }} }}",
            statement("log_format realpeer ", ";")
        ));
        let mut nginx = site.start();
        visit(port);
        nginx.reload(|_| ());
        nginx.wait_for_error("held back 1 lines of refused no_header");
        must_find_clients_only(&nginx);
        packaged_filters_must_not_find_the_balancer(&nginx, "nginx-");
        questions_have_answers(&nginx);
        bans_are_for_the_client(&mut nginx, port);
    }

    /// A client that writes lines of the error log writes none of those of refused
    /// connections.
    fn a_line_feed_of_a_client_bans_nobody(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let dir = site.dir().display().to_string();
        let servers = statement("server {\n        listen 8080 default_server;", "\n}\n```")
            .replace("8080", &format!("127.0.0.1:{port}"))
            .replace("logs/refused.log", &format!("{dir}/refused.log"))
            .replace("logs/error.log", &format!("{dir}/requests.log"));
        site.http(format!("realpeer require {BALANCER};\n{servers}"));
        let _nginx = site.start();
        let line = format!("/missing\n2026/01/31 12:00:00 [error] 1#1: *1 {INJECTED}\n")
            .replace(' ', "%20")
            .replace('#', "%23")
            .replace('\n', "%0A");
        for host in ["www.example.com", "localhost"] {
            let request = format!("GET {line} HTTP/1.0\r\nHost: {host}\r\n\r\n");
            let header = v1(&format!("{CLIENT}:4321"), LISTENER);
            Client::from(BALANCER, port).send([&header, request.as_bytes()].concat()).ending();
        }
        Client::from(ATTACKER, port).must_be_closed();
        let filter = ours("realpeer-untrusted.conf");
        assert_eq!(found(&filter, &Path::new(&dir).join("refused.log")), set(&[ATTACKER]));
        // What the document warns of.
        assert_eq!(found(&filter, &Path::new(&dir).join("requests.log")), set(&[VICTIM]));
    }
}

/// The action bans a client in nginx, and others behind the same balancer stay.
fn bans_are_for_the_client(nginx: &mut Nginx, port: u16) {
    let file = nginx.dir().join("denied.conf");
    let act = |action: &str| {
        let action = action_of(action).replace("<ip>", CLIENT).replace("<reload>", "true");
        let action = action.replace("<file>", file.to_str().expect("text"));
        let status = Command::new("sh").args(["-ec", &action]).status().expect("a shell");
        assert!(status.success(), "{action}");
    };
    let answers = || {
        [CLIENT, OTHER_CLIENT].map(|client| {
            // Served without a phase for access: the file is for all locations.
            ask(BALANCER, port, &v1(&format!("{client}:1"), LISTENER), "/missing/")
        })
    };
    act("actionstart");
    act("actionban");
    act("actionban");
    assert_eq!(fs::read_to_string(&file).expect("the file"), format!("deny {CLIENT};\n"));
    nginx.reload(|_| ());
    // A worker that is told to end may be quicker than the new one.
    wait_until("the ban", || (answers() == [403, 404]).then_some(()));
    act("actionunban");
    nginx.reload(|_| ());
    wait_until("its end", || (answers() == [404, 404]).then_some(()));
}

fn action_of(name: &str) -> String {
    let file = root().join("examples/fail2ban/action.d/realpeer-nginx-deny.conf");
    let text = fs::read_to_string(file).expect("the action");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[test]
fn logs_of_apache_tell_clients_from_balancers() {
    let mut site = ApacheSite::new(Mpm::Event);
    let dir = site.dir().display().to_string();
    let port = site.host(&format!(
        "RealPeer require {BALANCER}\nRealPeer direct {DIRECT}\n\
         RealPeerLogLimit 1r/m burst=2\nRealPeerTimeout 500ms\nCustomLog {dir}/recipe.log realpeer\n\
         <LocationMatch \"^/closed\">\nRequire all denied\n</LocationMatch>\n{}",
        statement("LogFormat \"%a", "\nCustomLog")
    ));
    // Else the kernel keeps connections to itself on which nothing comes.
    site.config("AcceptFilter http none");
    let mut apache = site.start();
    visit(port);
    apache.stop();
    must_find_clients_only(&apache);
    packaged_filters_must_not_find_the_balancer(&apache, "apache-");
    questions_have_answers(&apache);
}
