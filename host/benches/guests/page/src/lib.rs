//! The workload `compressed`: some 20 KB of HTML, which the host compresses.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Page;

#[handler]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(include_str!("../page.html"))
    }
}

export!(Page);
