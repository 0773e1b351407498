use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[route("/hello")]
#[handler]
impl RequestHandler for Hello {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("Hello")
    }
}

export!(Hello);

fn main() {}
