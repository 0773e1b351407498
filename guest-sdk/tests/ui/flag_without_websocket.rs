use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Page;

#[handler]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("no socket")
    }
}

export!(Page, websocket);

fn main() {}
