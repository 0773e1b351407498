use waterspout_sdk::prelude::*;

struct Hello;

#[handler]
impl RequestHandler for Hello {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("Hello, world")
    }
}

export!(Hello);

fn main() {}
