use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {}

async fn tidy_up((): ()) -> Result {
    Ok(())
}

export!(Hello, schedules = [every("60s", tidy_up)]);

fn main() {}
