//! The proof that the C library cannot panic.
//!
//! The handler calls a function that exists nowhere. If the optimiser leaves a
//! single path to it, linking fails and names that symbol; if every panic is
//! proven dead, the handler is dropped with them.
#![allow(unsafe_code)]

unsafe extern "C" {
    fn realpeer_panic_path_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never runs: a program that could get here does not link.
    unsafe { realpeer_panic_path_reachable() }
}
