use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
#[route("/hello", nmae = "hello")]
impl RequestHandler for Hello {}

export!(Hello);

fn main() {}
