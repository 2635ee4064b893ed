#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use realpeer_fuzz::{ffi, mutate};

fuzz_target!(|data: &[u8]| ffi::check(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    mutate::repair(data, size, max_size, ffi::PARAMETERS, seed)
});
