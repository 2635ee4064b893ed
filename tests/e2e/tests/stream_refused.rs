//! Refused connections in the access log of stream, where a configuration asks
//! for them: a line for each, as nginx's own receiver writes one.

use std::collections::BTreeSet;

use realpeer_e2e::{
    ALLOWED, Allowing, Authority, Client, Front, Kind, Nginx, Site, V2, Which, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// Who connected, the status and the result, and what else a line may have.
const FORMAT: &str = "log_format refused '$remote_addr:$remote_port $status $realpeer_result \
    $realpeer_proxy_addr:$realpeer_proxy_port $protocol $bytes_received $bytes_sent \
    $server_addr:$server_port $session_time $realpeer_policy [$realpeer_addr] [$upstream_addr] \
    [$realpeer_tlv_authority] [$realpeer_version]';";

struct Line {
    peer: String,
    status: String,
    result: String,
    rest: Vec<String>,
}

/// The lines of connections that were refused, in their order.
fn refused_lines(log: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let [peer, status, result, rest @ ..] = &words[..] else { panic!("{line}") };
        if status != "200" {
            let [peer, status, result] = [peer, status, result].map(String::clone);
            lines.push(Line { peer, status, result, rest: rest.to_vec() });
        }
    }
    lines
}

/// Each line of the error log about a refused connection has one in the access log, and
/// there are no others: one worker has written both, one connection after the other.
#[track_caller]
fn each_refusal_must_have_its_line(nginx: &Nginx, log: &str) {
    let (refusals, lines) = (nginx.refusals(), refused_lines(log));
    let whose = |line: &Line| (line.peer.clone(), line.result.clone());
    assert_eq!(
        lines.iter().map(whose).collect::<Vec<_>>(),
        refusals.iter().map(|of| (of.peer.clone(), of.result.clone())).collect::<Vec<_>>(),
    );
    for (refusal, line) in refusals.iter().zip(&lines) {
        let status = if refusal.result == "untrusted" { "403" } else { "400" };
        assert_eq!(line.status, status, "{refusal:?}");
        let [proxy, protocol, received, sent, server, time, policy, client, upstream, tlv, version] =
            &line.rest[..]
        else {
            panic!("{:?}", line.rest)
        };
        assert_eq!((&**proxy, &**server), (&*refusal.peer, &*refusal.listener));
        assert_eq!((&**protocol, &**received, &**sent), ("TCP", "0", "0"));
        assert_eq!([client, upstream, tlv], ["[-]"; 3], "{refusal:?}");
        assert_eq!(version == "[-]", refusal.result != "no_address", "{refusal:?}");
        let policy_wanted = if refusal.result == "untrusted" { "none" } else { "require" };
        assert_eq!(policy, policy_wanted);
        // From accept on, as that of nginx's own receiver.
        let time: f64 = time.parse().expect("seconds");
        let least = if refusal.result == "timeout" { 1.0 } else { 0.0 };
        assert!((least..30.0).contains(&time), "{refusal:?}: {time}");
    }
    assert!(!refusals.is_empty());
}

fn each_result_has_one_line(which: Which, kind: Kind) {
    let front = Front::new(kind);
    let mut site = Site::new(which);
    let log = site.dir().join("refused.log").display().to_string();
    site.stream(format!("{FORMAT} realpeer_access_log on;"));
    let ports = ALLOWED.map(|directives| {
        front.add_port(&mut site, &format!("{directives} access_log {log} refused;"))
    });
    let mut nginx = site.start();
    let visit = |port, header: &[u8]| front.visit(port, header);
    let mut visits = 0;
    let servers = Allowing { logs: &nginx, ports, visit: &visit, words: kind.words() };
    visits += servers.must_refuse_bad_headers();
    servers.must_refuse_everything_else();
    nginx.quit();
    let log = nginx.log("refused.log");
    each_refusal_must_have_its_line(&nginx, &log);
    let results: BTreeSet<_> = nginx.refusals().into_iter().map(|refusal| refusal.result).collect();
    assert_eq!(results.len(), 15, "{results:?}");
    // Those that are accepted have theirs, and no more.
    let served = log.lines().filter(|line| line.split(' ').nth(1) == Some("200")).count();
    assert!(served > visits, "{served}");
    assert_eq!(log.lines().count(), served + nginx.refusals().len());
}

/// What comes, and whether its sender then closes its side.
const BROKEN: [(&[u8], bool); 5] = [
    (b"GET / HTTP/1.0\r\n\r\n", false),
    (b"PROXY TCP4 nonsense\r\n", false),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04abcd", false),
    (b"PROXY TCP4 192.0.2.7 ", true),
    (b"", true),
];

/// The lines of both, and what the other half of each listener is.
fn lines_about_broken_headers(mut site: Site, listen: &str, directives: &str) -> Vec<String> {
    let port = site.port();
    let log = site.dir().join("both.log").display().to_string();
    site.stream(format!(
        "log_format both '$remote_addr $status $protocol $bytes_received $bytes_sent \
             $server_addr $upstream_addr';
         server {{ listen 127.0.0.1:{port} {listen}; {directives} access_log {log} both;
                   return x; }}"
    ));
    let mut nginx = site.start();
    for (bytes, ends) in BROKEN {
        let mut client = Client::connect(port);
        client.send(bytes);
        if ends {
            client.finish();
        }
        client.must_be_closed();
    }
    nginx.quit();
    nginx.log("both.log").lines().map(str::to_owned).collect()
}

/// A header that does not come, and the status of that.
fn status_of_a_timeout(mut site: Site, listen: &str, directives: &str) -> String {
    let port = site.port();
    let log = site.dir().join("status.log").display().to_string();
    site.stream(format!(
        "log_format status '$status';
         server {{ listen 127.0.0.1:{port} {listen}; {directives} access_log {log} status;
                   return x; }}"
    ));
    let mut nginx = site.start();
    Client::connect(port).must_be_closed();
    nginx.quit();
    nginx.log("status.log")
}

const ON: &str = "realpeer require all; realpeer_access_log on;";

/// A connection that is closed for its header, over http and over https; gives
/// what is in the access log.
fn access_log_of_http(which: Which, native: bool) -> String {
    let authority = Authority::new();
    let mut site = if native { Site::native(which) } else { Site::new(which) };
    let certificate = site.certificate(&authority);
    let ports = [site.port(), site.port()];
    for (port, ssl) in ports.into_iter().zip(["", "ssl"]) {
        let (parameter, directive) =
            if native { ("proxy_protocol", "") } else { ("", "realpeer require all;") };
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} {ssl} {parameter}; {certificate} {directive}
                       return 204; }}"
        ));
    }
    let mut nginx = site.start();
    for port in ports {
        for bytes in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"PROXY TCP4 nonsense\r\n", b""] {
            Client::connect(port).send(bytes).finish().must_be_closed();
        }
    }
    nginx.quit();
    nginx.access_log()
}

on_each_nginx! {
    fn each_result_has_one_line_in_the_access_log(which) {
        each_result_has_one_line(which, Kind::Stream);
    }

    fn each_result_has_one_line_in_the_access_log_with_tls(which) {
        each_result_has_one_line(which, Kind::StreamTls);
    }

    fn lines_are_those_of_the_native_receiver(which) {
        let native = lines_about_broken_headers(Site::native(which), "proxy_protocol", "");
        let ours = lines_about_broken_headers(Site::new(which), "", ON);
        assert_eq!(native, ["127.0.0.1 400 TCP 0 0 127.0.0.1 -"; BROKEN.len()]);
        assert_eq!(ours, native);
    }

    /// The one that differs: nginx logs a header that did not come as a success.
    fn a_timeout_has_the_status_of_a_refusal(which) {
        let native = "proxy_protocol_timeout 1s;";
        let native = status_of_a_timeout(Site::native(which), "proxy_protocol", native);
        assert_eq!(native, "200\n");
        let ours = format!("{ON} realpeer_timeout 1s;");
        assert_eq!(status_of_a_timeout(Site::new(which), "", &ours), "400\n");
    }

    fn there_is_no_line_where_none_is_asked_for(which) {
        for directive in ["", "realpeer_access_log off;"] {
            let directives = format!("realpeer require all; {directive}");
            let lines = lines_about_broken_headers(Site::new(which), "", &directives);
            assert_eq!(lines, [""; 0], "{directive:?}");
        }
    }

    /// Neither of nginx's own receiver nor of ours: see docs/migrating.md.
    fn http_has_no_line_for_a_connection_without_a_request(which) {
        assert_eq!(access_log_of_http(which, true), "");
        assert_eq!(access_log_of_http(which, false), "");
    }

    fn a_server_decides_for_itself(which) {
        let mut site = Site::new(which);
        let ports = [site.port(), site.port()];
        let log = site.dir().join("refused.log").display().to_string();
        site.stream(format!(
            "{FORMAT} realpeer_access_log on; realpeer require all; access_log {log} refused;
             server {{ listen 127.0.0.1:{}; return x; }}
             server {{ listen 127.0.0.1:{}; realpeer_access_log off; return x; }}",
            ports[0], ports[1]
        ));
        let mut nginx = site.start();
        for port in ports {
            Client::connect(port).send("words\r\n").must_be_closed();
        }
        nginx.quit();
        let lines = refused_lines(&nginx.log("refused.log"));
        assert_eq!(lines.len(), 1);
        assert!(lines.iter().all(|line| line.rest[4] == format!("127.0.0.1:{}", ports[0])));
        assert_eq!(nginx.refusals().len(), 2);
    }

    /// It is nginx's log, with nginx's conditions, and goes by no level or limit.
    fn a_condition_leaves_lines_out_and_a_limit_does_not(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("refused.log").display().to_string();
        site.stream(format!(
            "{FORMAT} map $realpeer_result $wanted {{ default 1; silent 0; }}
             server {{ listen 127.0.0.1:{port}; {ON} realpeer_log_limit 1r/m burst=2;
                       access_log {log} refused if=$wanted; return x; }}"
        ));
        let mut nginx = site.start();
        for _ in 0..7 {
            Client::connect(port).send("words\r\n").must_be_closed();
            Client::connect(port).finish().must_be_closed();
        }
        nginx.quit();
        let lines = refused_lines(&nginx.log("refused.log"));
        assert_eq!(lines.len(), 7);
        assert!(lines.iter().all(|line| line.result == "no_header"));
        let loud = nginx.refusals().into_iter().filter(|refusal| refusal.result == "no_header");
        assert_eq!(loud.count(), 2);
    }

    /// An old worker, with the log and the format of its time.
    fn a_connection_of_before_a_reload_has_its_line(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("refused.log").display().to_string();
        site.stream(format!(
            "{FORMAT} server {{ listen 127.0.0.1:{port}; {ON} realpeer_timeout 30s;
                                access_log {log} refused; return x; }}"
        ));
        let mut nginx = site.start();
        let mut waiting = Client::connect(port);
        waiting.send("PROXY ");
        waiting.wait_until_read();
        nginx.reload(|_| ());
        waiting.send("nonsense\r\n").must_be_closed();
        let peer = nginx.wait_for_error("refused bad_v1");
        let lines = refused_lines(&nginx.log("refused.log"));
        let [line] = &lines[..] else { panic!("{} lines", lines.len()) };
        assert!(peer.contains(&format!("peer: {},", line.peer)), "{peer}");
        assert_eq!(line.result, "bad_v1");
    }

    /// nginx 1.22 passes no connections on. The session of the first listener ends
    /// without a line when it has passed its connection on.
    fn a_connection_that_was_passed_on_has_one_line(which) {
        if which == Which::Debian {
            return;
        }
        let mut site = Site::new(which);
        let ports = [site.port(), site.port()];
        let log = site.dir().join("refused.log").display().to_string();
        site.stream(format!(
            "{FORMAT} {ON} access_log {log} refused;
             server {{ listen 127.0.0.1:{}; pass 127.0.0.1:{}; }}
             server {{ listen 127.0.0.1:{}; return x; }}",
            ports[0], ports[1], ports[1]
        ));
        let mut nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut client = Client::connect(ports[0]);
        client.send(&header).send(b"words\r\n").must_be_closed();
        let mut twice = Client::connect(ports[0]);
        twice.send(&header).send(V2::local().build()).ending();
        nginx.quit();
        let log = nginx.log("refused.log");
        let refused = refused_lines(&log);
        let [line] = &refused[..] else { panic!("{log}") };
        assert_eq!((&*line.peer, &*line.result), ("192.0.2.7:4321", "no_header"));
        assert_eq!(log.lines().count(), 2, "{log}");
    }
}
