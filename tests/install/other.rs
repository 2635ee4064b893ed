//! Another library in Rust, with std, that a C program may link as well.

#[unsafe(no_mangle)]
pub extern "C" fn other(count: usize) -> usize {
    (0..count).collect::<Vec<_>>().len()
}
