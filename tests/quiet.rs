//! Results that are ordinary for a source: what may be said of them, and which rule
//! is asked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use core::net::IpAddr;
use std::collections::BTreeSet;

use realpeer::{
    Action, Event, NoAddress, Outcome, Peer, Policy, QuietError, Rule, Rules, Settings, Versions,
    decide,
};

fn rule(policy: Policy, source: &str, parameter: &str) -> Rule {
    Rule::parse(source, policy, 0).unwrap().0.with_quiet(parameter).expect(parameter)
}

/// Beginnings of connections, with which each refusal can be had.
fn beginnings() -> Vec<Vec<u8>> {
    let v2 = |rest: &[u8]| [&b"\r\n\r\n\0\r\nQUIT\n"[..], rest].concat();
    vec![
        b"".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1".to_vec(),
        b"PROXY TCP4 nonsense\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(b"\x31\x11\x00\x0c"),
        v2(b"\x2f\x11\x00\x0c"),
        v2(b"\x21\xff\x00\x0c"),
        v2(b"\x21\x11\x00\x04"),
        v2(b"\x21\x11\xff\xff"),
        v2(b"\x21\x11\x00\x0d\xc0\x00\x02\x01\xc6\x33\x64\x01\x10\xe1\x01\xbb\x01"),
        v2(b"\x21\x11\x00\x13\xc0\x00\x02\x01\xc6\x33\x64\x01\x10\xe1\x01\xbb\x03\x00\x04nope"),
    ]
}

/// What a connection from a source with this policy can be refused with.
fn refusals(policy: Option<Policy>) -> BTreeSet<&'static str> {
    let mut strict = Settings { no_address: NoAddress::Refuse, ..Settings::default() };
    let mut refusals = BTreeSet::new();
    for versions in [Versions::BOTH, Versions::V2] {
        strict.limits.versions = versions;
        for bytes in beginnings() {
            for event in [Event::Data, Event::Closed, Event::Timeout] {
                let decision = decide(policy, &strict, &bytes, event);
                if decision.action == Action::Refuse {
                    refusals.insert(decision.outcome.name());
                }
            }
        }
    }
    refusals
}

#[test]
fn a_policy_is_quiet_about_what_it_refuses_and_nothing_else() {
    let every: BTreeSet<_> =
        Policy::ALL.into_iter().flat_map(|policy| refusals(Some(policy))).collect();
    assert_eq!(every.len(), 15, "not every refusal has been had: {every:?}");
    for policy in Policy::ALL {
        let (rule, _) = Rule::parse("192.0.2.0/24", policy, 0).unwrap();
        let refused = refusals(Some(policy));
        for outcome in Outcome::ALL {
            let parameter = format!("quiet={}", outcome.name());
            let wanted = match rule.with_quiet(&parameter) {
                Ok(quiet) => {
                    assert!(quiet.is_quiet(*outcome));
                    assert_eq!(rule.is_quiet(*outcome), *outcome == Outcome::Silent);
                    true
                }
                Err(QuietError::NeverRefused) => {
                    assert!(every.contains(outcome.name()), "{policy:?} {outcome:?}");
                    false
                }
                Err(_) => {
                    assert!(!every.contains(outcome.name()), "{policy:?} {outcome:?}");
                    false
                }
            };
            assert_eq!(refused.contains(outcome.name()), wanted, "{policy:?} {outcome:?}");
        }
    }
}

#[test]
fn texts_that_are_no_results_are_refused() {
    let (require, _) = Rule::parse("192.0.2.0/24", Policy::Require, 0).unwrap();
    for parameter in [
        "",
        "quiet",
        "quiet=",
        "quiet=,",
        "quiet=no_header,",
        "quiet=,no_header",
        "quiet=no_header,,timeout",
        "quiet=no_header,no_header",
        "quiet=no_header, timeout",
        "quiet=No_Header",
        "quiet=more",
        "quiet=all",
        "quiet=proxy",
        "quiet=direct",
        "QUIET=no_header",
        "no_header",
    ] {
        assert_eq!(require.with_quiet(parameter), Err(QuietError::BadResult), "{parameter:?}");
    }
    for (policy, parameter) in [
        (Policy::Require, "quiet=untrusted"),
        (Policy::Require, "quiet=no_header,untrusted"),
        (Policy::Refuse, "quiet=no_header"),
        (Policy::Direct, "quiet=silent"),
        (Policy::Optional, "quiet=no_header"),
        (Policy::Strip, "quiet=no_address"),
    ] {
        let (rule, _) = Rule::parse("192.0.2.0/24", policy, 0).unwrap();
        assert_eq!(rule.with_quiet(parameter), Err(QuietError::NeverRefused), "{parameter:?}");
    }
}

#[test]
fn a_later_parameter_replaces_an_earlier_one() {
    let rule = rule(Policy::Require, "all", "quiet=no_header,no_address");
    assert!(rule.is_quiet(Outcome::NoHeader) && rule.is_quiet(Outcome::NoAddress));
    let rule = rule.with_quiet("quiet=timeout").unwrap();
    assert!(!rule.is_quiet(Outcome::NoHeader) && rule.is_quiet(Outcome::Timeout));
    // Only what refuses has a line.
    assert!(Outcome::ALL.iter().filter(|outcome| rule.is_quiet(**outcome)).count() == 2);
}

#[test]
fn the_rule_that_matches_says_what_is_quiet() {
    let mut list = [
        rule(Policy::Require, "10.0.0.0/24", "quiet=no_header"),
        rule(Policy::Require, "2001:db8::/32", "quiet=timeout"),
        rule(Policy::Refuse, "all", "quiet=untrusted"),
        Rule::parse("10.0.0.128/25", Policy::Require, 0).unwrap().0,
        Rule::parse("unix:", Policy::Require, 0).unwrap().0,
    ];
    let rules = Rules::prepare(&mut list).unwrap();
    let is_quiet = |peer: Peer, outcome| rules.find_rule(peer).unwrap().is_quiet(outcome);
    let from = |ip: &str| Peer::Ip(ip.parse::<IpAddr>().unwrap());
    for (peer, outcome, wanted) in [
        (from("10.0.0.1"), Outcome::NoHeader, true),
        (from("::ffff:10.0.0.1"), Outcome::NoHeader, true),
        (from("10.0.0.1"), Outcome::Timeout, false),
        (from("10.0.0.129"), Outcome::NoHeader, false),
        (from("10.0.0.129"), Outcome::Silent, true),
        (from("2001:db8::1"), Outcome::Timeout, true),
        (from("2001:db8::1"), Outcome::NoHeader, false),
        (from("203.0.113.9"), Outcome::Untrusted, true),
        (Peer::Unix, Outcome::NoHeader, false),
    ] {
        assert_eq!(is_quiet(peer, outcome), wanted, "{peer:?} {outcome:?}");
    }
}

#[test]
fn rules_that_differ_in_what_is_quiet_are_not_the_same() {
    let (plain, _) = Rule::parse("10.0.0.0/24", Policy::Require, 0).unwrap();
    let quiet = rule(Policy::Require, "10.0.0.0/24", "quiet=no_header,timeout");
    assert!(!plain.same(&quiet) && !quiet.same(&plain));
    assert!(quiet.same(&rule(Policy::Require, "10.0.0.0/24", "quiet=timeout,no_header")));
}
