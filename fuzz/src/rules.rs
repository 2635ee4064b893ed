//! Rules: their text against the standard library's parsers, and look-ups against a
//! search of all rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Result, Unstructured};
use realpeer::{Peer, Policy, Rule, RuleError, Rules};

pub fn check(data: &[u8]) {
    text(data);
    // Too few bytes are no input; what is made of them is not worth a look.
    let _ = look_ups(&mut Unstructured::new(data));
}

/// What a source is: the first bits of an address, `unix:` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    All,
    Unix,
    /// IPv4 addresses stand in the block that maps them into IPv6, where no rule for
    /// IPv6 may reach: that is what `v4` is for.
    Block {
        v4: bool,
        bits: u128,
        prefix: u32,
    },
}

const MAPPED: u128 = 0xffff << 32;

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

fn block(ip: IpAddr, prefix: u32) -> (Source, bool) {
    let (bits, prefix) = match ip {
        IpAddr::V4(v4) => (MAPPED | u128::from(v4.to_bits()), prefix + 96),
        IpAddr::V6(v6) => (v6.to_bits(), prefix),
    };
    let v4 = prefix >= 96 && bits >> 32 == MAPPED >> 32;
    let source = Source::Block { v4, bits: bits & mask(prefix), prefix };
    (source, bits & !mask(prefix) != 0)
}

impl Source {
    /// The text of a source, read in the plainest way.
    fn read(text: &str) -> std::result::Result<(Source, bool), RuleError> {
        match text {
            "all" => return Ok((Source::All, false)),
            "unix:" => return Ok((Source::Unix, false)),
            _ => {}
        }
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| RuleError::BadSource)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(text) => {
                let number = text.parse::<u32>().ok().filter(|n| n.to_string() == text);
                number.filter(|&n| n <= most).ok_or(RuleError::BadPrefix)?
            }
        };
        Ok(block(ip, prefix))
    }

    /// How narrow the rule is, if it is one for this peer.
    fn matches(self, peer: Peer) -> Option<u32> {
        let (Source::Block { v4, bits, prefix }, Peer::Ip(ip)) = (self, peer) else {
            let unix = self == Source::Unix && peer == Peer::Unix;
            return (unix || self == Source::All).then_some(u32::from(unix));
        };
        let (Source::Block { v4: its_v4, bits: its_bits, .. }, _) =
            block(ip, if ip.is_ipv4() { 32 } else { 128 })
        else {
            return None;
        };
        (v4 == its_v4 && its_bits & mask(prefix) == bits).then_some(prefix + 1)
    }
}

/// Text that is nearly a source.
fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(60)]) else { return };
    let seen = Rule::parse(text, Policy::Require, 7);
    let wanted = Source::read(text);
    assert_eq!(seen.map(|(_, rest)| rest), wanted.map(|(_, rest)| rest), "{text:?}");
    if let (Ok((rule, _)), Ok((source, _))) = (seen, wanted) {
        assert_eq!((rule.tag(), rule.policy()), (7, Some(Policy::Require)));
        // The rule alone finds what it is for, and not the next address.
        if let Source::Block { v4, bits, prefix } = source {
            let mut alone = [rule];
            let rules = Rules::prepare(&mut alone).expect("one rule");
            for bits in [bits, bits | !mask(prefix)] {
                // A block of IPv6 may end within the addresses of IPv4, as ::/92 does.
                let peer = Peer::Ip(Ipv6Addr::from_bits(bits).to_canonical());
                let wanted = source.matches(peer).is_some();
                assert_eq!(rules.find(peer).is_some(), wanted, "{peer:?} and {text:?}");
                assert!(
                    wanted || (!v4 && bits >> 32 == MAPPED >> 32),
                    "{text:?} does not match itself"
                );
            }
        }
    }
}

/// An address of few bits, so that blocks hold each other and peers are within.
fn ip(input: &mut Unstructured<'_>) -> Result<IpAddr> {
    let narrow = |byte: u8| u32::from(byte >> 4) << 28 | u32::from(byte & 15);
    Ok(match input.int_in_range(0..=3)? {
        0 => Ipv4Addr::from_bits(narrow(input.arbitrary()?)).into(),
        1 => Ipv4Addr::from_bits(narrow(input.arbitrary()?)).to_ipv6_mapped().into(),
        2 => Ipv6Addr::from_bits(u128::from(narrow(input.arbitrary()?)).rotate_right(32)).into(),
        _ => Ipv6Addr::from_bits(input.arbitrary()?).into(),
    })
}

fn source(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=15)? {
        0 => "all".to_owned(),
        1 => "unix:".to_owned(),
        2 => ip(input)?.to_string(),
        _ => {
            let ip = ip(input)?;
            let prefix = input.int_in_range(0..=if ip.is_ipv4() { 32 } else { 128_u8 })?;
            format!("{ip}/{prefix}")
        }
    })
}

fn look_ups(input: &mut Unstructured<'_>) -> Result<()> {
    let (mut rules, mut sources) = (Vec::new(), Vec::new());
    for tag in 0..input.int_in_range(0..=40_u32)? {
        let text = source(input)?;
        let policy = *input.choose(&Policy::ALL)?;
        let (rule, _) = Rule::parse(&text, policy, tag).expect("a source");
        let (source, _) = Source::read(&text).expect("a source");
        rules.push(rule);
        sources.push((source, policy, tag));
    }
    let mut peers = vec![Peer::Unix];
    for _ in 0..12 {
        peers.push(ip(input)?.into());
    }
    // Never prepared: wrong answers, but answers.
    for &peer in &peers {
        let _ = Rules::from_prepared(&rules).find(peer);
    }
    let twice = |tags: (u32, u32)| {
        let of = |tag: u32| sources[tag as usize].0;
        tags.0 < tags.1 && of(tags.0) == of(tags.1)
    };
    let all_differ = sources
        .iter()
        .enumerate()
        .all(|(i, (source, ..))| sources[..i].iter().all(|(other, ..)| other != source));
    let prepared = match Rules::prepare(&mut rules) {
        Ok(prepared) => prepared,
        Err(duplicate) => {
            assert!(!all_differ && twice(duplicate.tags), "{duplicate:?}");
            return Ok(());
        }
    };
    assert!(all_differ, "a source named twice is not noticed");
    for peer in peers {
        let narrowest = sources
            .iter()
            .filter_map(|&(source, policy, _)| Some((source.matches(peer)?, policy)))
            .max_by_key(|&(narrow, _)| narrow);
        assert_eq!(prepared.find(peer), narrowest.map(|(_, policy)| policy), "{peer:?}");
    }
    Ok(())
}
