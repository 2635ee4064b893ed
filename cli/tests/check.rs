//! `realpeer check`: policies of sources.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use common::{Answer, answer, call, call_with, command};
use tempfile::TempDir;

#[test]
fn rules_from_the_command_line_and_from_a_file() {
    let rules = "require 192.0.2.0/24; direct all; refuse 192.0.2.66";
    call(&["check", "policy", "--rules", rules, "192.0.2.7", "::1"])
        .is(0)
        .says("192.0.2.7  require   must send a header")
        .says("::1        direct    is not asked")
        .says("require 192.0.2.0/24 (--rules:1)");
    call(&["check", "policy", "--rules", rules, "192.0.2.66"]).is(1).says("is refused");
    let file = b"# the balancers\nrealpeer require 192.0.2.0/24;\n\nrealpeer strip unix: # here\n";
    call_with(&["check", "policy", "-f", "-", "unix:", "192.0.2.1:4711"], file)
        .is(0)
        .says("strip unix: (-:4)")
        .says("192.0.2.1:4711  require");
    call_with(&["check", "policy", "-f", "-", "198.51.100.1"], file)
        .is(1)
        .says("no rule names it, so it is refused");
}

/// The rule that is named is the one that decides, with what is quiet there.
#[test]
fn says_what_is_quiet() {
    let rules = "require 10.0.0.0/24 2001:db8::/32 quiet=no_header,timeout; require 10.0.0.9";
    call(&["check", "policy", "--rules", rules, "10.0.0.7", "2001:db8::1"])
        .is(0)
        .says("require 10.0.0.0/24 quiet=no_header,timeout (--rules:1)")
        .says("require 2001:db8::/32 quiet=no_header,timeout (--rules:1)");
    call(&["check", "policy", "--rules", rules, "10.0.0.9"])
        .is(0)
        .says("require 10.0.0.9 (--rules:1)");
}

/// A directive that nginx has in stream alone.
#[test]
fn access_logs_of_refused_connections_are_those_of_stream() {
    Conf::new(
        "stream {
 server { listen 25; realpeer require all; realpeer_access_log on; }
}
",
    )
    .check(&["-l", ":25"])
    .is(0)
    .says("realpeer_access_log on");
    Conf::http("realpeer require all;\nrealpeer_access_log on;")
        .check(&[])
        .is(2)
        .complains("server.conf:3: \"realpeer_access_log\" stands in stream only");
    Conf::http("server { listen 80; realpeer require all;\nrealpeer_access_log on; }")
        .check(&[])
        .is(2)
        .complains("server.conf:3: \"realpeer_access_log\" stands in stream only");
    Conf::new("stream {\nserver { listen 25;\nrealpeer_access_log logs/x; } }")
        .check(&[])
        .is(2)
        .complains("server.conf:3: ")
        .complains("invalid \"logs/x\"; it must be on or off");
    Conf::new(
        "stream { realpeer require all;
         server { listen 25; server_name a; }
         server { listen 25; server_name b; realpeer_access_log on; } }",
    )
    .check(&[])
    .is(2)
    .complains("states another policy for 0.0.0.0:25");
}

/// As nginx and Apache compare rules.
#[test]
fn servers_that_are_quiet_about_other_results_differ() {
    let servers = |one: &str, two: &str| {
        let rule = |quiet: &str| format!("server {{ listen 80; realpeer require all {quiet}; }}");
        Conf::http(&format!("{}\n{}", rule(one), rule(two)))
    };
    servers("quiet=no_header,timeout", "quiet=timeout,no_header").check(&[]).is(0);
    let wanted = "states another policy for 0.0.0.0:80";
    servers("", "quiet=no_header").check(&[]).is(2).complains(wanted);
}

#[test]
fn says_what_is_wrong_with_rules() {
    let wrong = |rules: &str, says: &str| {
        call(&["check", "policy", "--rules", rules, "192.0.2.1"]).is(2).complains(says);
    };
    wrong("permit all", "unknown policy \"permit\"; it must be one of require, optional");
    wrong("require", "\"require\" names no source");
    wrong("require quiet=no_header", "\"require\" names no source");
    wrong("require all quiet=proxy", "invalid parameter \"quiet=proxy\": it must be \"quiet=\"");
    wrong("direct all quiet=timeout", "this policy never refuses a connection with one of these");
    wrong("require quiet=silent all", "invalid source \"quiet=silent\"");
    wrong("require 192.0.2.0/33", "invalid source \"192.0.2.0/33\"");
    wrong("require 192.0.2.1; direct 192.0.2.1", "is named twice, first in --rules:1");
    call(&["check", "policy", "--rules", "require 192.0.2.1/24", "192.0.2.9"])
        .is(0)
        .says("warning: --rules:1: bits behind the prefix");
    call(&["check", "policy", "--rules", "direct all", "localhost"])
        .is(2)
        .complains("names are not looked up");
    call(&["check", "policy", "192.0.2.1"]).is(2).complains("--rules");
}

/// A configuration in a folder of its own, where the command is called.
struct Conf(TempDir);

impl Conf {
    fn new(main: &str) -> Conf {
        let conf = Conf(tempfile::tempdir().unwrap());
        conf.file("server.conf", main)
    }

    fn file(self, name: &str, text: &str) -> Conf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// With so much in http.
    fn http(text: &str) -> Conf {
        Conf::new(&format!("http {{\n{text}\n}}\n"))
    }

    fn check(&self, args: &[&str]) -> Answer {
        let args = [&["check", "nginx", "-c", "server.conf"], args].concat();
        answer(command(&args).current_dir(self.0.path()).output().unwrap())
    }
}

fn nginx() -> Conf {
    Conf::new(
        "events {}\n\
         http {\n\
         \x20   realpeer require 10.0.1.0/24;\n\
         \x20   realpeer direct 127.0.0.1;\n\
         \x20   realpeer_timeout 10s;\n\
         \x20   include 'sites/*.conf';\n\
         }\n\
         stream {\n\
         \x20   server { listen 5353 udp; realpeer direct all; }\n\
         \x20   server { listen [::]:25; }\n\
         }\n",
    )
    .file("sites/a.conf", "server { listen 8080; listen unix:/run/x; server_name a.example; }\n")
    .file(
        "sites/b.conf",
        "server { listen 8081; server_name first.example; }\n\
         server {\n\
         \x20   listen 8081 default_server; server_name b.example;\n\
         \x20   realpeer refuse all;\n\
         \x20   realpeer optional 10.0.0.0/8;\n\
         }\n\
         server { listen 8082; realpeer off; }\n\
         server { server_name none.example; }\n",
    )
}

#[test]
fn each_listener_of_nginx() {
    let answer = nginx().check(&["10.0.1.7", "192.0.2.1", "unix:", "2001:db8::1"]);
    let wanted = "\
http 0.0.0.0:8080, server \"a.example\" (sites/a.conf:1)
  realpeer_timeout 10s
  10.0.1.7     require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:3)
  192.0.2.1    -         no rule names it, so it is refused
  unix:        -         cannot connect here
  2001:db8::1  -         cannot connect here
http unix:/run/x, server \"a.example\" (sites/a.conf:1)
  realpeer_timeout 10s
  10.0.1.7     -         cannot connect here
  192.0.2.1    -         cannot connect here
  unix:        -         no rule names it, so it is refused
  2001:db8::1  -         cannot connect here
http 0.0.0.0:8081, server \"b.example\" (sites/b.conf:2)
  realpeer_timeout 10s
  10.0.1.7     optional  may send a header, and its address is used; optional 10.0.0.0/8 (sites/b.conf:5)
  192.0.2.1    refuse    is refused; refuse all (sites/b.conf:4)
  unix:        -         cannot connect here
  2001:db8::1  -         cannot connect here
http 0.0.0.0:8082, server \"\" (sites/b.conf:7)
  no rules: no header is read, every connection keeps the address of its source
http 0.0.0.0:80, server \"none.example\" (sites/b.conf:8)
  no listen: the port is 80, but 8000 where nginx is not started by root
  realpeer_timeout 10s
  10.0.1.7     require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:3)
  192.0.2.1    -         no rule names it, so it is refused
  unix:        -         cannot connect here
  2001:db8::1  -         cannot connect here
stream 0.0.0.0:5353, server \"\" (server.conf:9)
  not covered: connections over UDP or QUIC keep the address of their peer
stream [::]:25, server \"\" (server.conf:10)
  no rules: no header is read, every connection keeps the address of its source
";
    assert_eq!(answer.is(1).out, wanted);
    nginx().check(&["-l", ":8080", "10.0.1.7"]).is(0);
    nginx().check(&["-l", ":8080"]).is(0).says("  direct 127.0.0.1 (server.conf:4)\n");
    nginx().check(&["-l", ":9"]).is(2).complains("no such listener");
}

#[test]
fn says_what_is_wrong_with_nginx_conf() {
    let wrong = |http: &str, says: &str| {
        Conf::http(http).check(&[]).is(2).complains(says);
    };
    wrong(
        "realpeer direct all; server { listen 80; server_name a; }\n\
         server { listen *:80; server_name b;\nrealpeer refuse all; }",
        "server.conf:4: server \"b\" states another policy for 0.0.0.0:80 than the default server \
         \"a\" (server.conf:2)",
    );
    wrong(
        "realpeer direct all; server { listen 80\nproxy_protocol; }",
        "server.conf:2: \"proxy_protocol\" and \"realpeer\" would both read",
    );
    wrong("realpeer direct all;\nrealpeer off;", "server.conf:3: \"realpeer off\" does not go");
    wrong("realpeer off all;", "server.conf:2: \"realpeer off\" takes no source");
    wrong(
        "realpeer_timeout 1s;\nrealpeer_timeout 2s;",
        "server.conf:3: \"realpeer_timeout\" is st",
    );
    wrong(
        "server { location / { realpeer direct all; } }",
        "server.conf:2: \"realpeer\" stands in",
    );
    for (what, says) in [
        (
            "realpeer_timeout abc",
            "\"realpeer_timeout\": invalid \"abc\"; it must be a time of more",
        ),
        ("realpeer_max_header 5", "invalid \"5\"; it must be from 16 to 65551 bytes"),
        ("realpeer_versions 1 1", "invalid \"1 1\"; it must be 1, 2 or both"),
        ("realpeer_log_limit 10", "must be \"off\" or from \"1r/m\" to \"1000r/s\""),
        ("realpeer_log_limit off burst=5", "must be \"burst=\" with 1 to 10000"),
        ("realpeer_log_limit 1r/s burst=5 x", "invalid \"1r/s burst=5 x\""),
        ("realpeer_no_address maybe", "invalid \"maybe\"; it must be accept or refuse"),
    ] {
        let text = format!("server {{\n{what}; }}");
        Conf::http(&text).check(&[]).is(2).complains("server.conf:3: ").complains(says);
    }
    wrong("server;", "server.conf:2: \"server\" has no block");
    wrong("realpeer direct all { }", "server.conf:2: \"realpeer\" takes no block");
    wrong("}\nhttp {", "server.conf:3: \"http\" is stated twice");
    wrong(
        "server { listen 80 default_server; } server {\nlisten *:080 default_server; }",
        "server.conf:3: 0.0.0.0:80 has a default server already, by server.conf:2",
    );
    wrong(
        "server { listen 80-90;\nlisten 85; }",
        "server.conf:3: this server listens on 0.0.0.0:85 already",
    );
    wrong("server { listen 0; }", "server.conf:2: \"listen 0\": invalid port");
    wrong("server { listen 80", "server.conf:2: \"listen\" does not end with a semicolon");
    wrong("include nowhere.conf;", "server.conf:2: cannot include nowhere.conf: No such file");
    Conf::new("events {}").check(&[]).is(2).complains("Name the main configuration");
}

/// The same statement twice is no contradiction.
#[test]
fn servers_that_agree() {
    Conf::new(
        "http {\n\
         server { listen 80; realpeer direct 192.0.2.1; realpeer require 10.0.0.0/8; }\n\
         server { listen 80; realpeer require 10.0.0.0/8; realpeer direct 192.0.2.1; }\n\
         server { listen 80; }\n\
         }",
    )
    .check(&["192.0.2.1"])
    .is(0);
}

/// nginx takes these for one listener, however they are written.
#[test]
fn one_listener_in_several_ways() {
    for (one, two, shared) in [
        ("127.0.0.1:8081-8083", "127.0.0.1:8082", "127.0.0.1:8082"),
        ("8081-8083", "*:8082-8090", "0.0.0.0:8082-8083"),
        ("127.0.0.1:08081", "127.0.0.1:8081", "127.0.0.1:8081"),
        ("127.0.0.001:8081", "127.0.0.1:8081", "127.0.0.1:8081"),
        ("127.0.0.1", "127.0.0.1:80", "127.0.0.1:80"),
        ("[::]:8081", "[0:0::0]:8081", "[::]:8081"),
    ] {
        let servers = |first: &str, second: &str| {
            Conf::http(&format!(
                "server {{ listen {one}; {first} }}\n\
                 server {{ listen {two}; server_name b; {second} }}"
            ))
        };
        servers("realpeer direct all;", "realpeer require all;")
            .check(&[])
            .is(2)
            .complains(&format!("server \"b\" states another policy for {shared} than"));
        let answer = servers("realpeer direct all;", "").check(&[]);
        answer.is(0).says(&format!("http {shared}, server \"\" (server.conf:2)\n  direct all"));
    }
    let ports = "server { listen 81-83; } server { listen 83-84; } server { listen 85; }";
    let answer = Conf::http(ports).check(&[]);
    let lines: Vec<_> = answer.is(0).out.lines().filter(|line| line.starts_with("http")).collect();
    let start = |line: &&str| line.split(',').next().unwrap().to_owned();
    assert_eq!(
        lines.iter().map(start).collect::<Vec<_>>(),
        ["http 0.0.0.0:81-82", "http 0.0.0.0:83", "http 0.0.0.0:84", "http 0.0.0.0:85"]
    );
    let answer = Conf::http("server { listen 1-65535; }").check(&["-l", ":7"]);
    answer.is(0).says("http 0.0.0.0:7, ").says("http 0.0.0.0:70-79, ");
}

#[test]
fn says_that_names_are_not_looked_up() {
    let conf = Conf::http(
        "server { listen localhost:81; realpeer direct all; } server { listen 127.0.0.1:81; }",
    );
    conf.check(&["-l", "localhost"]).is(0).says("\n  names are not looked up: ");
    let answer = conf.check(&["-l", "127"]);
    assert!(!answer.out.contains("looked up"), "{answer:?}");
}

/// Keys of maps and the like are no directives.
#[test]
fn what_only_looks_like_a_directive() {
    Conf::http(
        "map $host $x { realpeer 1; default 0; } geo $y { realpeer_timeout 0; }\n\
         types { realpeer rp; } split_clients $x $z { realpeer 5%; * 1; }\n\
         server { listen 80; charset_map a b { realpeer off; } }",
    )
    .check(&[])
    .is(0);
    for block in ["location / {", "location / { if ($x) {", "location / { limit_except GET {"] {
        let ends = "}".repeat(block.matches('{').count());
        let text = format!("server {{ {block} realpeer direct all; {ends} }}");
        Conf::http(&text).check(&[]).is(2).complains("\"realpeer\" stands in http, stream");
    }
    Conf::http("upstream x { realpeer direct all; }").check(&[]).is(2).complains("stands in");
    Conf::new("events { realpeer direct all; }").check(&[]).is(2).complains("stands in");
}

/// A file that nginx does not read has no say.
#[test]
fn includes_what_nginx_includes() {
    Conf::http("include sites/*; include [^s]*.inc;")
        .file("sites/a", "server { listen 81; realpeer direct all; }")
        .file("sites/.a.swp", "server { listen 81 default_server; realpeer refuse all; }")
        .file("sites/.#b", "}")
        .file("s.inc", "}")
        .file("t.inc", "server { listen 82; realpeer refuse all; }")
        .check(&["-l", ":81", "192.0.2.1"])
        .is(0)
        .says("direct all (sites/a:1)");
}

#[test]
fn warns_as_nginx_does() {
    Conf::http("realpeer_timeout 1s; server { listen 81; realpeer_max_header 4k; }")
        .check(&[])
        .is(0)
        .says("warning: server.conf:2: \"realpeer_timeout\" is less than 3s")
        .says("warning: server.conf:2: this has no effect without \"realpeer\" itself");
    let answer =
        Conf::http("realpeer_timeout 4s; server { listen 81; realpeer direct all; }").check(&[]);
    assert!(!answer.is(0).out.contains("warning"), "{answer:?}");
}

/// What means the same may be written in several ways.
#[test]
fn equal_settings_are_no_contradiction() {
    Conf::new(
        "http {\n\
         realpeer direct all;\n\
         server { listen 80; realpeer_timeout 1m30s; realpeer_versions 2 1; }\n\
         server { listen 80; realpeer_timeout 90; realpeer_max_header 4k; }\n\
         }",
    )
    .check(&["192.0.2.1"])
    .is(0);
}

/// Whatever a file is, there is an answer.
#[test]
fn no_configuration_makes_it_panic() {
    let words = [
        "http",
        "server",
        "stream",
        "{",
        "}",
        ";",
        "\n",
        "listen",
        "80",
        "[::",
        ":",
        "]:",
        "unix:",
        "realpeer",
        "off",
        "all",
        "require",
        "10.0.0.0/8",
        "'",
        "\"",
        "\\",
        "#",
        "${",
        "x}",
        "include",
        "-81",
        "map",
        "*.x",
        "[",
        "é",
        "realpeer_timeout",
        "99999999999999999999m",
        "content_by_lua_block",
        "proxy_protocol",
        "set_real_ip_from",
        "ipv6only=off",
        "mail",
        "{{",
        "\n# configuration file /x:\n",
        "--",
        "\\\n",
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.conf");
    let path = file.to_str().unwrap();
    let mut state = 3_u32;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..state >> 8 & 31 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(words[(state >> 8) as usize % words.len()]);
            text.push_str(if state >> 20 & 3 == 0 { "" } else { " " });
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        fs::write(&file, &text).unwrap();
        let _ = common::run(&["check", "nginx", "-c", path, "10.0.0.1", "unix:"]);
        let _ = common::run(&["check", "policy", "-f", path, "10.0.0.1"]);
    }
}

/// What nginx does with `listen ... proxy_protocol` is what it does with every source.
#[test]
fn says_what_nginx_does_by_itself() {
    let conf = Conf::new(
        "http {\n\
         set_real_ip_from 10.0.1.0/24; set_real_ip_from lb.example;\n\
         real_ip_header proxy_protocol;\n\
         server { listen 81 proxy_protocol; listen 82; }\n\
         server { listen 82 proxy_protocol; }\n\
         server { listen 83 proxy_protocol; real_ip_header X-Real-IP; }\n\
         server { listen 84; location / { set_real_ip_from 10.0.0.0/8; } }\n\
         server { listen 85 proxy_protocol; realpeer off; set_real_ip_from unix:; }\n\
         }\n\
         stream { server { listen 86 proxy_protocol; set_real_ip_from 0.0.0.0/0; } }\n\
         mail { server { listen 87 proxy_protocol; } }\n",
    );
    let wanted = "\
http 0.0.0.0:81, server \"\" (server.conf:4)
  no rules of realpeer: nginx itself reads the header, by proxy_protocol in server.conf:4
  every source must send a header, and a connection without one is closed; the address in it is \
believed from every source, as $proxy_protocol_addr
  to decide by source: \"realpeer require BALANCERS;\" instead of proxy_protocol in \
listen; see docs/migrating.md
  10.0.1.7     native    must send a header, which is believed; $remote_addr is taken from it; \
set_real_ip_from 10.0.1.0/24 (server.conf:2)
  192.0.2.1    native    must send a header, which is believed; $remote_addr depends on the address \
of lb.example, and names are not looked up; set_real_ip_from lb.example (server.conf:2)
  2001:db8::1  -         cannot connect here
";
    let sources = ["10.0.1.7", "192.0.2.1", "2001:db8::1"];
    let check = |port| conf.check(&[&["-l", port][..], &sources].concat());
    assert_eq!(check(":81").is(3).out, wanted);
    // One server is enough, whichever it is.
    check(":82").is(3).says("server \"\" (server.conf:4)").says("proxy_protocol in server.conf:5");
    let other =
        "$remote_addr stays that of the source: no set_real_ip_from takes it from the header";
    check(":83")
        .is(3)
        .says("  per request, real_ip_header X-Real-IP replaces the address if that is of 10.0.1.0/24")
        .says(other)
        .says("\"realpeer require BALANCERS;\"")
        .says("  10.0.1.7     native    must send a header, which is believed; $remote_addr stays its");
    check(":84")
        .is(0)
        .says("per request, set_real_ip_from and real_ip_header may differ: see server.conf:7")
        .says("  no rules: no header is read, every connection keeps the address of its source");
    check(":85")
        .is(3)
        .says("  10.0.1.7     native    must send a header, which is believed; $remote");
    check(":86").is(3).says("$remote_addr is taken from it; set_real_ip_from 0.0.0.0/0 (server.c");
    check(":87")
        .is(3)
        .says("believed from every source, as Proxy-Protocol-Addr")
        .says("the client's address stays");
    let known = Conf::http(
        "set_real_ip_from 10.0.1.0/24; set_real_ip_from 2001:db8::7; real_ip_header proxy_protocol;\
         server { listen 81 proxy_protocol; }",
    );
    known.check(&[]).is(3).says("\"realpeer require 10.0.1.0/24 2001:db8::7;\" instead of");
    check(":86").says("\"realpeer require BALANCERS;\"");
    conf.check(&["-l", ":86"])
        .is(3)
        .says("$remote_addr is taken from headers of 0.0.0.0/0: set_real_ip_from (server.conf:10)");
    // A source that is refused elsewhere comes first.
    Conf::http("server { listen 81 proxy_protocol; } server { listen 82; realpeer refuse all; }")
        .check(&["192.0.2.1"])
        .is(1);
}

#[test]
fn says_what_nginx_does_not_start_with() {
    let wrong = |main: &str, says: &str| {
        Conf::new(main).check(&[]).is(2).complains(says);
    };
    Conf::http("server { listen 81; realpeer direct all; }\nserver { listen 81 proxy_protocol; }")
        .check(&[])
        .is(2)
        .complains("server.conf:3: \"proxy_protocol\" and \"realpeer\" would both read the header")
        .complains("nginx does not start with this configuration");
    wrong("stream { server { } }", "server.conf:1: this server has no \"listen\"");
    wrong("mail {\nserver { } }", "server.conf:2: this server has no \"listen\"");
    wrong(
        "mail { server { listen 25; }\nserver { listen *:25; } }",
        "server.conf:2: 0.0.0.0:25 belongs to another server of mail, server.conf:1",
    );
    wrong(
        "stream { server {\nlisten 81 udp proxy_protocol; } }",
        "server.conf:2: \"proxy_protocol\" does not go together with \"udp\"",
    );
    wrong(
        "http { server {\nlisten 81 quic proxy_protocol; } }",
        "server.conf:2: \"proxy_protocol\" does not go together with \"quic\"",
    );
    wrong("http { server { listen 81 udp; } }", "\"listen\" of http does not know \"udp\"");
    wrong("mail { server { listen 81 udp; } }", "\"listen\" of mail does not know \"udp\"");
    wrong("http { server { listen ${PORT}; } }", "nginx knows no variables here");
    wrong("server { listen 81; }", "name the main configuration, which includes this file");
    wrong("http {\n{{ if .X }} server; {{ end }}\n}", "server.conf:2: this is a template");
    Conf::http("server { listen 81; }")
        .check(&["-l", ":9"])
        .is(2)
        .complains("\":9\" is in no address");
}

/// `ipv6only` is on, if nothing is said.
#[test]
fn says_which_family_can_connect() {
    let cannot = "-         cannot connect here";
    for (listen, ipv4, ipv6) in [
        ("81", true, false),
        ("[::]:81", false, true),
        ("[::]:81 ipv6only=on", false, true),
        ("[::]:81 ipv6only=off", true, true),
        ("[2001:db8::1]:81 ipv6only=off", false, true),
        ("[::ffff:192.0.2.1]:81 ipv6only=off", true, false),
        ("[::1]:81", false, true),
    ] {
        let conf = Conf::http(&format!("server {{ listen {listen}; realpeer direct all; }}"));
        for (source, can) in
            [("192.0.2.7", ipv4), ("::ffff:192.0.2.7", ipv4), ("2001:db8::7", ipv6)]
        {
            let answer = conf.check(&[source]);
            assert_eq!(!answer.is(0).out.contains(cannot), can, "{listen} {source}: {answer:?}");
        }
    }
    // What one server says holds for all.
    Conf::http(
        "realpeer direct all; server { listen [::]:81; } server { listen [::]:81 ipv6only=off; }",
    )
    .check(&["192.0.2.7"])
    .says("192.0.2.7  direct");
}
