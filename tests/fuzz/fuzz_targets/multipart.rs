//! A form with files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| waterspout_sdk::web::fuzz::multipart(data));
