use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Base;

#[handler]
impl RequestHandler for Base {}

#[derive(Default)]
struct Hello;

#[handler(base = Base)]
impl RequestHandler for Hello {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("Hello")
    }
}

export!(Hello);

fn main() {}
