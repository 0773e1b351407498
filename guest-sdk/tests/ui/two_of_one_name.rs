use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[component]
impl RequestHandler for Hello {}

export!(Hello, Hello);

fn main() {}
