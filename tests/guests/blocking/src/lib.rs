//! Sleeps for `?ms=N` in WASI 0.2, which blocks the instance. Tests of `block_log` and `cpu_deadline` see it noticed.

use std::time::Duration;

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Blocking;

#[handler]
impl RequestHandler for Blocking {
    async fn get(&mut self, cx: &Context) -> Result {
        let ms: u64 = cx.get_query_argument_or("ms", "100")?.parse()?;
        std::thread::sleep(Duration::from_millis(ms));
        cx.write("blocked")
    }
}

export!(Blocking);
