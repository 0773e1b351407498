use waterspout_sdk::prelude::*;

macro_rules! answers {
    () => {
        async fn get(&mut self, cx: &Context) -> Result {
            cx.write("Hello")
        }
    };
}

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {
    answers!();
}

export!(Hello);

fn main() {}
