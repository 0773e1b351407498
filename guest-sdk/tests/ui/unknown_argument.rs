use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[component]
#[route("/hello", nmae = "hello")]
impl RequestHandler for Hello {}

export!(Hello);

fn main() {}
