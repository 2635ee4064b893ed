//! What `nginx -t` says, word for word.

use realpeer_e2e::{Site, Subsystem, Which, on_each_nginx};

/// A configuration, and all that nginx must say of it.
struct Case {
    /// Goes into its block, from line 2 of nginx.conf on. PORT and OTHER are
    /// free ports, SERVE is what a server of this block needs.
    block: String,
    passes: bool,
    messages: Vec<String>,
}

fn fails(block: &str, message: &str) -> Case {
    Case { block: block.into(), passes: false, messages: vec![format!("[emerg] {message}")] }
}

fn passes(block: &str) -> Case {
    Case { block: block.into(), passes: true, messages: Vec::new() }
}

fn warns(block: &str, message: &str) -> Case {
    Case { block: block.into(), passes: true, messages: vec![format!("[warn] {message}")] }
}

fn must_say_in(which: Which, subsystem: Subsystem, cases: &[Case]) {
    let mut wrong = Vec::new();
    let serve = match subsystem {
        Subsystem::Http => "",
        Subsystem::Stream => "return x;",
        Subsystem::Mail => "protocol pop3; auth_http 127.0.0.1:OTHER/;",
    };
    for case in cases {
        let mut site = Site::new(which);
        let (port, other) = (site.port().to_string(), site.port().to_string());
        let fill_in = |text: &str| {
            text.replace("SERVE", serve).replace("PORT", &port).replace("OTHER", &other)
        };
        site.file("rules.conf", "\nrealpeer require 192.0.2.1\n    nobody;\n");
        site.block(subsystem, fill_in(&case.block));
        let check = site.check();
        let wanted: Vec<_> = case.messages.iter().map(|line| fill_in(line)).collect();
        if check.passed != case.passes || check.messages != wanted {
            let name = subsystem.name();
            wrong.push(format!("{name}: {}\ngives {check:#?}\ninstead of {wanted:#?}", case.block));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn must_say(which: Which, cases: &[Case]) {
    must_say_in(which, Subsystem::Http, cases);
}

/// What is the same in every block.
fn must_say_everywhere(which: Which, cases: &[Case]) {
    for subsystem in Subsystem::ALL {
        must_say_in(which, subsystem, cases);
    }
}

/// One directive in the block, and a server that makes use of it.
fn used(directives: &str) -> String {
    format!("{directives}\nserver {{ listen 127.0.0.1:PORT; SERVE }}")
}

fn policies_and_sources() -> Vec<Case> {
    let mut cases = vec![
        passes(&used(
            "realpeer require 192.0.2.1 2001:db8::/32 unix:; realpeer optional 198.51.100.0/24;
             realpeer strip 203.0.113.7; realpeer direct 127.0.0.0/8; realpeer refuse all;",
        )),
        fails(
            "realpeer;",
            r#"invalid number of arguments in "realpeer" directive in nginx.conf:2"#,
        ),
        fails(
            "realpeer trust 192.0.2.1;",
            r#"unknown policy "trust" in "realpeer", it must be "require", "optional", "strip", "direct", "refuse" or "off" in nginx.conf:2"#,
        ),
        fails(
            "\nrealpeer require;",
            r#""realpeer require" names no source, add addresses, CIDR blocks, "unix:" or "all" in nginx.conf:3"#,
        ),
        fails(
            "include rules.conf;",
            r#"invalid source "nobody" in "realpeer": not an IPv4 or IPv6 address, a CIDR block, "unix:" or "all" in rules.conf:3"#,
        ),
    ];
    for source in
        ["192.0.2.256", "010.0.0.1", "balancer.example", "192.0.2.1:80", "unix:/run/a", "require"]
    {
        cases.push(fails(
            &format!("realpeer require {source};"),
            &format!(
                r#"invalid source "{source}" in "realpeer": not an IPv4 or IPv6 address, a CIDR block, "unix:" or "all" in nginx.conf:2"#
            ),
        ));
    }
    for source in ["192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/024"]
    {
        cases.push(fails(
            &format!("realpeer require {source};"),
            &format!(
                r#"invalid source "{source}" in "realpeer": the prefix length must be 0 to 32 for IPv4, 0 to 128 for IPv6 in nginx.conf:2"#
            ),
        ));
    }
    for source in ["192.0.2.1/24", "2001:db8::1/32"] {
        cases.push(warns(
            &used(&format!("realpeer require {source};")),
            &format!(
                r#"bits behind the prefix of source "{source}" in "realpeer" are set, they are ignored in nginx.conf:2"#
            ),
        ));
    }
    for parameter in ["no_header", "no_header,timeout", "silent", "no_address,bad_v1"] {
        cases.push(passes(&used(&format!("realpeer require 192.0.2.1 unix: quiet={parameter};"))));
    }
    cases.push(passes(&used("realpeer refuse all quiet=untrusted;")));
    for parameter in ["quiet=", "quiet=proxy", "quiet=no_header,", "quiet=timeout,timeout"] {
        cases.push(fails(
            &format!("realpeer require 192.0.2.1 {parameter};"),
            &format!(
                r#"invalid parameter "{parameter}" in "realpeer": it must be "quiet=" with results that refuse, each once, such as "no_header,timeout" in nginx.conf:2"#
            ),
        ));
    }
    for rule in [
        "require 192.0.2.1 quiet=untrusted",
        "direct 192.0.2.1 quiet=no_header",
        "optional 192.0.2.1 quiet=silent",
        "refuse 192.0.2.1 quiet=timeout",
    ] {
        let parameter = rule.split(' ').next_back().expect("a parameter");
        cases.push(fails(
            &format!("realpeer {rule};"),
            &format!(
                r#"invalid parameter "{parameter}" in "realpeer": this policy never refuses a connection with one of these results in nginx.conf:2"#
            ),
        ));
    }
    cases.push(fails(
        "realpeer require quiet=no_header;",
        r#""realpeer require" names no source, add addresses, CIDR blocks, "unix:" or "all" in nginx.conf:2"#,
    ));
    cases.push(fails(
        "realpeer require quiet=no_header 192.0.2.1;",
        r#"invalid source "quiet=no_header" in "realpeer": not an IPv4 or IPv6 address, a CIDR block, "unix:" or "all" in nginx.conf:2"#,
    ));
    cases.push(fails(
        "realpeer off quiet=no_header;",
        r#""realpeer off" takes no source in nginx.conf:2"#,
    ));
    cases
}

fn duplicates() -> Vec<Case> {
    let twice = |rules: &str, second: &str, first: &str| {
        fails(
            &used(rules),
            &format!(
                r#"source "{second}" in "realpeer" is the same as "{first}" in nginx.conf:2, remove one of them in nginx.conf:3"#
            ),
        )
    };
    vec![
        fails(
            &used("realpeer require 192.0.2.1 198.51.100.1 192.0.2.1;"),
            r#"source "192.0.2.1" in "realpeer" is the same as "192.0.2.1" in nginx.conf:2, remove one of them in nginx.conf:2"#,
        ),
        twice("realpeer require 192.0.2.1;\nrealpeer require 192.0.2.1;", "192.0.2.1", "192.0.2.1"),
        twice("realpeer require 192.0.2.1;\nrealpeer refuse 192.0.2.1;", "192.0.2.1", "192.0.2.1"),
        twice(
            "realpeer require 192.0.2.1/32;\nrealpeer refuse 192.0.2.1;",
            "192.0.2.1",
            "192.0.2.1/32",
        ),
        twice(
            "realpeer require 2001:db8::;\nrealpeer refuse 2001:0db8:0::0/128;",
            "2001:0db8:0::0/128",
            "2001:db8::",
        ),
        twice(
            "realpeer require 192.0.2.1;\nrealpeer refuse ::ffff:192.0.2.1;",
            "::ffff:192.0.2.1",
            "192.0.2.1",
        ),
        twice("realpeer require all;\nrealpeer refuse all;", "all", "all"),
        twice("realpeer require unix:;\nrealpeer refuse unix:;", "unix:", "unix:"),
        fails(
            "server { listen 127.0.0.1:PORT; SERVE\nrealpeer require all;\nrealpeer direct all; }",
            r#"source "all" in "realpeer" is the same as "all" in nginx.conf:3, remove one of them in nginx.conf:4"#,
        ),
        passes(&used(
            "realpeer require 192.0.2.0/24; realpeer refuse 192.0.2.0/25 192.0.2.0 all;
             realpeer optional 0.0.0.0/0 ::/0;",
        )),
        passes(
            "realpeer require all;\nserver { listen 127.0.0.1:PORT; SERVE realpeer refuse all; }",
        ),
    ]
}

fn off() -> Vec<Case> {
    let contradicts = "at the same level, remove one of them in nginx.conf:3";
    vec![
        passes(
            "realpeer require all;
             server { listen 127.0.0.1:PORT; SERVE realpeer off; }
             server { listen 127.0.0.1:OTHER; SERVE }",
        ),
        passes("server { listen 127.0.0.1:PORT; SERVE realpeer off; }"),
        fails("realpeer off all;", r#""realpeer off" takes no source in nginx.conf:2"#),
        fails(
            "realpeer off;\nrealpeer off;",
            r#""realpeer" directive is duplicate in nginx.conf:3"#,
        ),
        fails(
            "realpeer require all;\nrealpeer off;",
            &format!(r#""realpeer off" contradicts other "realpeer" directives {contradicts}"#),
        ),
        fails(
            "realpeer off;\nrealpeer require all;",
            &format!(r#""realpeer require" contradicts "realpeer off" {contradicts}"#),
        ),
    ]
}

fn settings() -> Vec<Case> {
    let mut cases = vec![
        passes(
            "realpeer require all; realpeer_timeout 5s; realpeer_max_header 65551;
             realpeer_versions 1 2; realpeer_no_address refuse; realpeer_log_limit off;
             server { listen 127.0.0.1:PORT; SERVE realpeer_timeout 3s; realpeer_max_header 16;
                      realpeer_versions 2; realpeer_no_address accept;
                      realpeer_log_limit 6r/m burst=10000; }
             server { listen 127.0.0.1:OTHER; SERVE realpeer_max_header 4k; realpeer_versions 2 1; }",
        ),
        warns(
            &used("realpeer require all;\nrealpeer_timeout 2999ms;"),
            r#""realpeer_timeout" is less than 3s, which a TCP retransmission of the header may take in nginx.conf:3"#,
        ),
        warns(
            "server { listen 127.0.0.1:PORT; SERVE\nrealpeer_timeout 9s; realpeer_versions 2; }",
            r#"realpeer directives have no effect without "realpeer" itself, which says who may send the header in nginx.conf:3"#,
        ),
        fails(
            "realpeer_no_address maybe;",
            r#"invalid value "maybe" in "realpeer_no_address", it must be "accept" or "refuse" in nginx.conf:2"#,
        ),
        fails(
            "realpeer_versions 2 3;",
            r#"invalid version "3" in "realpeer_versions", it must be "1", "2" or both in nginx.conf:2"#,
        ),
        fails(
            "realpeer_versions 1 1;",
            r#"duplicate version "1" in "realpeer_versions" in nginx.conf:2"#,
        ),
    ];
    for rate in ["10", "0r/s", "1001r/s", "60001r/m", "10r/h", "on", "burst=5"] {
        cases.push(fails(
            &format!("realpeer_log_limit {rate};"),
            &format!(
                r#"invalid rate "{rate}" in "realpeer_log_limit", it must be "off" or from "1r/m" to "1000r/s" in nginx.conf:2"#
            ),
        ));
    }
    for words in ["1r/s burst=0", "1r/s 5", "1r/s burst=10001", "off burst=5"] {
        let burst = words.split(' ').next_back().expect("a word");
        cases.push(fails(
            &format!("realpeer_log_limit {words};"),
            &format!(
                r#"invalid burst "{burst}" in "realpeer_log_limit", it must be "burst=" with 1 to 10000, and not behind "off" in nginx.conf:2"#
            ),
        ));
    }
    for time in ["soon", "0", "-1s", "5 s"] {
        cases.push(fails(
            &format!("realpeer_timeout \"{time}\";"),
            &format!(
                r#"invalid time "{time}" in "realpeer_timeout", it must be more than 0, such as "5s" or "500ms" in nginx.conf:2"#
            ),
        ));
    }
    for size in ["15", "65552", "-1", "many", "65k"] {
        cases.push(fails(
            &format!("realpeer_max_header {size};"),
            &format!(
                r#"invalid size "{size}" in "realpeer_max_header", it must be from 16 to 65551 bytes in nginx.conf:2"#
            ),
        ));
    }
    for (name, value) in [
        ("timeout", "5s"),
        ("max_header", "16"),
        ("versions", "1"),
        ("no_address", "accept"),
        ("log_limit", "1r/s"),
    ] {
        let directive = format!("realpeer_{name} {value};");
        cases.push(fails(
            &format!("{directive}\n{directive}"),
            &format!(r#""realpeer_{name}" directive is duplicate in nginx.conf:3"#),
        ));
        cases.push(fails(
            &format!("realpeer_{name};"),
            &format!(
                r#"invalid number of arguments in "realpeer_{name}" directive in nginx.conf:2"#
            ),
        ));
    }
    cases
}

fn access_logs_of_stream() -> Vec<Case> {
    let value = |value: &str| {
        fails(
            &format!("realpeer_access_log {value};"),
            &format!(
                r#"invalid value "{value}" in "realpeer_access_log", it must be "on" or "off", the file is that of "access_log" in nginx.conf:2"#
            ),
        )
    };
    vec![
        passes(&used("realpeer require all; realpeer_access_log on;")),
        passes(&used("realpeer require all; realpeer_access_log off;")),
        value("logs/refused.log"),
        value("On"),
        value("1"),
        fails(
            "realpeer_access_log;",
            r#"invalid number of arguments in "realpeer_access_log" directive in nginx.conf:2"#,
        ),
        fails(
            "realpeer_access_log on if=$a;",
            r#"invalid number of arguments in "realpeer_access_log" directive in nginx.conf:2"#,
        ),
        fails(
            "realpeer_access_log on;\nrealpeer_access_log on;",
            r#""realpeer_access_log" directive is duplicate in nginx.conf:3"#,
        ),
        warns(
            "server { listen 127.0.0.1:PORT; SERVE realpeer_access_log on; }",
            "realpeer directives have no effect without \"realpeer\" itself, which says who may \
             send the header in nginx.conf:2",
        ),
    ]
}

fn no_access_log() -> Vec<Case> {
    vec![fails(
        "realpeer_access_log on;",
        r#"unknown directive "realpeer_access_log" in nginx.conf:2"#,
    )]
}

/// Servers of stream can share a listener where nginx knows names there.
fn servers_of_stream_that_share_a_listener() -> Vec<Case> {
    vec![
        fails(
            "server { listen 127.0.0.1:PORT; server_name a; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT; server_name b; SERVE
                      realpeer require all; realpeer_access_log on; }",
            r#"server "b" states another realpeer policy for 127.0.0.1:PORT than the default server "a" in nginx.conf:2, which rules there: state the same, or nothing in nginx.conf:4"#,
        ),
        passes(
            "realpeer_access_log on;
             server { listen 127.0.0.1:PORT; server_name a; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT; server_name b; SERVE
                      realpeer require all; realpeer_access_log on; }",
        ),
    ]
}

fn servers_that_share_a_listener() -> Vec<Case> {
    // Two servers on one address; the first one is the default.
    let two = |first: &str, second: &str| {
        format!(
            "server {{ listen 127.0.0.1:PORT; server_name a; SERVE {first} }}
             server {{ listen 127.0.0.1:PORT; server_name b; SERVE\n{second} }}"
        )
    };
    let another = r#"server "b" states another realpeer policy for 127.0.0.1:PORT than the default server "a" in nginx.conf:2, which rules there: state the same, or nothing in nginx.conf:4"#;
    let none = r#"server "b" states a realpeer policy for 127.0.0.1:PORT, where the default server "a" in nginx.conf:2 rules and has none: move it there in nginx.conf:4"#;
    let require = "realpeer require all;";
    vec![
        passes(&two(require, "")),
        passes(&two(require, require)),
        passes(&two("", "realpeer off;")),
        passes(&two(
            "realpeer require 192.0.2.1; realpeer direct all;",
            "realpeer direct all; realpeer require 192.0.2.1;",
        )),
        fails(&two(require, "realpeer optional all;"), another),
        fails(&two(require, "realpeer require 192.0.2.1;"), another),
        fails(&two(require, "realpeer require all; realpeer_timeout 9s;"), another),
        fails(&two(require, "realpeer require all; realpeer_log_limit off;"), another),
        passes(&two(require, "realpeer require all; realpeer_log_limit 10r/s burst=100;")),
        fails(&two(require, "realpeer require all quiet=no_header;"), another),
        passes(&two(
            "realpeer require 192.0.2.1 quiet=timeout,no_header; realpeer direct all;",
            "realpeer direct all; realpeer require 192.0.2.1 quiet=no_header,timeout;",
        )),
        fails(&two(require, "realpeer off;"), another),
        fails(&two("", require), none),
        fails(&two("realpeer off;", require), none),
        fails(
            "server { listen 127.0.0.1:PORT; server_name a; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT default_server; server_name b; SERVE }",
            r#"server "a" states a realpeer policy for 127.0.0.1:PORT, where the default server "b" in nginx.conf:3 rules and has none: move it there in nginx.conf:2"#,
        ),
        passes(&format!("realpeer optional all; {}", two("", ""))),
        fails(&format!("realpeer optional all; {}", two("", require)), another),
        passes(
            "server { listen PORT; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT; SERVE realpeer optional all; }",
        ),
        passes(
            "server { listen 127.0.0.1:PORT; server_name a; SERVE realpeer require all; }
             server { listen 127.0.0.1:OTHER; server_name a; SERVE realpeer optional all; }",
        ),
    ]
}

const BOTH: &str = r#""realpeer" and the "proxy_protocol" parameter of "listen 127.0.0.1:PORT" would both read the header, remove one of them"#;

/// The parameter counts for all servers of an address, whoever states it.
fn native_proxy_protocol_of_another_server() -> Vec<Case> {
    vec![fails(
        "server { listen 127.0.0.1:PORT; server_name a; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT proxy_protocol; server_name b; SERVE }",
        &format!("{BOTH} in nginx.conf:2"),
    )]
}

fn native_proxy_protocol() -> Vec<Case> {
    vec![
        fails(
            "server { listen 127.0.0.1:PORT proxy_protocol; SERVE\nrealpeer require all; }",
            &format!("{BOTH} in nginx.conf:3"),
        ),
        fails(
            "realpeer require all;\nserver { listen 127.0.0.1:PORT proxy_protocol; SERVE }",
            &format!("{BOTH} in nginx.conf:2"),
        ),
        passes(
            "server { listen 127.0.0.1:PORT proxy_protocol; SERVE }
             server { listen 127.0.0.1:OTHER; SERVE realpeer require all; }",
        ),
        passes(
            "realpeer require all;
             server { listen 127.0.0.1:PORT proxy_protocol; SERVE realpeer off; }
             server { listen 127.0.0.1:OTHER; SERVE }",
        ),
    ]
}

/// nginx itself names no line for a variable that it does not know. `answer`
/// is what a server answers with.
fn unknown_variables(answer: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["tlv_colour", "tlv_hex_colour", "tlv_0x1", "tlv_0xzz", "tlv_hex_", "tlv_"] {
        cases.push(fails(
            &format!("server {{ listen 127.0.0.1:PORT; {answer} $realpeer_{name}; }}"),
            &format!(
                r#"unknown TLV in variable "$realpeer_{name}", see the documentation of "$realpeer_tlv_NAME" for the names, or write the type as "0x" and two hex digits"#
            ),
        ));
    }
    cases.push(fails(
        &format!("server {{ listen 127.0.0.1:PORT; {answer} $realpeer_colour; }}"),
        r#"unknown "realpeer_colour" variable"#,
    ));
    cases
}

fn levels_of_http() -> Vec<Case> {
    let elsewhere = r#""realpeer" directive is not allowed here in nginx.conf:2"#;
    vec![
        fails("server { listen 127.0.0.1:PORT; location / { realpeer require all; } }", elsewhere),
        fails("upstream a { realpeer require all; }", elsewhere),
    ]
}

/// Until 1.25.5 servers of stream cannot share an address; those of mail never
/// can. It is nginx that says so.
fn addresses_of_one_server_only() -> Vec<Case> {
    let same = r#"duplicate "127.0.0.1:PORT" address and port pair in nginx.conf:3"#;
    vec![
        fails(
            "server { listen 127.0.0.1:PORT; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT; SERVE }",
            same,
        ),
        passes(
            "server { listen PORT; SERVE realpeer require all; }
             server { listen 127.0.0.1:PORT; SERVE realpeer optional all; }",
        ),
    ]
}

fn udp() -> Vec<Case> {
    let not_covered = r#""realpeer" covers TCP only: connections to 127.0.0.1:PORT over UDP or QUIC keep the address of their peer, whoever that is in nginx.conf:3"#;
    vec![
        warns("server { listen 127.0.0.1:PORT udp; SERVE\nrealpeer require all; }", not_covered),
        warns(
            "server { listen 127.0.0.1:PORT udp; listen 127.0.0.1:PORT; SERVE
                      realpeer require all; }",
            not_covered,
        ),
        warns(
            "server { listen 127.0.0.1:OTHER; SERVE realpeer refuse all; }
             server { listen 127.0.0.1:PORT udp; SERVE realpeer require all; }",
            not_covered,
        ),
        passes(
            "server { listen 127.0.0.1:PORT udp; SERVE }
             server { listen 127.0.0.1:OTHER; SERVE realpeer require all; }",
        ),
        passes(
            "realpeer require all;
             server { listen 127.0.0.1:PORT udp; SERVE realpeer off; }
             server { listen 127.0.0.1:OTHER; SERVE }",
        ),
    ]
}

fn quic() -> Vec<Case> {
    let not_covered = r#""realpeer" covers TCP only: connections to 127.0.0.1:PORT over UDP or QUIC keep the address of their peer, whoever that is in nginx.conf:3"#;
    vec![
        warns(
            "server { listen 127.0.0.1:PORT quic; ssl_reject_handshake on;
                      realpeer require all; }",
            not_covered,
        ),
        warns(
            "server { listen 127.0.0.1:PORT quic; listen 127.0.0.1:PORT ssl;
                      realpeer require all; ssl_reject_handshake on; }",
            not_covered,
        ),
        passes(
            "server { listen 127.0.0.1:PORT quic; ssl_reject_handshake on; }
             server { listen 127.0.0.1:OTHER; realpeer require all; }",
        ),
    ]
}

on_each_nginx! {
    fn policies_and_sources_are_checked(which) {
        must_say_everywhere(which, &policies_and_sources());
    }

    fn a_source_may_be_named_once(which) {
        must_say_everywhere(which, &duplicates());
    }

    fn off_stands_alone(which) {
        must_say_everywhere(which, &off());
    }

    fn settings_are_checked(which) {
        must_say_everywhere(which, &settings());
    }

    fn directives_have_their_levels(which) {
        must_say(which, &levels_of_http());
    }

    fn servers_that_share_a_listener_must_agree(which) {
        must_say(which, &servers_that_share_a_listener());
        must_say(which, &native_proxy_protocol_of_another_server());
        if which == Which::Built {
            must_say_in(which, Subsystem::Stream, &servers_that_share_a_listener());
            must_say_in(which, Subsystem::Stream, &native_proxy_protocol_of_another_server());
            must_say_in(which, Subsystem::Stream, &servers_of_stream_that_share_a_listener());
        }
    }

    fn the_access_log_of_refused_connections_is_stream_s(which) {
        must_say_in(which, Subsystem::Stream, &access_logs_of_stream());
        must_say_in(which, Subsystem::Http, &no_access_log());
        must_say_in(which, Subsystem::Mail, &no_access_log());
    }

    fn where_servers_cannot_share_a_listener_nginx_says_so(which) {
        must_say_in(which, Subsystem::Mail, &addresses_of_one_server_only());
        if which == Which::Debian {
            must_say_in(which, Subsystem::Stream, &addresses_of_one_server_only());
        }
    }

    fn nginx_own_proxy_protocol_is_a_conflict(which) {
        must_say_everywhere(which, &native_proxy_protocol());
    }

    fn unknown_variables_are_refused(which) {
        must_say(which, &unknown_variables("return 200"));
        must_say_in(which, Subsystem::Stream, &unknown_variables("return"));
    }

    fn a_policy_does_not_cover_quic(which) {
        // nginx 1.22 knows no QUIC.
        if which == Which::Built {
            must_say(which, &quic());
        }
    }

    fn a_policy_does_not_cover_udp(which) {
        must_say_in(which, Subsystem::Stream, &udp());
    }
}
