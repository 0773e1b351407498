//! Allocates until there is no more. A test of `memory` sees the cap hold.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Grow;

#[handler]
impl RequestHandler for Grow {
    async fn get(&mut self, cx: &Context) -> Result {
        let mut hoard = Vec::new();
        while hoard.len() < usize::MAX {
            hoard.push(vec![1u8; 1 << 20]);
        }
        cx.write("endless memory")
    }
}

export!(Grow);
