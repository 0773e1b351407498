//! Sleeps for `?ms=N` in WASI 0.2, which blocks the instance. Tests of `block_log` and `cpu_deadline` see it noticed,
//! and what it costs those that wait in `/blocking/slow` of the same instance, at the gate with `?at=gate`.

use std::time::Duration;

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Blocking;

#[handler]
#[route("/blocking")]
impl RequestHandler for Blocking {
    async fn get(&mut self, cx: &Context) -> Result {
        std::thread::sleep(wait(cx)?);
        cx.write("blocked")
    }
}

/// Healthy: waits as it should.
#[derive(Default)]
struct Slow;

#[handler]
#[route("/blocking/slow")]
impl RequestHandler for Slow {
    async fn get(&mut self, cx: &Context) -> Result {
        match &*cx.get_query_argument_or("at", "")? {
            "gate" => gate::wait().await,
            _ => sleep(wait(cx)?).await,
        }
        cx.write("slow and well")
    }
}

fn wait(cx: &Context) -> Result<Duration> {
    let ms = cx.get_query_argument_or("ms", "100")?.parse()?;
    Ok(Duration::from_millis(ms))
}

gate::gate!("/blocking/gate");

export!(Blocking, Slow, Gate);
