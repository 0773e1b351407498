use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {}

export!(Hello, Hello);

fn main() {}
