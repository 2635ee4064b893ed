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

#[test]
fn says_what_is_wrong_with_rules() {
    let wrong = |rules: &str, says: &str| {
        call(&["check", "policy", "--rules", rules, "192.0.2.1"]).is(2).complains(says);
    };
    wrong("permit all", "unknown policy \"permit\"; it must be one of require, optional");
    wrong("require", "\"require\" names no source");
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

    fn check(&self, server: &str, args: &[&str]) -> Answer {
        let args = [&["check", server, "-c", "server.conf"], args].concat();
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
    let answer = nginx().check("nginx", &["10.0.1.7", "192.0.2.1", "unix:", "2001:db8::1"]);
    let wanted = "\
http 0.0.0.0:8080, server \"a.example\" (sites/a.conf:1)
  realpeer_timeout 10s
  10.0.1.7   require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:3)
  192.0.2.1  -         no rule names it, so it is refused
http unix:/run/x, server \"a.example\" (sites/a.conf:1)
  realpeer_timeout 10s
  unix:  -         no rule names it, so it is refused
http 0.0.0.0:8081, server \"b.example\" (sites/b.conf:2)
  realpeer_timeout 10s
  10.0.1.7   optional  may send a header, and its address is used; optional 10.0.0.0/8 (sites/b.conf:5)
  192.0.2.1  refuse    is refused; refuse all (sites/b.conf:4)
http 0.0.0.0:8082, server \"\" (sites/b.conf:7)
  no rules: every source is served with its own address
http 0.0.0.0:80, server \"none.example\" (sites/b.conf:8)
  realpeer_timeout 10s
  10.0.1.7   require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:3)
  192.0.2.1  -         no rule names it, so it is refused
stream 0.0.0.0:5353, server \"\" (server.conf:9)
  not covered: connections over UDP or QUIC keep the address of their peer
stream [::]:25, server \"\" (server.conf:10)
  no rules: every source is served with its own address
";
    assert_eq!(answer.is(1).out, wanted);
    nginx().check("nginx", &["-l", ":8080", "10.0.1.7"]).is(0);
    nginx().check("nginx", &["-l", ":8080"]).is(0).says("  direct 127.0.0.1 (server.conf:4)\n");
    nginx().check("nginx", &["-l", ":9"]).is(2).complains("no such listener");
}

#[test]
fn says_what_is_wrong_with_nginx_conf() {
    let wrong = |http: &str, says: &str| {
        Conf::new(&format!("http {{\n{http}\n}}\n")).check("nginx", &[]).is(2).complains(says);
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
    wrong("server { listen 80", "server.conf:2: \"listen\" does not end with a semicolon");
    wrong("include nowhere.conf;", "server.conf:2: cannot include nowhere.conf: No such file");
    Conf::new("events {}").check("nginx", &[]).is(2).complains("Name the main configuration");
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
    .check("nginx", &["192.0.2.1"])
    .is(0);
}

fn apache() -> Conf {
    Conf::new(
        "LoadModule realpeer_module modules/mod_realpeer.so\n\
         RealPeer require 10.0.1.0/24\n\
         RealPeer direct \\\n\
         \x20   127.0.0.1\n\
         RealPeerTimeout 10s\n\
         Define PORT 8081\n\
         Listen 8080\n\
         Listen ${PORT}\n\
         Listen 127.0.0.1:8082\n\
         <IfModule ssl_module>\n\
         \x20   Listen 443\n\
         </IfModule>\n\
         <IfModule !mod_ssl.c>\n\
         \x20   Listen 8083\n\
         </IfModule>\n\
         IncludeOptional sites/*.conf\n\
         IncludeOptional nowhere.conf\n",
    )
    .file(
        "sites/a.conf",
        "<VirtualHost *:8080>\n\
         \x20   ServerName \"a.example\"\n\
         \x20   <Directory /srv>\n\
         \x20       Require all granted\n\
         \x20   </Directory>\n\
         </VirtualHost>\n\
         <virtualhost *:${PORT} 192.0.2.80:${PORT}>\n\
         \x20   realpeer refuse all\n\
         \x20   RealPeer optional 10.0.0.0/8\n\
         </virtualhost>\n\
         <VirtualHost _default_:8083>\n\
         \x20   RealPeer off\n\
         </VirtualHost>\n",
    )
}

#[test]
fn each_address_of_apache() {
    let answer = apache().check("apache", &["10.0.1.7", "192.0.2.1"]);
    let wanted = "\
apache *:8080, virtual host \"a.example\" (sites/a.conf:1)
  RealPeerTimeout 10s
  10.0.1.7   require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:2)
  192.0.2.1  -         no rule names it, so it is refused
apache *:8081, virtual host \"\" (sites/a.conf:7)
  RealPeerTimeout 10s
  10.0.1.7   optional  may send a header, and its address is used; optional 10.0.0.0/8 (sites/a.conf:9)
  192.0.2.1  refuse    is refused; refuse all (sites/a.conf:8)
apache 192.0.2.80:8081, virtual host \"\" (sites/a.conf:7)
  RealPeerTimeout 10s
  10.0.1.7   optional  may send a header, and its address is used; optional 10.0.0.0/8 (sites/a.conf:9)
  192.0.2.1  refuse    is refused; refuse all (sites/a.conf:8)
apache *:8083, virtual host \"\" (sites/a.conf:11)
  no rules: every source is served with its own address
apache 127.0.0.1:8082, virtual host \"main server\" (server.conf:1)
  RealPeerTimeout 10s
  10.0.1.7   require   must send a header, and its address is used; require 10.0.1.0/24 (server.conf:2)
  192.0.2.1  -         no rule names it, so it is refused
";
    assert_eq!(answer.is(1).out, wanted);
    apache().check("apache", &["-l", "8080", "127.0.0.1"]).is(0).says("(server.conf:3)");
}

#[test]
fn says_what_is_wrong_with_apache() {
    let wrong = |text: &str, says: &str| {
        Conf::new(text).check("apache", &[]).is(2).complains(says);
    };
    wrong(
        "Listen 80\nRealPeer direct all\n<VirtualHost *:80>\nServerName a\n</VirtualHost>\n\
         <VirtualHost *>\nServerName b\nRealPeer refuse all\n</VirtualHost>\n",
        "server.conf:8: virtual host \"b\" states another policy for *:80 than the default virtual \
         host \"a\" (server.conf:3)",
    );
    wrong(
        "Listen 80\nRealPeer direct all\nRemoteIPProxyProtocol On\n",
        "server.conf:3: \"RemoteIPProxyProtocol\" and \"RealPeer\" would both read",
    );
    wrong(
        "Listen 80\n<Directory />\nRealPeer direct all\n</Directory>",
        "server.conf:3: \"RealPeer\" st",
    );
    wrong("Listen 80\n<VirtualHost *:80>\n", "server.conf:2: <VirtualHost> is never closed");
    wrong("Listen 80\n</VirtualHost>\n", "server.conf:2: </VirtualHost> closes a section");
    wrong("<IfModule a>\nListen 80\n", "server.conf: a condition is opened and not closed");
    wrong("</IfModule>\n", "server.conf:1: </IfModule> closes a condition");
    wrong("ServerName 'a\n", "server.conf:1: the quote ' is never closed");
    wrong("<VirtualHost *:80\n", "does not end with \">\"");
    wrong("Include nowhere.conf\n", "server.conf:1: cannot include nowhere.conf: No such file");
    wrong("Include server.conf\n", "files include each other in a circle");
    wrong("ServerName a\n", "has no such listener");
    wrong("Listen 80\nRealPeer permit all\n", "unknown policy \"permit\"");
}

/// What means the same may be written in several ways.
#[test]
fn equal_settings_are_no_contradiction() {
    Conf::new(
        "http {\n\
         realpeer direct all;\n\
         server { listen 80; realpeer_timeout 5000ms; realpeer_versions 2 1; }\n\
         server { listen 80; realpeer_timeout 5; realpeer_max_header 4k; }\n\
         }",
    )
    .check("nginx", &["192.0.2.1"])
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
        "<",
        ">",
        "<VirtualHost",
        "</VirtualHost>",
        "*:80>",
        "<IfModule",
        "!a>",
        "</IfModule>",
        "Listen",
        "RealPeer",
        "Define",
        "include",
        "*.x",
        "[",
        "é",
        "realpeer_timeout",
        "99999999999999999999m",
        "content_by_lua_block",
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
        for server in ["nginx", "apache"] {
            let _ = common::run(&["check", server, "-c", path, "10.0.0.1", "unix:"]);
        }
        let _ = common::run(&["check", "policy", "-f", path, "10.0.0.1"]);
    }
}
