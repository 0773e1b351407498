//! A query, or a form that is encoded like one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout_sdk::web::fuzz::arguments(data));
