//! Recurses without end. A test of `invoke` sees a 500.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Recurse;

#[handler]
impl RequestHandler for Recurse {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(deeper(0).to_string())
    }
}

fn deeper(depth: u64) -> u64 {
    match std::hint::black_box(depth) {
        u64::MAX => 0,
        _ => deeper(depth + 1).wrapping_add(depth),
    }
}

export!(Recurse);
