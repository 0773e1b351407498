//! Its `start` returns an error. A test of `generation` sees it refused, and the old version serve on.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Never;

#[handler]
impl RequestHandler for Never {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("never served")
    }
}

async fn start() -> Result {
    bail!("the database is away")
}

export!(Never, start = start);
