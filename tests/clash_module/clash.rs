//! The library of another module, which happens to have functions of the same
//! names as realpeer's. What they give is nonsense to realpeer, and they use
//! what std has: a heap, threads, thread-local and global state.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

static WORDS: OnceLock<HashMap<String, i32>> = OnceLock::new();

thread_local! {
    static CALLS: Cell<i32> = const { Cell::new(0) };
}

/// A number out of a table that another thread has made.
fn number(word: &str) -> i32 {
    let words = WORDS.get_or_init(|| {
        let make = || {
            ["decide", "parse", "rules_find"]
                .iter()
                .zip(4711..)
                .map(|(word, number)| (format!("realpeer_{word}"), number))
                .collect()
        };
        std::thread::spawn(make).join().unwrap_or_default()
    });
    CALLS.with(|calls| calls.set(calls.get() + 1));
    words.get(&format!("realpeer_{word}")).copied().unwrap_or(-1)
}

#[cfg_attr(own_names, unsafe(export_name = "clash_decide"))]
#[cfg_attr(not(own_names), unsafe(no_mangle))]
pub extern "C" fn realpeer_decide() -> i32 {
    number("decide")
}

#[cfg_attr(own_names, unsafe(export_name = "clash_parse"))]
#[cfg_attr(not(own_names), unsafe(no_mangle))]
pub extern "C" fn realpeer_parse() -> i32 {
    number("parse")
}

#[cfg_attr(own_names, unsafe(export_name = "clash_rules_find"))]
#[cfg_attr(not(own_names), unsafe(no_mangle))]
pub extern "C" fn realpeer_rules_find() -> i32 {
    number("rules_find")
}

/// Text that stays for good.
#[cfg_attr(own_names, unsafe(export_name = "clash_result_name"))]
#[cfg_attr(not(own_names), unsafe(no_mangle))]
pub extern "C" fn realpeer_result_name() -> *const c_char {
    static NAME: OnceLock<CString> = OnceLock::new();
    let calls = CALLS.with(Cell::get);
    let name = || CString::new(if calls > 0 { "nonsense" } else { "early" });
    NAME.get_or_init(|| name().unwrap_or_default()).as_ptr()
}
