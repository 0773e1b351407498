use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler("/hello")]
impl RequestHandler for Hello {}

export!(Hello);

fn main() {}
