//! A file in the cache of compiled code.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout::fuzz::cached_code(data));
