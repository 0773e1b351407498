use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {
    fn get(&mut self, cx: &Context) -> Result {
        cx.write("Hello, world")
    }
}

export!(Hello);

fn main() {}
