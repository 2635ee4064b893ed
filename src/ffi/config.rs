//! Policies and rules in C.

use core::ffi::{CStr, c_char};

use libc::{sockaddr, socklen_t};

use super::address::peer;
use super::{Error, Out, bytes, bytes_mut};
use crate::outcome::Outcome;
use crate::policy::Policy;
use crate::quiet::QuietError;
use crate::rules::{Rule, RuleError, Rules};

/// For realpeer_decide: no rule matched the source, which is to be refused.
pub const REALPEER_POLICY_NONE: i32 = 0;

/// The policy of a word.
///
/// @return REALPEER_POLICY_*; REALPEER_ERROR_BAD_POLICY;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `word` must be NULL or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_policy_parse(word: *const c_char, len: usize) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { bytes(word.cast::<u8>(), len) } {
        None => Error::InvalidArgument as i32,
        Some(word) => match Policy::from_name(word) {
            Some(policy) => policy as i32,
            None => Error::BadPolicy as i32,
        },
    }
}

/// The word of a policy, "none" for REALPEER_POLICY_NONE, "unknown" for any other
/// number. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_policy_name(policy: i32) -> *const c_char {
    let name: &CStr = match Policy::from_number(policy) {
        Some(policy) => policy.c_name(),
        None if policy == REALPEER_POLICY_NONE => c"none",
        None => c"unknown",
    };
    name.as_ptr()
}

/// Reads a source: an IPv4 or IPv6 address, a CIDR block, `unix:` or `all`.
///
/// @param policy REALPEER_POLICY_*
/// @param tag a number of the caller's, given back in the rule
/// @param out filled in where the text is a source, else left alone
/// @param out_size sizeof(realpeer_rule)
/// @return 0; 1 where bits behind the prefix were set, which are ignored: worth a
///   warning; REALPEER_ERROR_BAD_SOURCE, REALPEER_ERROR_BAD_PREFIX,
///   REALPEER_ERROR_BAD_POLICY, REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rule_parse(
    source: *const c_char,
    len: usize,
    policy: i32,
    tag: u32,
    out: *mut Rule,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let source = unsafe { bytes(source.cast::<u8>(), len) };
    let out = Out::new(out, out_size, size_of::<Rule>());
    let (Some(source), Some(out)) = (source, out) else { return Error::InvalidArgument as i32 };
    let Some(policy) = Policy::from_number(policy) else { return Error::BadPolicy as i32 };
    let Ok(source) = core::str::from_utf8(source) else { return Error::BadSource as i32 };
    match Rule::parse(source, policy, tag) {
        Ok((rule, bits_cleared)) => {
            // SAFETY: the caller's promise on `out`.
            unsafe { out.write(rule) };
            bits_cleared.into()
        }
        Err(RuleError::BadSource) => Error::BadSource as i32,
        Err(RuleError::BadPrefix) => Error::BadPrefix as i32,
    }
}

/// Says with which results refusals are ordinary for the source of a rule, such as
/// those of health checks that send no header: "quiet=no_header,timeout".
///
/// @param rule that realpeer_rule_parse has filled in; left alone unless the text is
///   right
/// @return 0; REALPEER_ERROR_BAD_QUIET, REALPEER_ERROR_NEVER_REFUSED,
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `rule` must be NULL or writable, `parameter` NULL or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rule_set_quiet(
    rule: *mut Rule,
    parameter: *const c_char,
    len: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (rule, parameter) = unsafe { (rule_mut(rule), bytes(parameter.cast::<u8>(), len)) };
    let (Some(rule), Some(parameter)) = (rule, parameter) else {
        return Error::InvalidArgument as i32;
    };
    let Ok(parameter) = core::str::from_utf8(parameter) else { return Error::BadQuiet as i32 };
    match rule.with_quiet(parameter) {
        Ok(quiet) => {
            *rule = quiet;
            0
        }
        Err(QuietError::BadResult) => Error::BadQuiet as i32,
        Err(QuietError::NeverRefused) => Error::NeverRefused as i32,
    }
}

/// Prepares an array of rules for realpeer_rules_find: sorts it in place. The
/// longest prefix that matches decides, whatever the order was.
///
/// @param duplicate NULL, or room for the tags of two rules for one source, the
///   smaller first; written only with REALPEER_ERROR_DUPLICATE_SOURCE
/// @return 0; REALPEER_ERROR_DUPLICATE_SOURCE, even where the policies agree;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `rules` must be NULL or an array of `count` rules that realpeer_rule_parse has
/// filled in, `duplicate` NULL or writable for two numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rules_prepare(
    rules: *mut Rule,
    count: usize,
    duplicate: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    let rules = unsafe { bytes_mut(rules, count) };
    let (Some(rules), true) = (rules, duplicate.is_aligned()) else {
        return Error::InvalidArgument as i32;
    };
    match Rules::prepare(rules) {
        Ok(_) => 0,
        Err(found) => {
            if !duplicate.is_null() {
                // SAFETY: not NULL and aligned; room for two is the caller's promise.
                unsafe { duplicate.cast::<[u32; 2]>().write(found.tags.into()) };
            }
            Error::DuplicateSource as i32
        }
    }
}

/// The policy for whoever connected. IPv4 addresses mapped into IPv6 match the
/// rules for IPv4; Unix sockets match `unix:` or `all`.
///
/// @param rules an array that realpeer_rules_prepare has prepared
/// @return REALPEER_POLICY_*; REALPEER_POLICY_NONE where no rule matches or the
///   address is of another family: refuse it; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `rules` must be NULL or an array of `count` rules, `peer` NULL or readable for
/// `peer_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rules_find(
    rules: *const Rule,
    count: usize,
    peer: *const sockaddr,
    peer_len: socklen_t,
) -> i32 {
    if peer.is_null() {
        return Error::InvalidArgument as i32;
    }
    // SAFETY: the caller's promises.
    let (rules, peer) = unsafe { (bytes(rules, count), self::peer(peer, peer_len)) };
    let Some(rules) = rules else { return Error::InvalidArgument as i32 };
    match peer.and_then(|peer| Rules::from_prepared(rules).find(peer)) {
        Some(policy) => policy as i32,
        None => REALPEER_POLICY_NONE,
    }
}

/// As realpeer_rules_find, and says which rule it is.
///
/// @param rule the rule that matches, within the array, or NULL where none does;
///   written unless an argument is invalid
/// @return as realpeer_rules_find
///
/// # Safety
/// As for realpeer_rules_find, and `rule` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rules_match(
    rules: *const Rule,
    count: usize,
    peer: *const sockaddr,
    peer_len: socklen_t,
    rule: *mut *const Rule,
) -> i32 {
    let out = Out::new(rule, size_of::<*const Rule>(), size_of::<*const Rule>());
    if peer.is_null() {
        return Error::InvalidArgument as i32;
    }
    // SAFETY: the caller's promises.
    let (rules, peer) = unsafe { (bytes(rules, count), self::peer(peer, peer_len)) };
    let (Some(rules), Some(out)) = (rules, out) else { return Error::InvalidArgument as i32 };
    let rule = peer.and_then(|peer| Rules::from_prepared(rules).find_rule(peer));
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(rule.map_or(core::ptr::null(), core::ptr::from_ref)) };
    rule.and_then(Rule::policy).map_or(REALPEER_POLICY_NONE, |policy| policy as i32)
}

/// The number that was given to realpeer_rule_parse: which of the caller's rules
/// this is, as preparing has sorted them.
///
/// @param rule of realpeer_rules_match
/// @return its tag; 0 for NULL
///
/// # Safety
/// `rule` must be NULL or a rule that realpeer_rule_parse has filled in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rule_tag(rule: *const Rule) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { self::rule(rule) }.map_or(0, Rule::tag)
}

/// Whether a refusal for this reason is ordinary for the source of a rule, and
/// nothing for the error log, by realpeer_rule_set_quiet or for every source
/// (realpeer_result_is_quiet).
///
/// @param rule of realpeer_rules_match; NULL where none matches
/// @param result REALPEER_RESULT_*
/// @return 1 or 0
///
/// # Safety
/// As for realpeer_rule_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rule_is_quiet(rule: *const Rule, result: i32) -> i32 {
    // SAFETY: the caller's promise.
    let rule = unsafe { self::rule(rule) };
    let is_quiet = |refusal: Outcome| match rule {
        Some(rule) => rule.is_quiet(refusal),
        None => refusal.is_quiet(),
    };
    Outcome::from_number(result).is_some_and(is_quiet).into()
}

/// # Safety
/// Unless NULL, `rule` must be readable and stay unchanged for `'a`.
unsafe fn rule<'a>(rule: *const Rule) -> Option<&'a Rule> {
    // SAFETY: the caller's promise, for one of them.
    unsafe { bytes(rule, if rule.is_null() { 0 } else { 1 }) }?.first()
}

/// # Safety
/// Unless NULL, `rule` must be writable, and be used by nothing else, for `'a`.
unsafe fn rule_mut<'a>(rule: *mut Rule) -> Option<&'a mut Rule> {
    // SAFETY: the caller's promise, for one of them.
    unsafe { bytes_mut(rule, if rule.is_null() { 0 } else { 1 }) }?.first_mut()
}

/// Whether two prepared arrays hold the same rules, quiet about the same results,
/// whatever their tags.
///
/// @return 1 or 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// Both must be NULL or arrays of that many rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_rules_equal(
    a: *const Rule,
    a_count: usize,
    b: *const Rule,
    b_count: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    match unsafe { (bytes(a, a_count), bytes(b, b_count)) } {
        (Some(a), Some(b)) => {
            let equal = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b));
            equal.into()
        }
        _ => Error::InvalidArgument as i32,
    }
}
