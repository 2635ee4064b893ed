//! The C functions called as C calls them: with NULL, with wrong sizes, with
//! numbers that are no enumerator. What they compute is in the other tests.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;

use std::ffi::{CStr, c_char};
use std::fs;
use std::mem::zeroed;
use std::path::Path;
use std::ptr::{null, null_mut};

use common::call::{INVALID, Room, c, rule, text};
use libc::{sockaddr, sockaddr_in, socklen_t};
use realpeer::ffi::*;
use realpeer::{Outcome, Policy, Rule};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

fn parse(data: &[u8], settings: *const realpeer_settings, settings_size: usize) -> i32 {
    let mut out = realpeer_header::default();
    unsafe {
        realpeer_parse(
            data.as_ptr(),
            data.len(),
            settings,
            settings_size,
            &mut out,
            size_of_val(&out),
        )
    }
}

fn decide(policy: i32, event: i32) -> i32 {
    let mut out: realpeer_decision = unsafe { zeroed() };
    unsafe {
        realpeer_decide(
            policy,
            null(),
            0,
            LINE.as_ptr(),
            LINE.len(),
            event,
            &mut out,
            size_of_val(&out),
        )
    }
}

// ---- the version

#[test]
fn the_version_is_the_packages_and_the_headers() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(text(realpeer_version()), version);
    let part = |text: &str| text.parse::<u32>().unwrap();
    let number = part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"));
    assert_eq!(realpeer_version_number(), number);

    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/realpeer.h");
    let header = fs::read_to_string(header).expect("the C header");
    for line in [
        format!("#define REALPEER_VERSION \"{version}\""),
        format!("#define REALPEER_VERSION_MAJOR {}", env!("CARGO_PKG_VERSION_MAJOR")),
        format!("#define REALPEER_VERSION_MINOR {}", env!("CARGO_PKG_VERSION_MINOR")),
        format!("#define REALPEER_VERSION_PATCH {}", env!("CARGO_PKG_VERSION_PATCH")),
        format!("#define REALPEER_VERSION_NUMBER 0x{number:08x}"),
    ] {
        assert!(header.lines().any(|other| other == line), "the header lacks {line}");
    }
}

// ---- texts

#[test]
fn every_number_has_a_name_and_a_text() {
    for number in (-300..300).chain([i32::MIN, i32::MAX]) {
        let (name, phrase) = (text(realpeer_result_name(number)), text(realpeer_strerror(number)));
        assert!(!name.is_empty() && !phrase.is_empty());
        let known = Outcome::from_number(number).is_some() || (-82..=-64).contains(&number);
        assert_eq!(name == "unknown", !known, "{number} is {name}");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(plain), "{name} is not fit for a label");
        assert!(phrase.is_ascii() && !phrase.bytes().any(|byte| byte.is_ascii_control()));
        if let Some(outcome) = Outcome::from_number(number) {
            assert_eq!((name, phrase), (outcome.name(), outcome.text()));
            assert_eq!(realpeer_result_is_quiet(number), i32::from(outcome.is_quiet()));
        } else {
            assert_eq!(realpeer_result_is_quiet(number), 0);
        }
    }
}

#[test]
fn every_policy_has_a_name() {
    for number in (-10..300).chain([i32::MIN, i32::MAX]) {
        let wanted = match number {
            0 => "none",
            1..=5 => Policy::ALL[number as usize - 1].name(),
            _ => "unknown",
        };
        assert_eq!(text(realpeer_policy_name(number)), wanted, "{number}");
    }
}

/// Results of a connection and errors of a call never share a number.
#[test]
fn errors_are_no_results() {
    for error in -76..=-64 {
        assert_eq!(Outcome::from_number(error), None);
    }
}

#[test]
fn words_of_policies() {
    let parse = |word: &str| unsafe { realpeer_policy_parse(c(word), word.len()) };
    for policy in Policy::ALL {
        assert_eq!(parse(policy.name()), policy as i32);
    }
    for word in ["", "none", "unknown", "Require", "require ", "off"] {
        assert_eq!(parse(word), Error::BadPolicy as i32, "{word:?}");
    }
    unsafe {
        // The length counts, not a NUL.
        assert_eq!(realpeer_policy_parse(c("requirement"), 7), Policy::Require as i32);
        assert_eq!(realpeer_policy_parse(null(), 7), INVALID);
        assert_eq!(realpeer_policy_parse(null(), 0), Error::BadPolicy as i32);
    }
}

// ---- NULL

#[test]
fn null_for_what_must_be_there() {
    let mut header = realpeer_header::default();
    let mut decision: realpeer_decision = unsafe { zeroed() };
    let mut tlv = realpeer_tlv { value: null(), length: 0, kind: 0, reserved: [0; 3] };
    let mut ssl: realpeer_ssl = unsafe { zeroed() };
    let mut rules = [rule("all", Policy::Require)];
    let peer: sockaddr_in = unsafe { zeroed() };
    let peer: *const sockaddr = (&raw const peer).cast();
    let (mut position, mut room, mut len) = (0_usize, [0 as c_char; 64], 64 as socklen_t);
    let address = realpeer_address::default();
    let storage = &mut Room::new();
    let (data, size) = (LINE.as_ptr(), LINE.len());
    unsafe {
        let n = size_of::<realpeer_header>();
        assert_eq!(realpeer_parse(null(), 5, null(), 0, &mut header, n), INVALID);
        assert_eq!(realpeer_parse(data, size, null(), 0, null_mut(), n), INVALID);
        assert_eq!(realpeer_parse(null(), 0, null(), 0, &mut header, n), 0);

        let n = size_of::<realpeer_decision>();
        assert_eq!(realpeer_decide(1, null(), 0, null(), 5, 0, &mut decision, n), INVALID);
        assert_eq!(realpeer_decide(1, null(), 0, data, size, 0, null_mut(), n), INVALID);
        assert_eq!(realpeer_decide(1, null(), 0, null(), 0, 0, &mut decision, n), 0);

        let n = size_of::<realpeer_tlv>();
        assert_eq!(realpeer_tlv_next(null(), 5, &mut position, &mut tlv, n), INVALID);
        assert_eq!(realpeer_tlv_next(data, size, null_mut(), &mut tlv, n), INVALID);
        assert_eq!(realpeer_tlv_next(data, size, &mut position, null_mut(), n), INVALID);
        assert_eq!(realpeer_tlv_next(null(), 0, &mut position, &mut tlv, n), 0);

        let n = size_of::<realpeer_ssl>();
        assert_eq!(realpeer_tlv_ssl(null(), 5, &mut ssl, n), INVALID);
        assert_eq!(realpeer_tlv_ssl(data, size, null_mut(), n), INVALID);
        assert_eq!(realpeer_tlv_ssl(null(), 0, &mut ssl, n), 0);

        assert_eq!(realpeer_tlv_field(null(), 5), INVALID);
        assert_eq!(realpeer_tlv_field(null(), 0), Error::BadField as i32);
        assert!(realpeer_tlv_field_name(usize::MAX).is_null());
        for write in [realpeer_tlv_text, realpeer_tlv_hex] {
            assert_eq!(write(null(), 5, 1, room.as_mut_ptr(), 64), INVALID);
            assert_eq!(write(data, size, 1, null_mut(), 64), INVALID);
            assert_eq!(write(null(), 0, 1, null_mut(), 0), Error::NotFound as i32);
        }
        for write in [realpeer_escape, realpeer_hex] {
            assert_eq!(write(null(), 5, room.as_mut_ptr(), 64), INVALID);
            assert_eq!(write(data, size, null_mut(), 64), INVALID);
            assert_eq!(write(null(), 0, null_mut(), 0), 0);
            assert!(write(data, size, null_mut(), 0) > 0);
        }

        assert_eq!(realpeer_address_text(null(), room.as_mut_ptr(), 64), INVALID);
        assert_eq!(realpeer_address_text(&address, null_mut(), 64), INVALID);
        assert_eq!(realpeer_address_to_sockaddr(null(), storage.of(), &mut len), INVALID);
        assert_eq!(realpeer_address_to_sockaddr(&address, null_mut(), &mut len), INVALID);
        assert_eq!(realpeer_address_to_sockaddr(&address, storage.of(), null_mut()), INVALID);

        let n = size_of::<Rule>();
        assert_eq!(realpeer_rule_parse(null(), 5, 1, 0, &mut rules[0], n), INVALID);
        assert_eq!(realpeer_rule_parse(c("all"), 3, 1, 0, null_mut(), n), INVALID);
        assert_eq!(realpeer_rule_parse(null(), 0, 1, 0, &mut rules[0], n), Error::BadSource as i32);
        assert_eq!(realpeer_rules_prepare(null_mut(), 1, null_mut()), INVALID);
        assert_eq!(realpeer_rules_prepare(null_mut(), 0, null_mut()), 0);
        assert_eq!(realpeer_rules_find(null(), 1, peer, 16), INVALID);
        assert_eq!(realpeer_rules_find(null(), 0, peer, 16), REALPEER_POLICY_NONE);
        assert_eq!(realpeer_rules_find(rules.as_ptr(), 1, null(), 16), INVALID);
        assert_eq!(realpeer_rules_find(rules.as_ptr(), 1, null(), 0), INVALID);
        let mut found: *const Rule = &raw const rules[0];
        assert_eq!(realpeer_rules_match(null(), 1, peer, 16, &mut found), INVALID);
        assert_eq!(realpeer_rules_match(rules.as_ptr(), 1, null(), 16, &mut found), INVALID);
        assert_eq!(realpeer_rules_match(rules.as_ptr(), 1, peer, 16, null_mut()), INVALID);
        assert!(!found.is_null());
        assert_eq!(realpeer_rules_match(null(), 0, peer, 16, &mut found), REALPEER_POLICY_NONE);
        assert!(found.is_null());
        assert_eq!(realpeer_rule_tag(null()), 0);
        assert_eq!(realpeer_rule_is_quiet(null(), Outcome::Silent as i32), 1);
        assert_eq!(realpeer_rule_is_quiet(null(), Outcome::NoHeader as i32), 0);
        assert_eq!(realpeer_rule_set_quiet(null_mut(), c("quiet=silent"), 12), INVALID);
        assert_eq!(realpeer_rule_set_quiet(&mut rules[0], null(), 12), INVALID);
        assert_eq!(realpeer_rules_equal(null(), 1, rules.as_ptr(), 1), INVALID);
        assert_eq!(realpeer_rules_equal(rules.as_ptr(), 1, null(), 1), INVALID);
        assert_eq!(realpeer_rules_equal(null(), 0, null(), 0), 1);
        assert_eq!(realpeer_rules_equal(null(), 0, rules.as_ptr(), 1), 0);
    }
}

/// A length that no memory has is an error of arithmetic, and refused.
#[test]
fn lengths_that_cannot_be() {
    let mut header = realpeer_header::default();
    let mut rules = [rule("all", Policy::Require)];
    for len in [usize::MAX, usize::MAX / 2 + 1] {
        unsafe {
            let n = size_of_val(&header);
            assert_eq!(realpeer_parse(LINE.as_ptr(), len, null(), 0, &mut header, n), INVALID);
            assert_eq!(realpeer_rules_prepare(rules.as_mut_ptr(), len, null_mut()), INVALID);
            assert_eq!(realpeer_escape(LINE.as_ptr(), len, null_mut(), 0), INVALID);
        }
    }
}

// ---- sizes of structs

/// Calls a function for every size and looks at what it wrote: a struct that is
/// too short is refused and left alone, of one that is longer the rest is zeroed.
fn every_size(what: &str, full: usize, success: i32, call: impl Fn(&mut Room, usize) -> i32) {
    for size in 0..full {
        let mut room = Room::new();
        assert_eq!(call(&mut room, size), INVALID, "{what} of {size} bytes");
        assert!(room.is_untouched_from(0), "{what} of {size} bytes");
    }
    let mut exact = Room::new();
    assert_eq!(call(&mut exact, full), success, "{what}");
    assert!(exact.is_untouched_from(full), "{what} is written past its end");
    for size in [full + 1, full + 8, full + 200] {
        let mut room = Room::new();
        assert_eq!(call(&mut room, size), success, "{what} of {size} bytes");
        assert_eq!(room.0[..full], exact.0[..full], "{what} of {size} bytes");
        assert!(room.0[full..size].iter().all(|byte| *byte == 0), "{what}: the rest is not zeroed");
        assert!(room.is_untouched_from(size), "{what} of {size} bytes is written past its end");
    }
}

#[test]
fn structs_of_every_size() {
    let (data, len) = (LINE.as_ptr(), LINE.len());
    let proxy = Outcome::Proxy as i32;
    every_size("a header", size_of::<realpeer_header>(), proxy, |room, size| unsafe {
        realpeer_parse(data, len, null(), 0, room.of(), size)
    });
    every_size("a decision", size_of::<realpeer_decision>(), 2, |room, size| unsafe {
        realpeer_decide(1, null(), 0, data, len, 0, room.of(), size)
    });
    let tlvs = [&[1, 0, 2][..], b"h2", &[0x20, 0, 5, 1, 0, 0, 0, 1]].concat();
    every_size("a TLV", size_of::<realpeer_tlv>(), 1, |room, size| unsafe {
        realpeer_tlv_next(tlvs.as_ptr(), tlvs.len(), &mut 0, room.of(), size)
    });
    every_size("TLS", size_of::<realpeer_ssl>(), 1, |room, size| unsafe {
        realpeer_tlv_ssl(tlvs.as_ptr(), tlvs.len(), room.of(), size)
    });
    every_size("a rule", size_of::<Rule>(), 0, |room, size| unsafe {
        realpeer_rule_parse(c("192.0.2.0/24"), 12, 1, 9, room.of(), size)
    });
}

#[test]
fn a_struct_that_is_not_aligned() {
    let mut room = Room::new();
    let out = room.0.as_mut_ptr().wrapping_add(1).cast();
    let result = unsafe { realpeer_parse(LINE.as_ptr(), LINE.len(), null(), 0, out, 200) };
    assert_eq!(result, INVALID);
    assert!(room.is_untouched_from(0));
}

/// No partial outputs: what fails writes nothing.
#[test]
fn nothing_is_written_without_success() {
    for data in [&b"PROXY TCP4 "[..], b"GET / HTTP/1.1", b""] {
        let mut room = Room::new();
        let result =
            unsafe { realpeer_parse(data.as_ptr(), data.len(), null(), 0, room.of(), 300) };
        assert!(result <= 0 && room.is_untouched_from(0));
    }
    let mut room = Room::new();
    let n = size_of::<Rule>();
    assert_eq!(
        unsafe { realpeer_rule_parse(c("x"), 1, 1, 0, room.of(), n) },
        Error::BadSource as i32
    );
    assert_eq!(
        unsafe { realpeer_rule_parse(c("::/129"), 6, 1, 0, room.of(), n) },
        Error::BadPrefix as i32
    );
    assert_eq!(
        unsafe { realpeer_rule_parse(c("\u{e9}"), 2, 1, 0, room.of(), n) },
        Error::BadSource as i32
    );
    assert_eq!(
        unsafe { realpeer_rule_parse(c("\u{e9}"), 1, 1, 0, room.of(), n) },
        Error::BadSource as i32
    );
    assert_eq!(
        unsafe { realpeer_rule_parse(c("all"), 3, 0, 0, room.of(), n) },
        Error::BadPolicy as i32
    );
    assert_eq!(
        unsafe { realpeer_rule_parse(c("all"), 3, 6, 0, room.of(), n) },
        Error::BadPolicy as i32
    );
    assert!(room.is_untouched_from(0));

    let mut rules = [rule("all", Policy::Require)];
    let mut tags = [7_u32; 2];
    assert_eq!(unsafe { realpeer_rules_prepare(rules.as_mut_ptr(), 1, tags.as_mut_ptr()) }, 0);
    assert_eq!(tags, [7; 2]);
}

// ---- settings

#[test]
fn settings_that_are_known() {
    let zero = realpeer_settings::default();
    let size = size_of::<realpeer_settings>();
    assert_eq!(parse(LINE, &zero, size), Outcome::Proxy as i32);
    assert_eq!(parse(LINE, null(), 0), Outcome::Proxy as i32);
    assert_eq!(parse(LINE, null(), 99), Outcome::Proxy as i32);
    for max_header in [1, 15, 65_552, u32::MAX] {
        assert_eq!(parse(LINE, &realpeer_settings { max_header, ..zero }, size), INVALID);
    }
    for max_header in [16, 4096, 65_551] {
        assert_eq!(parse(LINE, &realpeer_settings { max_header, ..zero }, size), 1);
    }
    for versions in [4, 5, 7, 8, 255] {
        assert_eq!(parse(LINE, &realpeer_settings { versions, ..zero }, size), INVALID);
    }
    for (versions, result) in [(1, 1), (3, 1), (2, Outcome::VersionDisallowed as i32)] {
        assert_eq!(parse(LINE, &realpeer_settings { versions, ..zero }, size), result);
    }
    for no_address in [2, 3, 255] {
        assert_eq!(parse(LINE, &realpeer_settings { no_address, ..zero }, size), INVALID);
    }
    assert_eq!(parse(LINE, &realpeer_settings { no_address: 1, ..zero }, size), 1);
    for reserved in [[1, 0], [0, 1]] {
        assert_eq!(parse(LINE, &realpeer_settings { reserved, ..zero }, size), INVALID);
    }
}

/// A struct of a later version asks for things this library does not know: fine
/// as long as it does not ask for them.
#[test]
fn settings_of_other_sizes() {
    let size = size_of::<realpeer_settings>();
    let bytes = [0_u8; 64];
    let as_settings = |bytes: &[u8]| bytes.as_ptr().cast::<realpeer_settings>();
    for shorter in 0..size {
        assert_eq!(parse(LINE, as_settings(&bytes), shorter), INVALID, "{shorter}");
    }
    for longer in size..=64 {
        assert_eq!(parse(LINE, as_settings(&bytes), longer), 1, "{longer}");
        for at in size..longer {
            let mut asking = bytes;
            asking[at] = 1;
            assert_eq!(parse(LINE, as_settings(&asking), longer), INVALID, "{longer} {at}");
        }
    }
    // Bytes of any alignment: C may keep the struct in a packed one of its own.
    assert_eq!(parse(LINE, as_settings(&bytes[1..]), size), 1);
}

// ---- enumerators

#[test]
fn numbers_that_are_no_enumerators() {
    assert_eq!(decide(1, 0), 2);
    for policy in [-1, 6, 7, 255, 256, 257, i32::MIN, i32::MAX, INVALID] {
        assert_eq!(decide(policy, 0), INVALID, "policy {policy}");
    }
    for event in [-1, 3, 255, 256, i32::MIN, i32::MAX] {
        assert_eq!(decide(1, event), INVALID, "event {event}");
    }
    let tlvs = [1, 0, 2, b'h', b'2', 0x20, 0, 5, 3, 0, 0, 0, 0];
    let mut out = [0 as c_char; 64];
    for write in [realpeer_tlv_text, realpeer_tlv_hex] {
        let mut call =
            |field| unsafe { write(tlvs.as_ptr(), tlvs.len(), field, out.as_mut_ptr(), 64) };
        assert!(call(1) > 0);
        for field in [-1, 0x300, 0x201, 0x2ff, 0x400, 0x10001, i32::MIN, i32::MAX, INVALID] {
            assert_eq!(call(field), INVALID, "field {field:#x}");
        }
    }
}

/// What the functions that give numbers give is what others take, errors too: a
/// caller may pass a result on without looking at it.
#[test]
fn an_error_passed_on_stays_an_error() {
    let policy = unsafe { realpeer_rules_find(null(), 1, null(), 0) };
    assert_eq!(decide(policy, 0), INVALID);
    assert_eq!(decide(REALPEER_POLICY_NONE, 0), -1);
}

#[test]
fn every_field_has_a_name_that_finds_it() {
    let names: Vec<&str> = (0usize..)
        .map(|place| realpeer_tlv_field_name(place))
        .take_while(|name| !name.is_null())
        // SAFETY: the library's own text, which ends in a NUL.
        .map(|name| unsafe { CStr::from_ptr(name) }.to_str().unwrap())
        .collect();
    assert_eq!(names, realpeer::TlvField::names().collect::<Vec<_>>());
    for name in names {
        // SAFETY: as long as it says.
        assert!(unsafe { realpeer_tlv_field(name.as_ptr().cast(), name.len()) } > 0, "{name}");
    }
}
