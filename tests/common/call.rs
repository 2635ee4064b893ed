//! What calls to the C functions need on Rust's side.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use realpeer::ffi::{Error, realpeer_rule_parse, realpeer_strerror};
use realpeer::{Policy, Rule};

pub const INVALID: i32 = Error::InvalidArgument as i32;

pub fn text(text: *const c_char) -> &'static str {
    assert!(!text.is_null());
    // SAFETY: all texts of the library are static.
    unsafe { CStr::from_ptr(text) }.to_str().expect("ASCII")
}

pub fn c(text: &str) -> *const c_char {
    text.as_ptr().cast()
}

/// Memory that C hands out: longer than what is asked for, to see what is written.
#[repr(C, align(8))]
pub struct Room(pub [u8; 512]);

impl Room {
    pub fn new() -> Self {
        Room([0xaa; 512])
    }

    pub fn of<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    pub fn is_untouched_from(&self, at: usize) -> bool {
        self.0[at..].iter().all(|byte| *byte == 0xaa)
    }
}

pub fn rule(source: &str, policy: Policy) -> Rule {
    let mut out = MaybeUninit::<Rule>::uninit();
    // SAFETY: the pointers are those of a text and of room for a rule, which is
    // filled in where the call succeeds.
    unsafe {
        let result = realpeer_rule_parse(
            c(source),
            source.len(),
            policy as i32,
            0,
            out.as_mut_ptr(),
            size_of::<Rule>(),
        );
        assert!((0..=1).contains(&result), "{source}: {}", text(realpeer_strerror(result)));
        out.assume_init()
    }
}
