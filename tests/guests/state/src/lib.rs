//! `single`: counts its requests in module state. A test of `generation` sees the count go on while others swap.

use std::cell::Cell;

use waterspout_sdk::prelude::*;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

#[derive(Default)]
struct State;

#[handler]
impl RequestHandler for State {
    async fn get(&mut self, cx: &Context) -> Result {
        COUNT.set(COUNT.get() + 1);
        cx.write(COUNT.get().to_string())
    }
}

export!(State, single);
