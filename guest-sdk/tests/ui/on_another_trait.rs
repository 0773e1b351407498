use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[component]
impl Clone for Hello {
    fn clone(&self) -> Self {
        Hello
    }
}

fn main() {}
