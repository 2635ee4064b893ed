//! What is quiet for the source of a rule, and which rule that is, in C.

#![cfg(feature = "ffi")]
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks)] // each argument is what the test is about
#![allow(clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, clippy::std_instead_of_core)]

use std::ptr::null;

use realpeer::ffi::*;
use realpeer::{Outcome, Policy, Rule, Rules};

fn quiet(rule: &mut Rule, parameter: &[u8]) -> i32 {
    // SAFETY: all of these are there.
    unsafe { realpeer_rule_set_quiet(rule, parameter.as_ptr().cast(), parameter.len()) }
}

#[test]
fn c_says_what_is_quiet_and_is_given_the_rule() {
    let (mut ours, _) = Rule::parse("127.0.0.0/8", Policy::Require, 7).unwrap();
    let before = ours;
    for (parameter, error) in [
        (&b"quiet=proxy"[..], Error::BadQuiet),
        (b"quiet=\xff", Error::BadQuiet),
        (b"quiet=untrusted", Error::NeverRefused),
    ] {
        assert_eq!(quiet(&mut ours, parameter), error as i32);
        assert_eq!(ours, before);
    }
    assert_eq!(quiet(&mut ours, b"quiet=no_header"), 0);

    let mut list = [Rule::parse("all", Policy::Refuse, 9).unwrap().0, ours];
    let rules = Rules::prepare(&mut list).unwrap().as_slice();
    let found = |ip: [u8; 4]| {
        let peer = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip) },
            sin_zero: [0; 8],
        };
        let len = size_of_val(&peer) as libc::socklen_t;
        let peer = (&raw const peer).cast();
        // SAFETY: the array and the address are there.
        unsafe {
            let mut found = null();
            let (array, count) = (rules.as_ptr(), rules.len());
            let policy = realpeer_rules_match(array, count, peer, len, &mut found);
            assert_eq!(realpeer_rules_find(array, count, peer, len), policy);
            found
        }
    };
    // SAFETY: they are rules of the array.
    unsafe {
        let (near, far) = (found([127, 0, 0, 1]), found([192, 0, 2, 1]));
        assert_eq!((realpeer_rule_tag(near), realpeer_rule_tag(far)), (7, 9));
        for (rule, result, wanted) in [
            (near, Outcome::NoHeader as i32, 1),
            (near, Outcome::Timeout as i32, 0),
            (near, Outcome::Silent as i32, 1),
            (near, Outcome::NoAddress as i32, 0),
            (near, 99, 0),
            (far, Outcome::NoHeader as i32, 0),
            (null(), Outcome::NoHeader as i32, 0),
            (null(), Outcome::Silent as i32, 1),
        ] {
            assert_eq!(realpeer_rule_is_quiet(rule, result), wanted, "{result}");
        }
    }
}
