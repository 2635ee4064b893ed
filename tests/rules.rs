//! Sources and their policies: what their text may be, and the look-up against a
//! search of all rules that knows no order.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::sample::select;
use realpeer::Policy::{Direct, Optional, Refuse, Require, Strip};
use realpeer::{Peer, Policy, Rule, RuleError, Rules};

fn rule(source: &str, policy: Policy) -> Rule {
    Rule::parse(source, policy, 0).unwrap_or_else(|error| panic!("{source}: {error}")).0
}

fn ip(text: &str) -> Peer {
    Peer::Ip(text.parse().expect("an address"))
}

#[test]
fn sources_that_are_understood() {
    for source in [
        "192.0.2.1",
        "0.0.0.0",
        "255.255.255.255",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "192.0.2.1/32",
        "128.0.0.0/1",
        "2001:db8::1",
        "::",
        "::/0",
        "::1/128",
        "8000::/1",
        "2001:db8::/32",
        "2001:DB8::/32",
        "fe80::/10",
        "::ffff:192.0.2.1",
        "::ffff:192.0.2.0/120",
        "::ffff:0:0/96",
        "::ffff:0:0/95",
        "64:ff9b::192.0.2.1",
        "unix:",
        "all",
    ] {
        for policy in Policy::ALL {
            let parsed = Rule::parse(source, policy, 77);
            let cleared = source == "::ffff:0:0/95";
            let Ok((rule, bits_cleared)) = parsed else { panic!("{source}: {parsed:?}") };
            assert_eq!((rule.policy(), rule.tag()), (Some(policy), 77), "{source}");
            assert_eq!(bits_cleared, cleared, "{source}");
        }
    }
}

#[test]
fn sources_that_are_refused() {
    use RuleError::{BadPrefix, BadSource};
    for (source, error) in [
        ("", BadSource),
        (" ", BadSource),
        ("ALL", BadSource),
        ("All", BadSource),
        ("unix", BadSource),
        ("unix:/run/x", BadSource),
        ("UNIX:", BadSource),
        ("localhost", BadSource),
        ("example.org", BadSource),
        ("*", BadSource),
        ("192.0.2", BadSource),
        ("192.0.2.1.5", BadSource),
        ("192.0.2.256", BadSource),
        ("192.0.2.01", BadSource),
        ("010.0.0.0/8", BadSource),
        ("10/8", BadSource),
        (" 192.0.2.1", BadSource),
        ("192.0.2.1 ", BadSource),
        ("192.0.2.1\n", BadSource),
        ("192.0.2.1\0", BadSource),
        ("192.0.2.1:80", BadSource),
        ("[::1]", BadSource),
        ("::1%lo", BadSource),
        ("1::2::3", BadSource),
        (":1", BadSource),
        ("12345::", BadSource),
        ("/8", BadSource),
        ("/", BadSource),
        ("all/0", BadSource),
        ("unix:/8", BadSource),
        ("192.0.2.1 /24", BadSource),
        ("0x7f.0.0.1", BadSource),
        ("2130706433", BadSource),
        ("192.0.2.0/", BadPrefix),
        ("192.0.2.0/33", BadPrefix),
        ("192.0.2.0/128", BadPrefix),
        ("192.0.2.0/-1", BadPrefix),
        ("192.0.2.0/+8", BadPrefix),
        ("192.0.2.0/08", BadPrefix),
        ("192.0.2.0/ 8", BadPrefix),
        ("192.0.2.0/8 ", BadPrefix),
        ("192.0.2.0/8/8", BadPrefix),
        ("192.0.2.0/255.255.255.0", BadPrefix),
        ("192.0.2.0/x", BadPrefix),
        ("192.0.2.0/256", BadPrefix),
        ("192.0.2.0/264", BadPrefix),
        ("192.0.2.0/99999999999999999999", BadPrefix),
        ("::/129", BadPrefix),
        ("::/", BadPrefix),
        ("::/1000", BadPrefix),
        ("2001:db8::/032", BadPrefix),
        // As many spaces as the longest text has room for, and a text longer than it.
        ("                                             ", BadSource),
        ("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", BadSource),
    ] {
        assert_eq!(Rule::parse(source, Require, 0), Err(error), "{source:?}");
        assert!(!error.text().is_empty() && error.to_string() == error.text());
    }
    assert_ne!(BadSource.text(), BadPrefix.text());
}

/// Bits behind the prefix are worth a warning, and do not count.
#[test]
fn bits_behind_the_prefix_are_cleared() {
    for (source, clean) in [
        ("192.0.2.1/24", "192.0.2.0/24"),
        ("192.0.2.129/25", "192.0.2.128/25"),
        ("192.0.2.1/0", "0.0.0.0/0"),
        ("192.0.2.1/31", "192.0.2.0/31"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("ffff::/1", "8000::/1"),
        ("2001:db8::ffff/127", "2001:db8::fffe/127"),
        ("::1/0", "::/0"),
        ("::ffff:192.0.2.1/120", "192.0.2.0/24"),
    ] {
        let (dirty, cleared) = Rule::parse(source, Require, 0).unwrap();
        assert!(cleared, "{source}");
        let (clean, cleared) = Rule::parse(clean, Require, 0).unwrap();
        assert!(!cleared && dirty.same(&clean), "{source}");
    }
}

#[test]
fn policies_have_words() {
    let words = ["require", "optional", "strip", "direct", "refuse"];
    for (policy, word) in Policy::ALL.into_iter().zip(words) {
        assert_eq!(policy.name(), word);
        assert_eq!(Policy::from_name(word.as_bytes()), Some(policy));
        assert_eq!(Policy::from_number(policy as i32), Some(policy));
        assert_eq!(policy.reads(), [Require, Optional, Strip].contains(&policy));
    }
    for word in ["", "Require", "requir", "requires", "off", "all", " require", "require\0"] {
        assert_eq!(Policy::from_name(word.as_bytes()), None, "{word:?}");
    }
    for number in [0, 6, -1, 255, 257, i32::MIN, i32::MAX] {
        assert_eq!(Policy::from_number(number), None, "{number}");
    }
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    let list = [
        rule("all", Refuse),
        rule("10.0.0.0/8", Require),
        rule("10.1.0.0/16", Optional),
        rule("10.1.2.0/24", Strip),
        rule("10.1.2.3", Direct),
        rule("2001:db8::/32", Require),
        rule("2001:db8::1", Direct),
        rule("unix:", Optional),
    ];
    let answers = [
        (ip("10.1.2.3"), Direct),
        (ip("10.1.2.4"), Strip),
        (ip("10.1.3.1"), Optional),
        (ip("10.2.0.1"), Require),
        (ip("11.0.0.0"), Refuse),
        (ip("9.255.255.255"), Refuse),
        (ip("10.255.255.255"), Require),
        (ip("2001:db8::1"), Direct),
        (ip("2001:db8::2"), Require),
        (ip("2001:db9::"), Refuse),
        (Peer::Unix, Optional),
        (ip("::ffff:10.1.2.3"), Direct),
    ];
    for turn in 0..list.len() {
        for reverse in [false, true] {
            let mut rules = list;
            rules.rotate_left(turn);
            if reverse {
                rules.reverse();
            }
            let rules = Rules::prepare(&mut rules).unwrap();
            for (peer, policy) in answers {
                assert_eq!(rules.find(peer), Some(policy), "{peer:?}");
            }
        }
    }
}

#[test]
fn siblings_and_edges() {
    let mut rules = [
        rule("192.0.2.0/25", Require),
        rule("192.0.2.128/25", Optional),
        rule("0.0.0.0", Direct),
        rule("255.255.255.255", Strip),
        rule("203.0.113.0/24", Refuse),
    ];
    let rules = Rules::prepare(&mut rules).unwrap();
    for (peer, policy) in [
        ("192.0.2.0", Some(Require)),
        ("192.0.2.127", Some(Require)),
        ("192.0.2.128", Some(Optional)),
        ("192.0.2.255", Some(Optional)),
        ("192.0.1.255", None),
        ("192.0.3.0", None),
        ("0.0.0.0", Some(Direct)),
        ("0.0.0.1", None),
        ("255.255.255.255", Some(Strip)),
        ("255.255.255.254", None),
        ("203.0.113.77", Some(Refuse)),
        ("::", None),
        ("::1", None),
        ("ffff::", None),
    ] {
        assert_eq!(rules.find(ip(peer)), policy, "{peer}");
    }
    assert_eq!(rules.find(Peer::Unix), None);
}

#[test]
fn ipv4_mapped_peers_match_the_rules_for_ipv4() {
    let mut rules = [rule("192.0.2.0/24", Require), rule("::/0", Strip)];
    let rules = Rules::prepare(&mut rules).unwrap();
    assert_eq!(rules.find(ip("::ffff:192.0.2.1")), Some(Require));
    assert_eq!(rules.find(ip("192.0.2.1")), Some(Require));
    // An IPv4 peer is no IPv6 peer, however it is written.
    assert_eq!(rules.find(ip("::ffff:198.51.100.1")), None);
    assert_eq!(rules.find(ip("198.51.100.1")), None);
    assert_eq!(rules.find(ip("::192.0.2.1")), Some(Strip));

    let mut rules = [rule("::ffff:192.0.2.0/120", Require), rule("::ffff:0:0/96", Strip)];
    let rules = Rules::prepare(&mut rules).unwrap();
    assert_eq!(rules.find(ip("192.0.2.1")), Some(Require));
    assert_eq!(rules.find(ip("::ffff:192.0.2.1")), Some(Require));
    assert_eq!(rules.find(ip("198.51.100.1")), Some(Strip));
    assert_eq!(rules.find(ip("::1")), None);
}

#[test]
fn unix_sockets_match_unix_or_all() {
    let find = |list: &mut [Rule], peer| Rules::prepare(list).unwrap().find(peer);
    assert_eq!(find(&mut [rule("unix:", Direct), rule("all", Require)], Peer::Unix), Some(Direct));
    assert_eq!(find(&mut [rule("all", Require)], Peer::Unix), Some(Require));
    assert_eq!(find(&mut [rule("0.0.0.0/0", Require), rule("::/0", Require)], Peer::Unix), None);
    assert_eq!(find(&mut [rule("unix:", Direct)], ip("127.0.0.1")), None);
    assert_eq!(find(&mut [], ip("127.0.0.1")), None);
    assert_eq!(find(&mut [], Peer::Unix), None);
}

#[test]
fn a_source_named_twice_is_an_error() {
    for (a, b) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("10.0.0.0/8", "10.9.8.7/8"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("2001:db8::/32", "2001:DB8::/32"),
        ("all", "all"),
        ("unix:", "unix:"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ] {
        for (first, second) in [(Require, Require), (Require, Direct)] {
            for order in [[40, 3], [3, 40]] {
                let mut rules = [
                    Rule::parse("198.51.100.0/24", Strip, 1).unwrap().0,
                    Rule::parse(a, first, order[0]).unwrap().0,
                    Rule::parse("2001:db8:1::/48", Strip, 2).unwrap().0,
                    Rule::parse(b, second, order[1]).unwrap().0,
                ];
                let duplicate = Rules::prepare(&mut rules).unwrap_err();
                assert_eq!(duplicate.tags, (3, 40), "{a} and {b}");
                assert!(!duplicate.to_string().is_empty());
            }
        }
    }
    // The same network of different lengths, or of different families, is no duplicate.
    for (a, b) in [
        ("10.0.0.0/8", "10.0.0.0/9"),
        ("0.0.0.0/0", "::/0"),
        ("0.0.0.0", "::"),
        ("0.0.0.0/0", "all"),
        ("unix:", "all"),
        ("192.0.2.1", "::192.0.2.1"),
    ] {
        assert!(Rules::prepare(&mut [rule(a, Require), rule(b, Require)]).is_ok(), "{a} and {b}");
    }
}

/// One rule of the naive search: family, first address, prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    All,
    Unix,
    V4(u32, u32),
    V6(u128, u32),
}

impl Source {
    fn text(self) -> String {
        match self {
            Source::All => "all".to_owned(),
            Source::Unix => "unix:".to_owned(),
            Source::V4(ip, prefix) => format!("{}/{prefix}", Ipv4Addr::from_bits(ip)),
            Source::V6(ip, prefix) => format!("{}/{prefix}", Ipv6Addr::from_bits(ip)),
        }
    }

    fn canonical(self) -> Source {
        let keep32 = |ip: u32, n: u32| if n == 0 { 0 } else { ip >> (32 - n) << (32 - n) };
        let keep128 = |ip: u128, n: u32| if n == 0 { 0 } else { ip >> (128 - n) << (128 - n) };
        match self {
            Source::V4(ip, prefix) => Source::V4(keep32(ip, prefix), prefix),
            Source::V6(ip, prefix) if prefix >= 96 && ip >> 32 == 0xffff => {
                Source::V4(keep32(ip as u32, prefix - 96), prefix - 96)
            }
            Source::V6(ip, prefix) => Source::V6(keep128(ip, prefix), prefix),
            other => other,
        }
    }

    /// How well it matches; the greatest wins.
    fn matches(self, peer: Peer) -> Option<u32> {
        let ip = match (self, peer) {
            (Source::All, _) => return Some(0),
            (Source::Unix, Peer::Unix) => return Some(1),
            (_, Peer::Unix) | (Source::Unix, _) => return None,
            (_, Peer::Ip(ip)) => ip.to_canonical(),
        };
        match (self, ip) {
            (Source::V4(first, n), IpAddr::V4(ip)) => {
                (n == 0 || (first ^ ip.to_bits()) >> (32 - n) == 0).then_some(n + 1)
            }
            (Source::V6(first, n), IpAddr::V6(ip)) => {
                (n == 0 || (first ^ ip.to_bits()) >> (128 - n) == 0).then_some(n + 1)
            }
            _ => None,
        }
    }
}

/// Few different bits, so that prefixes nest, meet and repeat.
fn narrow32() -> impl Strategy<Value = u32> {
    prop_oneof![
        (0..16_u32, 0..4_u32).prop_map(|(high, low)| 0x0a00_0000 | high << 20 | low),
        select(vec![0, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0xc000_0201]),
        any::<u32>(),
    ]
    .boxed()
}

fn narrow128() -> impl Strategy<Value = u128> {
    let db8 = 0x2001_0db8_u128 << 96;
    prop_oneof![
        (0..8_u128, 0..4_u128).prop_map(move |(high, low)| db8 | high << 90 | low),
        narrow32().prop_map(|v4| 0xffff_u128 << 32 | u128::from(v4)),
        select(vec![0, 1, u128::MAX, 1 << 127, 0xffff_u128 << 32, 0xfffe_u128 << 32]),
    ]
    .boxed()
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        1 => Just(Source::All),
        1 => Just(Source::Unix),
        8 => (narrow32(), 0..=32_u32).prop_map(|(ip, prefix)| Source::V4(ip, prefix)),
        8 => (narrow128(), 0..=128_u32).prop_map(|(ip, prefix)| Source::V6(ip, prefix)),
    ]
    .boxed()
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        1 => Just(Peer::Unix),
        8 => narrow32().prop_map(|ip| Peer::Ip(Ipv4Addr::from_bits(ip).into())),
        8 => narrow128().prop_map(|ip| Peer::Ip(Ipv6Addr::from_bits(ip).into())),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn as_a_search_of_all_rules(
        list in prop::collection::vec((source(), select(Policy::ALL.to_vec())), 0..40),
        peers in prop::collection::vec(peer(), 1..20),
    ) {
        let parsed: Vec<Rule> = list
            .iter()
            .enumerate()
            .map(|(tag, (source, policy))| Rule::parse(&source.text(), *policy, tag as u32).unwrap().0)
            .collect();
        for ((source, _), rule) in list.iter().zip(&parsed) {
            let cleared = Rule::parse(&source.text(), Require, 0).unwrap().1;
            let canonical = source.canonical();
            let (text, again) = (canonical.text(), Rule::parse(&canonical.text(), rule.policy().unwrap(), 0).unwrap());
            prop_assert!(again.0.same(rule) && !again.1, "{} and {}", source.text(), text);
            if let (Source::V4(a, _), Source::V4(b, _)) = (source, canonical) {
                prop_assert_eq!(cleared, *a != b);
            }
        }
        let mut twice = Vec::new();
        for (i, (a, _)) in list.iter().enumerate() {
            for (j, (b, _)) in list.iter().enumerate().skip(i + 1) {
                if a.canonical() == b.canonical() {
                    twice.push((i as u32, j as u32));
                }
            }
        }
        let mut sorted = parsed.clone();
        match Rules::prepare(&mut sorted) {
            Err(duplicate) => prop_assert!(twice.contains(&duplicate.tags), "{:?} of {:?}", duplicate, twice),
            Ok(rules) => {
                prop_assert!(twice.is_empty(), "{:?} went unnoticed", twice);
                for peer in peers {
                    let best = list
                        .iter()
                        .filter_map(|(source, policy)| Some((source.canonical().matches(peer)?, *policy)))
                        .max_by_key(|(length, _)| *length)
                        .map(|(_, policy)| policy);
                    prop_assert_eq!(rules.find(peer), best, "{:?} in {:?}", peer, list);
                }
            }
        }
        // Nothing is lost by sorting.
        let mut tags: Vec<u32> = sorted.iter().map(Rule::tag).collect();
        tags.sort_unstable();
        prop_assert_eq!(tags, (0..list.len() as u32).collect::<Vec<_>>());
    }

    /// An array that was never prepared gives some answer, and gives it soon.
    #[test]
    fn an_unprepared_array_is_harmless(
        list in prop::collection::vec((source(), select(Policy::ALL.to_vec())), 0..40),
        other in prop::collection::vec((source(), select(Policy::ALL.to_vec())), 0..40),
        peer in peer(),
    ) {
        let parse = |list: &[(Source, Policy)]| -> Vec<Rule> {
            list.iter().map(|(source, policy)| Rule::parse(&source.text(), *policy, 0).unwrap().0).collect()
        };
        let _ = Rules::from_prepared(&parse(&list)).find(peer);
        // Two prepared arrays joined: parents that point anywhere.
        let (mut first, mut second) = (parse(&list), parse(&other));
        let _ = (Rules::prepare(&mut first), Rules::prepare(&mut second));
        second.append(&mut first);
        let _ = Rules::from_prepared(&second).find(peer);
        second.reverse();
        let _ = Rules::from_prepared(&second).find(peer);
    }
}

/// 10,000 rules, nested in one another as deep as they go, in the worst orders.
#[test]
fn ten_thousand_rules() {
    let nested = (0..=32).map(|n| Source::V4(0x0a01_0203, n));
    let nested6 = (0..=128).map(|n| Source::V6(0x2001_0db8 << 96 | 0x1234_5678, n));
    let wide = (0..10_000 - 33 - 129).map(|i: u32| Source::V4(0xc000_0000 | i << 9, 24));
    let list: Vec<Source> = nested.chain(nested6).chain(wide).map(Source::canonical).collect();
    assert_eq!(list.len(), 10_000);
    let policy = |at: usize| Policy::ALL[at % 5];
    let parsed: Vec<Rule> = list
        .iter()
        .enumerate()
        .map(|(at, source)| Rule::parse(&source.text(), policy(at), at as u32).unwrap().0)
        .collect();
    let mut reversed = parsed.clone();
    reversed.reverse();
    let mut sorted_already = parsed.clone();
    Rules::prepare(&mut sorted_already).unwrap();
    for mut rules in [parsed, reversed, sorted_already] {
        let rules = Rules::prepare(&mut rules).unwrap();
        for (at, source) in list.iter().enumerate() {
            let peer: Peer = match *source {
                Source::V4(ip, _) => Peer::Ip(Ipv4Addr::from_bits(ip).into()),
                Source::V6(ip, _) => Peer::Ip(Ipv6Addr::from_bits(ip).into()),
                _ => Peer::Unix,
            };
            let naive = list
                .iter()
                .enumerate()
                .filter(|(other, _)| *other == at || *other < 162)
                .filter_map(|(other, source)| Some((source.matches(peer)?, policy(other))))
                .max_by_key(|(length, _)| *length)
                .map(|(_, policy)| policy);
            assert_eq!(rules.find(peer), naive, "{}", source.text());
        }
    }
}
