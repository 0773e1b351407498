use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {}

async fn open() {}

export!(Hello, start = open);

fn main() {}
