//! What `nginx -t` says, word for word.

use realpeer_e2e::{Check, Site, Which, on_each_nginx};

/// A configuration and the messages it must give, all of them.
struct Case {
    name: &'static str,
    /// Goes into `http`, from line 2 of nginx.conf on. PORT and OTHER are free
    /// ports, QUIC is `quic reuseport` where nginx knows that.
    http: &'static str,
    passes: bool,
    messages: &'static [&'static str],
}

fn check(which: Which, http: &str) -> (Check, [u16; 2]) {
    let mut site = Site::new(which);
    let ports = [site.port(), site.port()];
    site.http(fill_in(http, ports));
    (site.check(), ports)
}

fn fill_in(text: &str, [port, other]: [u16; 2]) -> String {
    text.replace("PORT", &port.to_string()).replace("OTHER", &other.to_string())
}

fn must_say(which: Which, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let (check, ports) = check(which, case.http);
        let wanted: Vec<_> = case.messages.iter().map(|line| fill_in(line, ports)).collect();
        if check.passed != case.passes || check.messages != wanted {
            wrong.push(format!("{}: {check:#?}\ninstead of {wanted:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const fn fails(name: &'static str, http: &'static str, messages: &'static [&'static str]) -> Case {
    Case { name, http, passes: false, messages }
}

const fn passes(name: &'static str, http: &'static str, messages: &'static [&'static str]) -> Case {
    Case { name, http, passes: true, messages }
}

on_each_nginx! {
    fn policies_and_sources(which) {
        must_say(which, &[
            passes("every policy", "realpeer require 192.0.2.1 2001:db8::/32 unix:;
                 realpeer optional 198.51.100.0/24; realpeer strip 203.0.113.7;
                 realpeer direct 127.0.0.0/8; realpeer refuse all;
                 server { listen 127.0.0.1:PORT; }", &[]),
            fails("no argument", "realpeer;", &["?"]),
            fails("an unknown policy", "realpeer trust 192.0.2.1;", &["?"]),
            fails("no source", "realpeer require;", &["?"]),
            fails("the rest of a directive", "\nrealpeer require\n192.0.2.1\nrequire;", &["?"]),
            fails("a number too high", "realpeer require 192.0.2.256;", &["?"]),
            fails("an octal number", "realpeer require 010.0.0.1;", &["?"]),
            fails("a name", "realpeer require balancer.example;", &["?"]),
            fails("a prefix too long", "realpeer require 192.0.2.0/33;", &["?"]),
            fails("a prefix too long for IPv6", "realpeer require 2001:db8::/129;", &["?"]),
            fails("no prefix", "realpeer require 192.0.2.0/;", &["?"]),
            fails("a negative prefix", "realpeer require 192.0.2.0/-1;", &["?"]),
            fails("a netmask", "realpeer require 192.0.2.0/255.255.255.0;", &["?"]),
            fails("a port", "realpeer require 192.0.2.1:80;", &["?"]),
            fails("a unix path", "realpeer require unix:/run/socket;", &["?"]),
            passes("low bits", "realpeer require 192.0.2.1/24;
                server { listen 127.0.0.1:PORT; }", &["?"]),
            passes("low bits of IPv6", "realpeer require 2001:db8::1/32;
                server { listen 127.0.0.1:PORT; }", &["?"]),
        ]);
    }

    fn sources_named_twice(which) {
        must_say(which, &[
            fails("in one directive", "realpeer require 192.0.2.1 192.0.2.1;
                server { listen 127.0.0.1:PORT; }", &["?"]),
            fails("with another policy", "realpeer require 192.0.2.1;
                realpeer refuse 192.0.2.1; server { listen 127.0.0.1:PORT; }", &["?"]),
            fails("written in another way", "realpeer require 192.0.2.0/24;
                realpeer refuse 192.0.2.1/24; server { listen 127.0.0.1:PORT; }", &["?", "?"]),
            fails("as v4-mapped", "realpeer require 192.0.2.1;
                realpeer refuse ::ffff:192.0.2.1; server { listen 127.0.0.1:PORT; }", &["?"]),
            fails("all", "realpeer require all; realpeer refuse all;
                server { listen 127.0.0.1:PORT; }", &["?"]),
            fails("unix", "realpeer require unix:; realpeer refuse unix:;
                server { listen 127.0.0.1:PORT; }", &["?"]),
            passes("one within another", "realpeer require 192.0.2.0/24;
                realpeer refuse 192.0.2.0/25 192.0.2.0;
                server { listen 127.0.0.1:PORT; }", &[]),
            passes("once in http and once in a server", "realpeer require all;
                server { listen 127.0.0.1:PORT; realpeer refuse all; }", &[]),
        ]);
    }

    fn off(which) {
        must_say(which, &[
            passes("in a server", "realpeer require all;
                server { listen 127.0.0.1:PORT; realpeer off; }
                server { listen 127.0.0.1:OTHER; }", &[]),
            passes("with nothing to switch off",
                "server { listen 127.0.0.1:PORT; realpeer off; }", &[]),
            fails("with a source", "server { listen 127.0.0.1:PORT; realpeer off all; }", &["?"]),
            fails("behind a rule",
                "server { listen 127.0.0.1:PORT; realpeer require all; realpeer off; }", &["?"]),
            fails("before a rule",
                "server { listen 127.0.0.1:PORT; realpeer off; realpeer require all; }", &["?"]),
            fails("twice", "server { listen 127.0.0.1:PORT; realpeer off; realpeer off; }", &["?"]),
        ]);
    }

    fn settings(which) {
        must_say(which, &[
            passes("all of them", "realpeer require all; realpeer_timeout 5s;
                realpeer_max_header 65551; realpeer_versions 1 2; realpeer_no_address refuse;
                server { listen 127.0.0.1:PORT; realpeer_timeout 3s; realpeer_max_header 16;
                         realpeer_versions 2; realpeer_no_address accept; }", &[]),
            passes("a short timeout", "realpeer require all; realpeer_timeout 2999ms;
                server { listen 127.0.0.1:PORT; }", &["?"]),
            fails("a timeout that is none", "realpeer_timeout soon;", &["?"]),
            fails("no timeout", "realpeer_timeout 0;", &["?"]),
            fails("two timeouts", "realpeer_timeout 5s; realpeer_timeout 6s;", &["?"]),
            fails("a header too short", "realpeer_max_header 15;", &["?"]),
            fails("a header too long", "realpeer_max_header 65552;", &["?"]),
            fails("a header that is none", "realpeer_max_header 4k;", &["?"]),
            fails("two headers", "realpeer_max_header 16;\nrealpeer_max_header 16;", &["?"]),
            fails("version 3", "realpeer_versions 3;", &["?"]),
            fails("a version twice", "realpeer_versions 1 1;", &["?"]),
            fails("no version", "realpeer_versions;", &["?"]),
            fails("versions twice", "realpeer_versions 1; realpeer_versions 2;", &["?"]),
            fails("no_address", "realpeer_no_address maybe;", &["?"]),
            fails("no_address twice",
                "realpeer_no_address accept; realpeer_no_address accept;", &["?"]),
            fails("in a location",
                "server { listen 127.0.0.1:PORT; location / { realpeer require all; } }", &["?"]),
        ]);
    }

    fn servers_that_share_a_listener(which) {
        must_say(which, &[
            passes("one that states nothing",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; }", &[]),
            passes("one that states the same",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer require all; }", &[]),
            passes("the same in another order",
                "server { listen 127.0.0.1:PORT; server_name a;
                          realpeer require 192.0.2.1; realpeer direct all; }
                 server { listen 127.0.0.1:PORT; server_name b;
                          realpeer direct all; realpeer require 192.0.2.1; }", &[]),
            fails("another policy",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer optional all; }", &["?"]),
            fails("another source",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer require 192.0.2.1; }",
                &["?"]),
            fails("another timeout",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer require all;
                          realpeer_timeout 9s; }", &["?"]),
            fails("one where the default has none",
                "server { listen 127.0.0.1:PORT; server_name a; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer require all; }", &["?"]),
            fails("off where the default has one",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer off; }", &["?"]),
            fails("a default that comes later",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT default_server; server_name b; }", &["?"]),
            passes("inherited by both",
                "realpeer require all;
                 server { listen 127.0.0.1:PORT; server_name a; }
                 server { listen 127.0.0.1:PORT; server_name b; }", &[]),
            fails("replaced by one",
                "realpeer require all;
                 server { listen 127.0.0.1:PORT; server_name a; }
                 server { listen 127.0.0.1:PORT; server_name b; realpeer refuse all; }", &["?"]),
            passes("on addresses of their own",
                "server { listen PORT; realpeer require all; }
                 server { listen 127.0.0.1:PORT; realpeer optional all; }", &[]),
        ]);
    }

    fn nginx_own_proxy_protocol(which) {
        must_say(which, &[
            fails("on the same listener",
                "server { listen 127.0.0.1:PORT proxy_protocol; realpeer require all; }", &["?"]),
            fails("inherited",
                "realpeer require all;\nserver { listen 127.0.0.1:PORT proxy_protocol; }", &["?"]),
            fails("by another server on the same listener",
                "server { listen 127.0.0.1:PORT; server_name a; realpeer require all; }
                 server { listen 127.0.0.1:PORT proxy_protocol; server_name b; }", &["?"]),
            passes("on another listener",
                "server { listen 127.0.0.1:PORT proxy_protocol; }
                 server { listen 127.0.0.1:OTHER; realpeer require all; }", &[]),
            passes("where ours is off",
                "realpeer require all;
                 server { listen 127.0.0.1:PORT proxy_protocol; realpeer off; }
                 server { listen 127.0.0.1:OTHER; }", &[]),
        ]);
    }

    fn unknown_variables(which) {
        must_say(which, &[
            fails("an unknown TLV", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_tlv_colour; }", &["?"]),
            fails("an unknown TLV in hex", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_tlv_hex_colour; }", &["?"]),
            fails("one digit", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_tlv_0x1; }", &["?"]),
            fails("no digits", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_tlv_0xzz; }", &["?"]),
            fails("nothing", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_tlv_; }", &["?"]),
            fails("an unknown variable", "server { listen 127.0.0.1:PORT; realpeer require all;
                return 200 $realpeer_colour; }", &["?"]),
        ]);
    }

    fn policies_without_effect(which) {
        if which == Which::Debian {
            // nginx 1.22 knows no QUIC.
            return;
        }
        must_say(which, &[
            passes("QUIC alone", "server { listen 127.0.0.1:PORT quic reuseport;
                realpeer require all; ssl_reject_handshake on; }", &["?"]),
            passes("QUIC beside TCP", "server { listen 127.0.0.1:PORT quic reuseport;
                listen 127.0.0.1:PORT ssl; realpeer require all; ssl_reject_handshake on; }",
                &["?"]),
        ]);
    }
}
