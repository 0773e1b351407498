use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
#[route("/hello", kwargs = { "db": main })]
impl RequestHandler for Hello {}

export!(Hello);

fn main() {}
