use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl Clone for Hello {
    fn clone(&self) -> Self {
        Hello
    }
}

fn main() {}
