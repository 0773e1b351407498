//! What a component says of itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout::fuzz::description(data));
