//! Which source may say what: address prefixes and their policies.
#![forbid(unsafe_code)]

use core::cmp::Ordering;
use core::ffi::CStr;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::address::canonical_ip;
use crate::outcome::{Outcome, text_of};
use crate::policy::Policy;
use crate::quiet::{self, QuietError};
use crate::scan;

/// Who connected.
///
/// ```
/// use realpeer::{Peer, Policy, Rule, Rules};
/// use std::net::Ipv4Addr;
///
/// let mut list = [Rule::parse("unix:", Policy::Require, 0)?.0];
/// let rules = Rules::prepare(&mut list)?;
/// assert_eq!(rules.find(Peer::Unix), Some(Policy::Require));
/// assert_eq!(rules.find(Peer::Ip(Ipv4Addr::LOCALHOST.into())), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Over IP, from this address.
    Ip(IpAddr),
    /// Over a Unix socket.
    Unix,
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        Peer::Ip(ip)
    }
}

/// What a rule is for, in the order in which rules are sorted.
const ALL: u8 = 0;
const UNIX: u8 = 1;
const INET: u8 = 2;
const INET6: u8 = 3;
const NO_PARENT: u32 = u32::MAX;

/// A source and its policy. Put them into an array and [prepare](Rules::prepare)
/// that; how it is laid out inside is not part of the interface.
///
/// # Examples
/// ```
/// use realpeer::{Policy, Rule};
///
/// let (rule, bits_cleared) = Rule::parse("10.0.1.0/24", Policy::Require, 7)?;
/// assert_eq!((rule.policy(), rule.tag()), (Some(Policy::Require), 7));
/// assert!(!bits_cleared);
/// # Ok::<(), realpeer::RuleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Rule {
    /// First address of the prefix, IPv4 in the first four bytes.
    ip: [u8; 16],
    /// The smallest rule that contains this one, by its place in the array.
    parent: u32,
    /// A number of the caller's, for example a line of a configuration file.
    tag: u32,
    kind: u8,
    prefix: u8,
    policy: u8,
    reserved: u8,
    /// Results whose lines are not for the error log, a bit for each.
    quiet: u32,
}

/// Why the text of a source is no rule.
///
/// ```
/// use realpeer::{Policy, Rule, RuleError};
///
/// let error = Rule::parse("10.0.1.0/33", Policy::Require, 0).unwrap_err();
/// assert_eq!(error, RuleError::BadPrefix);
/// assert!(error.to_string().starts_with("the prefix length must be"));
/// assert_eq!(Rule::parse("balancer", Policy::Require, 0), Err(RuleError::BadSource));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleError {
    /// Neither an address, nor `unix:`, nor `all`.
    BadSource,
    /// What follows the slash is no number, or more bits than the address has.
    BadPrefix,
}

impl RuleError {
    /// A phrase that says what is wrong, fit to stand in a message.
    ///
    /// ```
    /// use realpeer::RuleError;
    ///
    /// assert!(RuleError::BadSource.text().starts_with("not an IPv4 or IPv6 address"));
    /// ```
    #[must_use]
    pub const fn text(self) -> &'static str {
        text_of(self.c_text())
    }

    pub(crate) const fn c_text(self) -> &'static CStr {
        match self {
            RuleError::BadSource => {
                c"not an IPv4 or IPv6 address, a CIDR block, \"unix:\" or \"all\""
            }
            RuleError::BadPrefix => {
                c"the prefix length must be 0 to 32 for IPv4, 0 to 128 for IPv6"
            }
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl core::error::Error for RuleError {}

/// Two rules for one source.
///
/// ```
/// use realpeer::{Policy, Rule, Rules};
///
/// let mut list = [
///     Rule::parse("10.0.0.0/8", Policy::Require, 12)?.0, // of line 12
///     Rule::parse("::ffff:10.0.0.0/104", Policy::Direct, 14)?.0,
/// ];
/// assert_eq!(Rules::prepare(&mut list).unwrap_err().tags, (12, 14));
/// # Ok::<(), realpeer::RuleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Duplicate {
    /// Tags of the two, the smaller one first.
    pub tags: (u32, u32),
}

impl Duplicate {
    pub(crate) const TEXT: &'static CStr = c"the same source is named twice";
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(Self::TEXT))
    }
}

impl core::error::Error for Duplicate {}

impl Rule {
    /// Reads a source: an address, a CIDR block, `unix:` or `all`. The flag says
    /// whether bits behind the prefix were set, and have been cleared.
    ///
    /// A block within `::ffff:0:0/96` is the IPv4 block it maps.
    ///
    /// # Errors
    /// [`RuleError`] says what is wrong with the text.
    ///
    /// ```
    /// use realpeer::{Policy, Rule};
    ///
    /// for source in ["192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "unix:", "all"] {
    ///     assert!(Rule::parse(source, Policy::Require, 0).is_ok());
    /// }
    ///
    /// // Whoever meant one host wrote a whole network.
    /// let (rule, bits_cleared) = Rule::parse("10.1.2.3/8", Policy::Require, 0)?;
    /// assert!(bits_cleared);
    /// assert!(rule.same(&Rule::parse("10.0.0.0/8", Policy::Require, 1)?.0));
    /// # Ok::<(), realpeer::RuleError>(())
    /// ```
    pub fn parse(source: &str, policy: Policy, tag: u32) -> Result<(Rule, bool), RuleError> {
        let rule = |kind, ip, prefix| Rule {
            ip,
            parent: NO_PARENT,
            tag,
            kind,
            prefix,
            policy: policy as u8,
            reserved: 0,
            quiet: 0,
        };
        match source {
            "all" => return Ok((rule(ALL, [0; 16], 0), false)),
            "unix:" => return Ok((rule(UNIX, [0; 16], 0), false)),
            _ => {}
        }
        let mut parts = source.as_bytes().splitn(2, |&byte| byte == b'/');
        let ip = parts.next().and_then(scan::ip).ok_or(RuleError::BadSource)?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match parts.next() {
            None => bits,
            Some(text) => {
                prefix_len(text).filter(|&len| len <= bits).ok_or(RuleError::BadPrefix)?
            }
        };
        let (kind, full, prefix) = match canonical_ip(ip) {
            IpAddr::V4(v4) if ip.is_ipv4() => (INET, from_v4(v4), prefix),
            IpAddr::V4(v4) if prefix >= 96 => (INET, from_v4(v4), prefix.saturating_sub(96)),
            _ => match ip {
                IpAddr::V6(v6) => (INET6, v6.octets(), prefix),
                IpAddr::V4(v4) => (INET, from_v4(v4), prefix),
            },
        };
        let masked = mask(full, prefix);
        Ok((rule(kind, masked, prefix), masked != full))
    }

    /// The caller's number.
    ///
    /// ```
    /// use realpeer::{Policy, Rule};
    ///
    /// assert_eq!(Rule::parse("all", Policy::Require, 7)?.0.tag(), 7);
    /// # Ok::<(), realpeer::RuleError>(())
    /// ```
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// The policy.
    ///
    /// ```
    /// use realpeer::{Policy, Rule};
    ///
    /// assert_eq!(Rule::parse("all", Policy::Strip, 0)?.0.policy(), Some(Policy::Strip));
    /// # Ok::<(), realpeer::RuleError>(())
    /// ```
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        Policy::from_number(i32::from(self.policy))
    }

    /// The same rule with refusals that are ordinary for its source, such as those of
    /// health checks that send no header: `quiet=` and words of results, with commas
    /// between them.
    ///
    /// # Errors
    /// [`QuietError`], where these are no words of results, or of results with which
    /// the policy refuses nothing.
    ///
    /// ```
    /// use realpeer::{Outcome, Policy, Rule};
    ///
    /// let (checks, _) = Rule::parse("10.0.0.0/24", Policy::Require, 0)?;
    /// let checks = checks.with_quiet("quiet=no_header,timeout")?;
    /// assert!(checks.is_quiet(Outcome::NoHeader) && checks.is_quiet(Outcome::Timeout));
    /// assert!(!checks.is_quiet(Outcome::BadV1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_quiet(self, parameter: &str) -> Result<Rule, QuietError> {
        let policy = self.policy().ok_or(QuietError::NeverRefused)?;
        Ok(Rule { quiet: quiet::parse(parameter, policy)?, ..self })
    }

    /// Whether a refusal with this result is ordinary for the source of this rule, and
    /// nothing for the error log. What is quiet [for every
    /// source](Outcome::is_quiet) is so for this one.
    ///
    /// ```
    /// use realpeer::{Outcome, Policy, Rule};
    ///
    /// let (rule, _) = Rule::parse("10.0.0.0/24", Policy::Require, 0)?;
    /// assert!(rule.is_quiet(Outcome::Silent));
    /// assert!(!rule.is_quiet(Outcome::NoHeader));
    /// # Ok::<(), realpeer::RuleError>(())
    /// ```
    #[must_use]
    pub fn is_quiet(&self, refusal: Outcome) -> bool {
        refusal.is_quiet() || self.quiet & quiet::bit(refusal) != 0
    }

    /// Whether both name the same source and policy, and are quiet about the same
    /// results.
    ///
    /// ```
    /// use realpeer::{Policy, Rule};
    ///
    /// let (inherited, _) = Rule::parse("::ffff:192.0.2.1", Policy::Direct, 1)?;
    /// let (repeated, _) = Rule::parse("192.0.2.1/32", Policy::Direct, 2)?;
    /// assert!(inherited.same(&repeated));
    /// # Ok::<(), realpeer::RuleError>(())
    /// ```
    #[must_use]
    pub fn same(&self, other: &Rule) -> bool {
        self.order(other) == Ordering::Equal
            && self.policy == other.policy
            && self.quiet == other.quiet
    }

    /// By kind, then first address, then the wider prefix first.
    fn order(&self, other: &Rule) -> Ordering {
        (self.kind, self.ip, self.prefix).cmp(&(other.kind, other.ip, other.prefix))
    }

    /// Its kind and first address, as a [`Key`].
    fn key(&self) -> Key {
        (self.kind, u128::from_be_bytes(self.ip))
    }

    fn contains(&self, (kind, ip): Key) -> bool {
        let differing = u128::from_be_bytes(self.ip) ^ ip;
        self.kind == kind && differing.leading_zeros() >= u32::from(self.prefix)
    }
}

/// A prefix length as people write it: digits, no sign, no heading zero.
fn prefix_len(text: &[u8]) -> Option<u8> {
    scan::whole(text, |cursor| cursor.octet(b' '))
}

fn from_v4(ip: Ipv4Addr) -> [u8; 16] {
    let [a, b, c, d] = ip.octets();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Keeps the first `prefix` bits.
fn mask(ip: [u8; 16], prefix: u8) -> [u8; 16] {
    let dropped = 128_u32.saturating_sub(u32::from(prefix));
    let bits = u128::MAX.checked_shl(dropped).unwrap_or(0);
    (u128::from_be_bytes(ip) & bits).to_be_bytes()
}

/// Rules that have been prepared for look-up. The longest prefix that matches
/// decides, whatever the order in which the rules were written.
///
/// ```
/// use realpeer::{Policy, Rule, Rules};
/// use std::net::IpAddr;
///
/// let mut rules = [
///     Rule::parse("10.0.0.0/8", Policy::Require, 1)?.0,
///     Rule::parse("10.1.2.3", Policy::Direct, 2)?.0,
/// ];
/// let rules = Rules::prepare(&mut rules)?;
/// let policy = |ip: &str| rules.find(ip.parse::<IpAddr>().unwrap().into());
/// assert_eq!(policy("10.1.2.3"), Some(Policy::Direct));
/// assert_eq!(policy("::ffff:10.9.9.9"), Some(Policy::Require));
/// assert_eq!(policy("192.0.2.1"), None); // to be refused
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    sorted: &'a [Rule],
}

impl<'a> Rules<'a> {
    /// Sorts the array in place (`n log n`, no memory taken) and links each rule
    /// to the one that contains it.
    ///
    /// # Errors
    /// [`Duplicate`] where a source is named twice, even with the same policy.
    ///
    /// ```
    /// use realpeer::{Policy, Rule, Rules};
    ///
    /// let mut list = [
    ///     Rule::parse("all", Policy::Direct, 0)?.0,
    ///     Rule::parse("10.0.1.0/24", Policy::Require, 0)?.0,
    /// ];
    /// assert!(Rules::prepare(&mut list).is_ok());
    ///
    /// // For servers whose threads share them as long as they run:
    /// let rules: Rules<'static> = Rules::prepare(list.to_vec().leak())?;
    /// # assert_eq!(rules.as_slice().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prepare(rules: &'a mut [Rule]) -> Result<Rules<'a>, Duplicate> {
        sort(rules);
        for pair in rules.windows(2) {
            if let [a, b] = pair {
                if a.order(b) == Ordering::Equal {
                    let tags = (a.tag.min(b.tag), a.tag.max(b.tag));
                    return Err(Duplicate { tags });
                }
            }
        }
        for i in 0..rules.len() {
            let Some(&rule) = rules.get(i) else { break };
            // The rule before this one, or one of those that contain that one, is
            // the smallest that contains this one.
            let mut candidate = i.checked_sub(1);
            while let Some(outer) = candidate.and_then(|at| rules.get(at)) {
                if outer.contains(rule.key()) {
                    break;
                }
                candidate = index(outer.parent);
            }
            if let Some(rule) = rules.get_mut(i) {
                rule.parent = candidate.and_then(|at| u32::try_from(at).ok()).unwrap_or(NO_PARENT);
            }
        }
        Ok(Rules { sorted: rules })
    }

    /// Takes an array for one that was prepared before. Look-ups in one that was
    /// not find the wrong rules, and nothing worse.
    ///
    /// ```
    /// use realpeer::{Peer, Policy, Rule, Rules};
    ///
    /// /// What all connections share, without a lifetime.
    /// struct Shared(Vec<Rule>);
    ///
    /// let mut list = vec![Rule::parse("unix:", Policy::Direct, 0)?.0];
    /// Rules::prepare(&mut list)?;
    /// let shared = Shared(list);
    ///
    /// assert_eq!(Rules::from_prepared(&shared.0).find(Peer::Unix), Some(Policy::Direct));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_prepared(rules: &'a [Rule]) -> Rules<'a> {
        Rules { sorted: rules }
    }

    /// The rules in their order of look-up.
    ///
    /// ```
    /// use realpeer::{Policy, Rule, Rules};
    ///
    /// let mut list = [
    ///     Rule::parse("192.0.2.1", Policy::Direct, 1)?.0,
    ///     Rule::parse("all", Policy::Require, 2)?.0,
    /// ];
    /// let rules = Rules::prepare(&mut list)?;
    /// let tags: Vec<_> = rules.as_slice().iter().map(Rule::tag).collect();
    /// assert_eq!(tags, [2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> &'a [Rule] {
        self.sorted
    }

    /// The policy for a peer; `None` if no rule matches: refuse it. An IPv4 peer
    /// mapped into IPv6 matches the rules for IPv4, and only those and `all`.
    ///
    /// ```
    /// use realpeer::{Policy, Rule, Rules};
    /// use std::net::SocketAddr;
    ///
    /// let mut list = [Rule::parse("10.0.1.0/24", Policy::Require, 0)?.0];
    /// let rules = Rules::prepare(&mut list)?;
    /// let balancer: SocketAddr = "[::ffff:10.0.1.9]:41234".parse()?;
    /// assert_eq!(rules.find(balancer.ip().into()), Some(Policy::Require));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn find(&self, peer: Peer) -> Option<Policy> {
        self.find_rule(peer)?.policy()
    }

    /// The rule that decides about a peer; `None` if none matches: refuse it.
    ///
    /// ```
    /// use realpeer::{Peer, Policy, Rule, Rules};
    /// use std::net::Ipv4Addr;
    ///
    /// let lines = ["10.0.1.0/24", "10.0.1.9", "all"];
    /// let mut list = Vec::new();
    /// for (line, source) in lines.into_iter().enumerate() {
    ///     list.push(Rule::parse(source, Policy::Require, line as u32)?.0);
    /// }
    /// let rules = Rules::prepare(&mut list)?;
    /// let rule = rules.find_rule(Peer::Ip(Ipv4Addr::new(10, 0, 1, 9).into()));
    /// assert_eq!(rule.map(Rule::tag), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn find_rule(&self, peer: Peer) -> Option<&'a Rule> {
        let key = match peer {
            Peer::Unix => (UNIX, 0),
            Peer::Ip(ip) => match canonical_ip(ip) {
                IpAddr::V4(v4) => (INET, u128::from(v4.to_bits()) << 96),
                IpAddr::V6(v6) => (INET6, v6.to_bits()),
            },
        };
        self.longest(key).or_else(|| self.all())
    }

    fn longest(&self, key: Key) -> Option<&'a Rule> {
        let behind = match key {
            // All there is to compare in one word, which is half the work.
            (INET, _) => {
                let short = short_key(key);
                self.sorted.partition_point(|rule| short_key(rule.key()) <= short)
            }
            _ => self.sorted.partition_point(|rule| is_at_most(rule.key(), key)),
        };
        let mut candidate = behind.checked_sub(1);
        // A parent lies in front of its rule. Insisting on that bounds the loop
        // even in an array that was never prepared.
        let mut below = behind;
        while let Some(at) = candidate.filter(|&at| at < below) {
            let rule = self.sorted.get(at)?;
            if rule.contains(key) {
                return Some(rule);
            }
            below = at;
            candidate = index(rule.parent);
        }
        None
    }

    fn all(&self) -> Option<&'a Rule> {
        self.sorted.first().filter(|rule| rule.kind == ALL)
    }
}

/// A kind and an address, IPv4 in the upper bits: the order of all rules.
type Key = (u8, u128);

/// Orders rules for IPv4, in front of them those of kinds that come before and
/// behind them those that come after.
#[allow(clippy::cast_possible_truncation)] // the upper 32 of 128 bits
fn short_key((kind, ip): Key) -> u64 {
    u64::from(kind) << 32 | (ip >> 96) as u64
}

/// As `a <= b`, without branches: in a search they would be guessed wrong half the
/// time.
fn is_at_most(a: Key, b: Key) -> bool {
    (a.0 < b.0) | ((a.0 == b.0) & (a.1 <= b.1))
}

fn index(parent: u32) -> Option<usize> {
    if parent == NO_PARENT { None } else { usize::try_from(parent).ok() }
}

/// Heapsort: in place, no worst case beyond `n log n`, and no panic on an order
/// that is inconsistent, which the standard library's sort may have.
fn sort(rules: &mut [Rule]) {
    for root in (0..rules.len() / 2).rev() {
        sift_down(rules, root);
    }
    for end in (1..rules.len()).rev() {
        swap(rules, 0, end);
        if let Some(heap) = rules.get_mut(..end) {
            sift_down(heap, 0);
        }
    }
}

fn sift_down(heap: &mut [Rule], mut root: usize) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let largest = if is_less(heap, left, right) { right } else { left };
        if !is_less(heap, root, largest) {
            return;
        }
        swap(heap, root, largest);
        root = largest;
    }
}

/// Whether both exist and the first belongs in front of the second.
fn is_less(rules: &[Rule], a: usize, b: usize) -> bool {
    match (rules.get(a), rules.get(b)) {
        (Some(a), Some(b)) => a.order(b) == Ordering::Less,
        _ => false,
    }
}

fn swap(rules: &mut [Rule], a: usize, b: usize) {
    if let (Some(&first), Some(&second)) = (rules.get(a), rules.get(b)) {
        if let Some(slot) = rules.get_mut(a) {
            *slot = second;
        }
        if let Some(slot) = rules.get_mut(b) {
            *slot = first;
        }
    }
}
