use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

export!(Hello);

fn main() {}
