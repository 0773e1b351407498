//! `waterspout.toml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout::fuzz::configuration(data));
