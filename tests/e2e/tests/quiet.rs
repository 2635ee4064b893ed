//! Refusals that are ordinary for a source: health checks without a header leave
//! the error log alone, and what others send does not get lost among them.

#[allow(dead_code)] // the pages themselves have tests of their own
mod status_parts;

use realpeer_e2e::{
    Apache, ApacheSite, Client, Front, Kind, Logs, Mpm, Refusal, Site, Subsystem, on_each_mpm,
    on_each_nginx,
};
use status_parts::serve;

/// Sends its checks without a header.
const CHECKS: &str = "127.0.0.20";
/// Within the network of the checks, and to be heard.
const BALANCER: &str = "127.0.0.30";
/// Is allowed nowhere.
const SCANNER: &str = "127.0.0.66";

const RULES: [&str; 3] = [
    "realpeer require 127.0.0.16/28 quiet=no_header,truncated",
    "realpeer require 127.0.0.30",
    "realpeer refuse 127.0.0.66 quiet=untrusted",
];

fn nginx_rules() -> String {
    format!("{};", RULES.join("; "))
}

fn apache_rules() -> String {
    RULES.join("\n").replace("realpeer", "RealPeer")
}

/// Refused, each for a reason of its own.
fn knock(source: &str, port: u16, result: &str) {
    let mut client = Client::from(source, port);
    match result {
        "no_header" => client.send("GET /health HTTP/1.0\r\n\r\n"),
        "bad_v1" => client.send("PROXY TCP4 nonsense\r\n"),
        "truncated" => client.send("PROXY TCP4 192.0.2.7 ").finish(),
        "silent" => client.finish(),
        _ => &mut client,
    };
    client.must_be_closed();
}

/// What is sent, and the level that it has to have in the log.
const KNOCKS: [(&str, &str, &str); 9] = [
    (CHECKS, "no_header", "info"),
    (CHECKS, "truncated", "info"),
    (CHECKS, "silent", "info"),
    (CHECKS, "bad_v1", "error"),
    (BALANCER, "no_header", "error"),
    (BALANCER, "truncated", "error"),
    (BALANCER, "silent", "info"),
    (SCANNER, "untrusted", "info"),
    ("127.0.0.99", "untrusted", "error"),
];

#[track_caller]
fn each_must_have_its_level(logs: &Logs, port: u16) {
    for (source, result, level) in KNOCKS {
        knock(source, port, result);
        let refusals = logs.new_refusals();
        let [Refusal { level: seen, result: word, peer, .. }] = &refusals[..] else {
            panic!("{source} {result}: {refusals:#?}")
        };
        assert!(peer.starts_with(&format!("{source}:")), "{peer}");
        assert_eq!((&**word, &**seen), (result, level), "{source}");
    }
}

fn knock_as_a_burst(port: u16) {
    for _ in 0..9 {
        knock(CHECKS, port, "no_header");
    }
    for _ in 0..3 {
        knock(BALANCER, port, "no_header");
    }
}

/// The lines of a burst are two: those that are quiet are counted apart.
#[track_caller]
fn must_have_left_the_burst_to_others(logs: &Logs) {
    let of = |level: &str| {
        let refusals = logs.refusals().into_iter().filter(|refusal| refusal.level == level);
        let held_back = logs.held_back().into_iter().filter(|line| line.level == level);
        (refusals.count(), held_back.map(|line| (line.result, line.lines)).collect::<Vec<_>>())
    };
    assert_eq!(of("error"), (2, vec![("no_header".into(), 1)]));
    assert_eq!(of("info"), (2, vec![("no_header".into(), 7)]));
}

/// In a log for `error`, which is nginx's default.
#[track_caller]
fn three_hundred_checks_must_write_nothing(port: u16, log: impl Fn() -> String) {
    for _ in 0..300 {
        knock(CHECKS, port, "no_header");
    }
    knock(BALANCER, port, "no_header");
    let log = log();
    let about = |line: &&str| line.contains("realpeer: refused") || line.contains("held back");
    let lines: Vec<_> = log.lines().filter(about).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0]
            .contains(&format!("refused no_header (no PROXY protocol header), peer: {BALANCER}:"))
    );
}

fn nginx_with(site: &mut Site, kind: Kind, directives: &str) -> u16 {
    Front::new(kind).add_port(site, &format!("{} {directives}", nginx_rules()))
}

on_each_nginx! {
    fn a_quiet_result_is_not_an_error(which) {
        for kind in Kind::PLAIN {
            let mut site = Site::new(which);
            let port = nginx_with(&mut site, kind, "");
            let nginx = site.start();
            each_must_have_its_level(&nginx, port);
        }
    }

    fn quiet_refusals_leave_the_lines_of_a_burst_to_others(which) {
        let mut site = Site::new(which);
        let port = nginx_with(&mut site, Kind::Http, "realpeer_log_limit 1r/m burst=2;");
        let mut nginx = site.start();
        knock_as_a_burst(port);
        nginx.quit();
        must_have_left_the_burst_to_others(&nginx);
    }

    fn health_checks_do_not_fill_the_error_log(which) {
        let mut site = Site::new(which);
        let log = site.dir().join("loud.log").display().to_string();
        let port = nginx_with(&mut site, Kind::Stream, &format!("error_log {log};"));
        let status = serve(&mut site);
        let nginx = site.start();
        three_hundred_checks_must_write_nothing(port, || nginx.log("loud.log"));
        // They are counted all the same.
        let listener = status.listener(Subsystem::Stream, port);
        assert_eq!(listener["connections"]["refused"]["no_header"], 301, "{listener:#}");
    }
}

fn apache_with(mpm: Mpm, directives: &str) -> (Apache, u16) {
    let mut site = ApacheSite::new(mpm);
    // Else the kernel keeps connections to itself on which nothing comes.
    site.config("AcceptFilter http none");
    let port = site.host(&format!("{}\n{directives}", apache_rules()));
    (site.start(), port)
}

on_each_mpm! {
    fn a_quiet_result_is_not_an_error_in_apache(mpm) {
        let (apache, port) = apache_with(mpm, "");
        each_must_have_its_level(&apache, port);
    }

    fn quiet_refusals_leave_the_lines_of_a_burst_to_others_in_apache(mpm) {
        let (mut apache, port) = apache_with(mpm, "RealPeerLogLimit 1r/m burst=2");
        knock_as_a_burst(port);
        apache.stop();
        must_have_left_the_burst_to_others(&apache);
    }

    fn health_checks_do_not_fill_the_error_log_of_apache(mpm) {
        let (apache, port) = apache_with(mpm, "LogLevel realpeer:error");
        three_hundred_checks_must_write_nothing(port, || apache.error_log());
    }

    /// It silences what matters, too: docs/apache.md says so.
    fn a_level_of_crit_silences_all_refusals_of_apache(mpm) {
        let (mut apache, port) = apache_with(mpm, "LogLevel realpeer:crit");
        for (source, result, _) in KNOCKS {
            knock(source, port, result);
        }
        apache.stop();
        assert_eq!(apache.refusals(), []);
        assert_eq!(apache.held_back(), []);
    }
}
