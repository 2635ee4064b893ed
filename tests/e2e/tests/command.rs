//! The command `realpeer` beside real servers: what HAProxy writes, and what nginx
//! makes of its rules.

use std::fs;
use std::io::Read;
use std::net::TcpListener;

use clap::Parser;
use realpeer_cli::{Cli, Verdict, run};
use realpeer_e2e::{Client, HaProxy, PAGE, Site, Which, on_each_nginx, v1};
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
