//! The workload `lifecycle`: `initialize`, `prepare`, `get` and `on_finish`, which do next to nothing each. The answer
//! comes out right only if the first three were called in this order.

use std::cell::Cell;

use waterspout_sdk::prelude::*;

thread_local! {
    static FINISHED: Cell<u64> = const { Cell::new(0) };
}

#[derive(Default)]
struct Lifecycle {
    greeting: &'static str,
    name: &'static str,
}

#[handler]
impl RequestHandler for Lifecycle {
    fn initialize(&mut self, _: &Context, _: Kwargs) -> Result {
        self.greeting = "Hello";
        Ok(())
    }

    async fn prepare(&mut self, _: &Context) -> Result {
        self.name = "world";
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(self.greeting)?;
        cx.write(", ")?;
        cx.write(self.name)
    }

    fn on_finish(&mut self, _: &Context) -> Result {
        FINISHED.set(FINISHED.get() + 1);
        Ok(())
    }
}

export!(Lifecycle);
