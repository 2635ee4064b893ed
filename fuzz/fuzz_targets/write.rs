#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| realpeer_fuzz::write::check(data));
