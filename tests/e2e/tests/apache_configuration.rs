//! What `apache2 -t` says, word for word.

use realpeer_e2e::{ApacheSite, Mpm};

/// A configuration, and all that Apache must say of it.
struct Case {
    /// From line 2 of httpd.conf on. PORT and OTHER are free ports.
    config: String,
    passes: bool,
    messages: Vec<String>,
}

/// What is wrong with one directive, in this line.
fn wrong(config: &str, line: usize, message: &str) -> Case {
    wrong_in(config, &format!("line {line} of httpd.conf"), message)
}

fn wrong_in(config: &str, place: &str, message: &str) -> Case {
    fails(config, &format!("AH00526: Syntax error on {place}: {message}"))
}

/// What is wrong with the whole.
fn fails(config: &str, message: &str) -> Case {
    Case { config: config.into(), passes: false, messages: vec![message.into()] }
}

fn passes(config: &str) -> Case {
    Case { config: config.into(), passes: true, messages: Vec::new() }
}

fn warns(config: &str, message: &str) -> Case {
    Case { config: config.into(), passes: true, messages: vec![message.into()] }
}

fn must_say(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let mut site = ApacheSite::new(Mpm::Event);
        site.load("remoteip");
        let (port, other) = (site.port().to_string(), site.port().to_string());
        let fill_in = |text: &str| text.replace("PORT", &port).replace("OTHER", &other);
        site.file("rules.conf", "\nRealPeer require 192.0.2.1 \\\n    nobody\n");
        site.config(fill_in(&case.config));
        let check = site.check();
        let wanted: Vec<_> = case.messages.iter().map(|line| fill_in(line)).collect();
        if check.passed != case.passes || check.messages != wanted {
            wrong.push(format!("{}\ngives {check:#?}\ninstead of {wanted:#?}", case.config));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Directives, and a listener that makes use of them.
fn used(directives: &str) -> String {
    format!("{directives}\nListen 127.0.0.1:PORT")
}

/// A virtual host with these directives, in one line each.
fn host(port: &str, name: &str, directives: &str) -> String {
    format!("<VirtualHost 127.0.0.1:{port}>\nServerName {name}\n{directives}\n</VirtualHost>\n")
}

const SOURCES: &str = "not an IPv4 or IPv6 address, a CIDR block or \"all\"";
const PREFIX: &str = "the prefix length must be 0 to 32 for IPv4, 0 to 128 for IPv6";

#[test]
fn policies_and_sources_are_checked() {
    let mut cases = vec![
        passes(&used(
            "RealPeer require 192.0.2.1 2001:db8::/32\nRealPeer optional 198.51.100.0/24\n\
             RealPeer strip 203.0.113.7\nRealPeer direct 127.0.0.0/8\nRealPeer refuse all",
        )),
        wrong("RealPeer", 2, "RealPeer needs a policy and the sources it is for"),
        wrong(
            "RealPeer trust 192.0.2.1",
            2,
            "unknown policy \"trust\" in RealPeer, it must be \"require\", \"optional\", \
             \"strip\", \"direct\", \"refuse\" or \"off\"",
        ),
        wrong(
            "\nRealPeer require",
            3,
            "\"RealPeer require\" names no source, add addresses, CIDR blocks or \"all\"",
        ),
        wrong_in(
            "Include rules.conf",
            "line 3 of rules.conf",
            &format!("invalid source \"nobody\" in RealPeer: {SOURCES}"),
        ),
        wrong(
            "RealPeer Require all",
            2,
            "unknown policy \"Require\" in RealPeer, it must be \
             \"require\", \"optional\", \"strip\", \"direct\", \"refuse\" or \"off\"",
        ),
    ];
    for source in
        ["192.0.2.256", "010.0.0.1", "balancer.example", "192.0.2.1:80", "unix:/run/a", "require"]
    {
        let message = format!("invalid source \"{source}\" in RealPeer: {SOURCES}");
        cases.push(wrong(&format!("RealPeer require {source}"), 2, &message));
    }
    for policy in ["require", "optional", "strip", "direct", "refuse"] {
        for sources in ["unix:", "192.0.2.1 unix:"] {
            cases.push(wrong(
                &format!("RealPeer {policy} {sources}"),
                2,
                "source \"unix:\" in RealPeer covers nothing, Apache httpd has no Unix \
                 listeners, remove it",
            ));
        }
    }
    for source in ["192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/024"]
    {
        let message = format!("invalid source \"{source}\" in RealPeer: {PREFIX}");
        cases.push(wrong(&format!("RealPeer require {source}"), 2, &message));
    }
    for source in ["192.0.2.1/24", "2001:db8::1/32"] {
        cases.push(warns(
            &used(&format!("RealPeer require {source}")),
            &format!(
                "realpeer: bits behind the prefix of source \"{source}\" in RealPeer are set, \
                 they are ignored in httpd.conf:2"
            ),
        ));
    }
    must_say(&cases);
}

#[test]
fn results_that_are_quiet_are_checked() {
    let mut cases = vec![
        passes(&used("RealPeer require 192.0.2.1 192.0.2.2 quiet=no_header,timeout")),
        passes(&used("RealPeer refuse all quiet=untrusted")),
        wrong(
            "RealPeer require quiet=no_header",
            2,
            "\"RealPeer require\" names no source, add addresses, CIDR blocks or \"all\"",
        ),
        wrong(
            "RealPeer require quiet=no_header 192.0.2.1",
            2,
            &format!("invalid source \"quiet=no_header\" in RealPeer: {SOURCES}"),
        ),
        wrong("RealPeer off quiet=no_header", 2, "\"RealPeer off\" takes no source"),
    ];
    for parameter in ["quiet=", "quiet=proxy", "quiet=no_header,", "quiet=timeout,timeout"] {
        let message = format!(
            "invalid parameter \"{parameter}\" in RealPeer: it must be \"quiet=\" with results \
             that refuse, each once, such as \"no_header,timeout\""
        );
        cases.push(wrong(&format!("RealPeer require 192.0.2.1 {parameter}"), 2, &message));
    }
    for rule in [
        "require 192.0.2.1 quiet=untrusted",
        "direct 192.0.2.1 quiet=no_header",
        "optional 192.0.2.1 quiet=silent",
        "refuse 192.0.2.1 quiet=timeout",
    ] {
        let parameter = rule.split(' ').next_back().expect("a parameter");
        let message = format!(
            "invalid parameter \"{parameter}\" in RealPeer: this policy never refuses a \
             connection with one of these results"
        );
        cases.push(wrong(&format!("RealPeer {rule}"), 2, &message));
    }
    must_say(&cases);
}

#[test]
fn a_source_may_be_named_once() {
    let twice = |rules: &str, second: &str, first: &str, lines: [usize; 2]| {
        fails(
            &used(rules),
            &format!(
                "realpeer: source \"{second}\" in RealPeer is the same as \"{first}\" in \
                 httpd.conf:{}, remove one of them in httpd.conf:{}",
                lines[0], lines[1]
            ),
        )
    };
    let require = "RealPeer require";
    let refuse = "RealPeer refuse";
    must_say(&[
        twice(
            "RealPeer require 192.0.2.1 198.51.100.1 192.0.2.1",
            "192.0.2.1",
            "192.0.2.1",
            [2, 2],
        ),
        twice(
            &format!("{require} 192.0.2.1\n{require} 192.0.2.1"),
            "192.0.2.1",
            "192.0.2.1",
            [2, 3],
        ),
        twice(
            &format!("{require} 192.0.2.1/32\n{refuse} 192.0.2.1"),
            "192.0.2.1",
            "192.0.2.1/32",
            [2, 3],
        ),
        twice(
            &format!("{require} 2001:db8::\n\n{refuse} 2001:0db8:0::0/128"),
            "2001:0db8:0::0/128",
            "2001:db8::",
            [2, 4],
        ),
        twice(
            &format!("{require} 192.0.2.1\n{refuse} ::ffff:192.0.2.1"),
            "::ffff:192.0.2.1",
            "192.0.2.1",
            [2, 3],
        ),
        twice(&format!("{require} all\n{refuse} all"), "all", "all", [2, 3]),
        fails(
            &format!(
                "{}Listen 127.0.0.1:PORT",
                host("PORT", "a", "RealPeer require all\nRealPeer direct all")
            ),
            "realpeer: source \"all\" in RealPeer is the same as \"all\" in httpd.conf:4, remove \
             one of them in httpd.conf:5",
        ),
        passes(&used(
            "RealPeer require 192.0.2.0/24\nRealPeer refuse 192.0.2.0/25 192.0.2.0 all\n\
             RealPeer optional 0.0.0.0/0 ::/0",
        )),
        passes(&used(&format!(
            "RealPeer require all\n{}",
            host("PORT", "a", "RealPeer refuse all")
        ))),
    ]);
}

#[test]
fn off_stands_alone() {
    let contradicts = "at the same level, remove one of them";
    must_say(&[
        passes(&used(&format!("RealPeer require all\n{}", host("PORT", "a", "RealPeer off")))),
        passes(&used(&host("PORT", "a", "RealPeer off"))),
        wrong("RealPeer off all", 2, "\"RealPeer off\" takes no source"),
        wrong(
            "RealPeer off\nRealPeer off",
            3,
            "\"RealPeer off\" is stated twice at the same level",
        ),
        wrong(
            "RealPeer require all\nRealPeer off",
            3,
            &format!("\"RealPeer off\" contradicts other RealPeer directives {contradicts}"),
        ),
        wrong(
            "RealPeer off\nRealPeer require all",
            3,
            &format!("\"RealPeer require\" contradicts \"RealPeer off\" {contradicts}"),
        ),
    ]);
}

#[test]
fn settings_are_checked() {
    let mut cases = vec![
        passes(&used(&format!(
            "RealPeer require all\nRealPeerTimeout 5s\nRealPeerMaxHeader 65551\n\
             RealPeerVersions 1 2\nRealPeerNoAddress refuse\nRealPeerLogLimit off\nListen 127.0.0.1:OTHER\n{}{}",
            host(
                "PORT",
                "a",
                "RealPeerTimeout 3\nRealPeerMaxHeader 16\nRealPeerVersions 2\n\
                 RealPeerNoAddress accept\nRealPeerLogLimit 6r/m burst=10000"
            ),
            host("OTHER", "b", "RealPeerTimeout 3000ms\nRealPeerVersions 2 1"),
        ))),
        warns(
            &used("RealPeer require all\nRealPeerTimeout 2999ms"),
            "realpeer: RealPeerTimeout is less than 3s, which a TCP retransmission of the header \
             may take in httpd.conf:3",
        ),
        warns(
            &used(&host("PORT", "a", "RealPeerTimeout 9s\nRealPeerVersions 2")),
            "realpeer: RealPeer directives have no effect without RealPeer itself, which says who \
             may send the header in httpd.conf:4",
        ),
        wrong(
            "RealPeerNoAddress maybe",
            2,
            "invalid value \"maybe\" in RealPeerNoAddress, it must be \"accept\" or \"refuse\"",
        ),
        wrong(
            "RealPeerLogLimit 10",
            2,
            "invalid rate \"10\" in RealPeerLogLimit, it must be \"off\" or from \"1r/m\" to \
             \"1000r/s\"",
        ),
        wrong(
            "RealPeerLogLimit 10r/s 5",
            2,
            "invalid burst \"5\" in RealPeerLogLimit, it must be \"burst=\" with 1 to 10000, and \
             not behind \"off\"",
        ),
        wrong(
            "RealPeerVersions 2 3",
            2,
            "invalid version \"3\" in RealPeerVersions, it must be \"1\", \"2\" or both",
        ),
        wrong("RealPeerVersions 1 1", 2, "duplicate version \"1\" in RealPeerVersions"),
        wrong("RealPeerVersions", 2, "RealPeerVersions needs \"1\", \"2\" or both"),
        wrong("RealPeerTLV", 2, "RealPeerTLV needs the names of TLVs"),
        wrong(
            "RealPeerTimeout",
            2,
            "RealPeerTimeout takes one argument, how long the header may take, such as \"5s\"",
        ),
        wrong(
            "RealPeerMaxHeader 16 17",
            2,
            "RealPeerMaxHeader takes one argument, how many bytes a version 2 header may have",
        ),
        wrong(
            "RealPeerNoAddress",
            2,
            "RealPeerNoAddress takes one argument, \"accept\" or \"refuse\" a header that names \
             no client",
        ),
    ];
    for time in ["soon", "0", "-1s", "5 s", "5x", "s", "86401", "9223372036854"] {
        cases.push(wrong(
            &format!("RealPeerTimeout \"{time}\""),
            2,
            &format!(
                "invalid time \"{time}\" in RealPeerTimeout, it must be more than 0 and at most a \
                 day, such as \"5s\" or \"500ms\""
            ),
        ));
    }
    for size in ["15", "65552", "-1", "+100", "many", "65k", "99999999999999999999"] {
        cases.push(wrong(
            &format!("RealPeerMaxHeader {size}"),
            2,
            &format!(
                "invalid size \"{size}\" in RealPeerMaxHeader, it must be from 16 to 65551 bytes"
            ),
        ));
    }
    for (name, value) in
        [("Timeout", "5s"), ("MaxHeader", "16"), ("Versions", "1"), ("NoAddress", "accept")]
    {
        let directive = format!("RealPeer{name} {value}");
        cases.push(wrong(
            &format!("{directive}\n{directive}"),
            3,
            &format!("RealPeer{name} is stated twice at the same level"),
        ));
    }
    for name in ["colour", "0x1", "0xzz", "hex_", "hex_colour", "0x100"] {
        cases.push(wrong(
            &format!("RealPeerTLV alpn \"{name}\""),
            2,
            &format!(
                "unknown TLV \"{name}\" in RealPeerTLV, see the documentation for the names, or \
                 write the type as \"0x\" and two hex digits"
            ),
        ));
    }
    must_say(&cases);
}

#[test]
fn directives_have_their_levels() {
    let mut cases = Vec::new();
    for directive in [
        "RealPeer require all",
        "RealPeerTimeout 5s",
        "RealPeerMaxHeader 16",
        "RealPeerVersions 1",
        "RealPeerNoAddress accept",
        "RealPeerLogLimit off",
        "RealPeerTLV alpn",
    ] {
        let (name, _) = directive.split_once(' ').expect("an argument");
        for section in ["Directory", "Location", "Files"] {
            cases.push(wrong(
                &format!("<{section} \"/\">\n{directive}\n</{section}>"),
                3,
                &format!("{name} not allowed in <{section}> context"),
            ));
        }
    }
    must_say(&cases);
}

#[test]
fn virtual_hosts_that_share_a_listener_must_agree() {
    // Two on one address; the first one, in line 3, is the default. What the
    // second states stands in line 9.
    let two = |first: &str, second: &str| {
        used(&format!("\n{}{}", host("PORT", "a", first), host("PORT", "b", second)))
    };
    let another = "realpeer: virtual host \"b\" states another policy for 127.0.0.1:PORT than the \
                   default virtual host \"a\" in httpd.conf:3, which rules there: state the same, \
                   or nothing in httpd.conf:9";
    let none = "realpeer: virtual host \"b\" states a policy for 127.0.0.1:PORT, where the \
                default virtual host \"a\" in httpd.conf:3 rules and has none: move it there in \
                httpd.conf:9";
    let no_effect = "realpeer: RealPeer directives have no effect without RealPeer itself, which \
                     says who may send the header in httpd.conf:9";
    let require = "RealPeer require all";
    let before =
        |directives: &str, hosts: &str| hosts.replacen('\n', &format!("{directives}\n"), 1);
    must_say(&[
        passes(&two(require, "")),
        passes(&two(require, require)),
        passes(&two("", "RealPeer off")),
        // The defaults, said and unsaid.
        passes(&two(
            &format!(
                "{require}\nRealPeerTimeout 5s\nRealPeerMaxHeader 4096\n\
                 RealPeerLogLimit 10r/s burst=100"
            ),
            &format!("{require}\nRealPeerVersions 2 1\nRealPeerNoAddress accept"),
        )),
        passes(&two(
            "RealPeer require 192.0.2.1 \\\n198.51.100.1",
            "RealPeer require 198.51.100.1 192.0.2.1",
        )),
        fails(&two(require, "RealPeer optional all"), another),
        fails(&two(require, "RealPeer require 192.0.2.1"), another),
        fails(&two(require, &format!("RealPeerTimeout 9s\n{require}")), another),
        fails(&two(require, &format!("RealPeerLogLimit 1r/s\n{require}")), another),
        fails(&two(require, "RealPeer require all quiet=no_header"), another),
        passes(&two(
            "RealPeer require all quiet=no_header,timeout",
            "RealPeer require all quiet=timeout,no_header",
        )),
        Case {
            messages: vec![no_effect.into(), another.into()],
            ..fails(&two(require, "RealPeerTimeout 9s"), another)
        },
        fails(&two(require, "RealPeer off"), another),
        fails(&two("", require), none),
        fails(&two("RealPeer off", require), none),
        passes(&before("RealPeer optional all", &two("", ""))),
        // One that states nothing follows the default virtual host, and not the
        // main server.
        passes(&before("RealPeer optional all", &two(require, ""))),
        passes(&before("RealPeer optional all", &two("RealPeer off", ""))),
        passes(&before("RealPeerTimeout 4s", &two(require, ""))),
        Case {
            messages: vec![no_effect.replace(":9", ":2")],
            ..passes(&before("RealPeerTimeout 4s", &two("", "")))
        },
        fails(&before("RealPeer optional all", &two("", require)), another),
        // A wildcard is another listener than the address itself.
        passes(&used(&format!(
            "<VirtualHost *:PORT>\n{require}\n</VirtualHost>\n{}",
            host("PORT", "a", "RealPeer optional all")
        ))),
        passes(&used(&format!(
            "Listen 127.0.0.1:OTHER\n{}{}",
            host("PORT", "a", require),
            host("OTHER", "a", "RealPeer optional all")
        ))),
    ]);
}

/// httpd has no configuration of ours for a virtual host without a directive of
/// ours, and gives out the main server's.
#[test]
fn a_virtual_host_that_states_nothing_follows_the_first() {
    let two = |first: &str| used(&format!("{}{}", host("PORT", "a", first), host("PORT", "b", "")));
    let only_settings = |hosts: &str| format!("RealPeerTimeout 4s\n{hosts}");
    must_say(&[
        passes(&format!("RealPeer require 192.0.2.1\n{}", two("RealPeer require 192.0.2.2"))),
        passes(&format!("RealPeer require 192.0.2.1\n{}", two("RealPeer off"))),
        passes(&only_settings(&two("RealPeer require 192.0.2.2"))),
        // Once, for the line that it is about.
        warns(
            &only_settings(&two("")),
            "realpeer: RealPeer directives have no effect without RealPeer itself, which says who \
             may send the header in httpd.conf:2",
        ),
    ]);
}

#[test]
fn mod_remoteip_on_the_same_listener_is_a_conflict() {
    let both = |listener: &str, ours: usize, theirs: usize| {
        format!(
            "realpeer: both RealPeer in httpd.conf:{ours} and RemoteIPProxyProtocol would take \
             the header off connections to {listener}, remove one of them in httpd.conf:{theirs}"
        )
    };
    let here = "127.0.0.1:PORT";
    must_say(&[
        fails(
            &used(&host("PORT", "a", "RealPeer require all\nRemoteIPProxyProtocol On")),
            &both(here, 4, 5),
        ),
        fails(
            &used(&host("PORT", "a", "RealPeer require all\nRemoteIPProxyProtocol \"oN\"")),
            &both(here, 4, 5),
        ),
        fails(
            &used(&format!(
                "RealPeer require all\n{}",
                host("PORT", "a", "RemoteIPProxyProtocol On")
            )),
            &both(here, 2, 5),
        ),
        // mod_remoteip reads it for all virtual hosts of an address, whichever
        // states it.
        fails(
            &used(&format!(
                "{}{}",
                host("PORT", "a", "RealPeer require all"),
                host("PORT", "b", "RemoteIPProxyProtocol On")
            )),
            &both(here, 4, 8),
        ),
        passes(&used(&format!(
            "Listen 127.0.0.1:OTHER\n{}{}",
            host("PORT", "a", "RealPeer require all"),
            host("OTHER", "b", "RemoteIPProxyProtocol On")
        ))),
        passes(&used(&host("PORT", "a", "RealPeer require all\nRemoteIPProxyProtocol Off"))),
        passes(&used(&host("PORT", "a", "RealPeer off\nRemoteIPProxyProtocol On"))),
        passes(&used(&format!(
            "RealPeer require all\nListen 127.0.0.1:OTHER\n{}{}",
            host("PORT", "a", "RealPeer off\nRemoteIPProxyProtocol On"),
            host("OTHER", "b", "")
        ))),
        // Its other mode is no conflict, but of use on top.
        passes(&used(&host(
            "PORT",
            "a",
            "RealPeer require all\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 192.0.2.7",
        ))),
    ]);
}
