//! Route patterns, and a path.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout::fuzz::patterns(data));
