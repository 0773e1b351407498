//! Waits for `?ms=N`, or for its body with `?for=body`, then answers. Tests of cancellation read at `/slow/counts` how its
//! lives ended.

use std::cell::Cell;
use std::time::Duration;

use waterspout_sdk::prelude::*;

thread_local! {
    static STARTED: Cell<u32> = const { Cell::new(0) };
    static ANSWERED: Cell<u32> = const { Cell::new(0) };
    static CANCELLED: Cell<u32> = const { Cell::new(0) };
    static CONNECTION_CLOSED: Cell<u32> = const { Cell::new(0) };
    static FINISHED: Cell<u32> = const { Cell::new(0) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Slow;

#[handler]
#[route("/slow")]
impl RequestHandler for Slow {
    async fn get(&mut self, cx: &Context) -> Result {
        let ms: u64 = cx.get_query_argument_or("ms", "1000")?.parse()?;
        count(&STARTED);
        let unless_answered = CountOnDrop(&CANCELLED);
        match &*cx.get_query_argument_or("for", "")? {
            "body" => drop(cx.request().body().await?),
            _ => sleep(Duration::from_millis(ms)).await,
        }
        std::mem::forget(unless_answered);
        count(&ANSWERED);
        cx.write("slow")
    }

    async fn on_connection_close(&mut self, _: &Context) -> Result {
        count(&CONNECTION_CLOSED);
        Ok(())
    }

    fn on_finish(&mut self, _: &Context) -> Result {
        count(&FINISHED);
        Ok(())
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        count(&DROPPED);
    }
}

/// GET: the counts of this instance as a JSON object.
#[derive(Default)]
struct Counts;

#[handler]
#[route("/slow/counts")]
impl RequestHandler for Counts {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&serde_json::json!({
            "started": STARTED.get(),
            "answered": ANSWERED.get(),
            "cancelled": CANCELLED.get(),
            "on_connection_close": CONNECTION_CLOSED.get(),
            "on_finish": FINISHED.get(),
            "dropped": DROPPED.get(),
        }))
    }
}

type Counter = std::thread::LocalKey<Cell<u32>>;

fn count(counter: &'static Counter) {
    counter.set(counter.get() + 1);
}

struct CountOnDrop(&'static Counter);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        count(self.0);
    }
}

export!(Slow, Counts);
