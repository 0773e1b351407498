use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {}

async fn open() -> Result {
    Ok(())
}

export!(Hello, begin = open);

fn main() {}
