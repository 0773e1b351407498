//! The file of `[kv]`.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // A panic inside redb is caught where the file is opened, and means that it is damaged.
        let _ = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| waterspout::fuzz::kv_file(data)
);
