//! The header `Cookie`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout_sdk::web::fuzz::cookies(data));
