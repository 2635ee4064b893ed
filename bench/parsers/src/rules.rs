//! The rules: how long it takes to find one, and to prepare them.

use std::collections::HashSet;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use realpeer::{Peer, Policy, Rule, Rules};

use crate::rows::Random;

pub const SIZES: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
/// Addresses that are looked up, different ones in random order.
const PEERS: usize = 8_192;

/// Nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub rules: usize,
    pub v4_hit: f64,
    pub v4_miss: f64,
    pub v6_hit: f64,
    pub v6_miss: f64,
    /// For the whole array of rules for IPv4.
    pub prepare: f64,
}

/// Rules of one family, and peers that some of them name, and that none names.
pub struct Set {
    pub rules: Vec<Rule>,
    pub hits: Vec<Peer>,
    pub misses: Vec<Peer>,
}

/// # Panics
/// Where a rule that was made is none.
#[must_use]
pub fn set(count: usize, v6: bool) -> Set {
    let mut random = Random(count as u64 + 1);
    let mut texts = HashSet::new();
    let mut inside = Vec::new();
    while texts.len() < count {
        // Blocks and single hosts, some of them within others.
        let prefix = 20 + random.below(13);
        let (ip, prefix): (IpAddr, _) =
            if v6 { (random.v6().into(), 4 * prefix) } else { (random.v4().into(), prefix) };
        let first = masked(ip, prefix);
        if texts.insert(format!("{first}/{prefix}")) {
            inside.push((first, prefix));
        }
    }
    let mut rules: Vec<Rule> =
        texts.iter().map(|text| Rule::parse(text, Policy::Require, 0).expect("a rule").0).collect();
    // In a hash table's order they are different each time.
    rules.sort_by_key(|rule| format!("{rule:?}"));
    let hits = (0..PEERS)
        .map(|_| {
            let (first, prefix) = inside[random.below(count as u32) as usize];
            let ip = match first {
                IpAddr::V4(ip) => {
                    let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
                    IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() | random.v4().to_bits() & host))
                }
                IpAddr::V6(ip) => {
                    let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
                    let bits = u128::from(random.bits()) << 64 | u128::from(random.bits());
                    IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() | bits & host))
                }
            };
            Peer::Ip(ip)
        })
        .collect();
    let mut sorted = rules.clone();
    let prepared = Rules::prepare(&mut sorted).expect("no two alike");
    let mut misses = Vec::new();
    while misses.len() < PEERS {
        let ip: IpAddr = if v6 { random.v6().into() } else { random.v4().into() };
        if prepared.find(Peer::Ip(ip)).is_none() {
            misses.push(Peer::Ip(ip));
        }
    }
    Set { rules, hits, misses }
}

fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & !host).into()
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & !host).into()
        }
    }
}

/// # Panics
/// Where rules that were made cannot be prepared.
#[must_use]
pub fn measure(count: usize, rounds: usize) -> Found {
    let (v4, v6) = (set(count, false), set(count, true));
    let mut prepare = f64::MAX;
    for _ in 0..rounds.min(200_000 / count).max(3) {
        let mut rules = v4.rules.clone();
        let start = Instant::now();
        black_box(Rules::prepare(black_box(&mut rules)).expect("no two alike"));
        prepare = prepare.min(start.elapsed().as_nanos() as f64);
    }
    let (mut in_v4, mut in_v6) = (v4.rules, v6.rules);
    let in_v4 = Rules::prepare(&mut in_v4).expect("no two alike");
    let in_v6 = Rules::prepare(&mut in_v6).expect("no two alike");
    let lists = [(in_v4, v4.hits), (in_v4, v4.misses), (in_v6, v6.hits), (in_v6, v6.misses)];
    let mut least = [f64::MAX; 4];
    for _ in 0..rounds {
        for ((rules, peers), least) in lists.iter().zip(&mut least) {
            *least = least.min(look_up(rules, peers));
        }
    }
    let [v4_hit, v4_miss, v6_hit, v6_miss] = least;
    Found { rules: count, v4_hit, v4_miss, v6_hit, v6_miss, prepare }
}

#[inline(never)]
fn look_up(rules: &Rules<'_>, peers: &[Peer]) -> f64 {
    let start = Instant::now();
    for &peer in peers {
        black_box(rules.find(black_box(peer)));
    }
    start.elapsed().as_nanos() as f64 / peers.len() as f64
}
