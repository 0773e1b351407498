//! The header fields of a proxy.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout::fuzz::forwarded(data));
