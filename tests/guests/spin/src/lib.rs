//! Spins for ever without an await at `/spin`, and after one of `?ms=N` where that is given. Tests of `cpu_deadline`
//! see it end, and what it costs those that wait in `/spin/slow` of the same instance, at the gate with `?at=gate`.

use std::time::Duration;

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Spin;

#[handler]
#[route("/spin")]
impl RequestHandler for Spin {
    async fn get(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        loop {
            std::hint::spin_loop();
        }
    }
}

/// Healthy: waits as it is told and answers.
#[derive(Default)]
struct Slow;

#[handler]
#[route("/spin/slow")]
impl RequestHandler for Slow {
    async fn get(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        cx.write("slow and well")
    }
}

async fn wait(cx: &Context) -> Result {
    if cx.get_query_argument_or("at", "")? == "gate" {
        gate::wait().await;
    }
    let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
    Ok(())
}

gate::gate!("/spin/gate");

export!(Spin, Slow, Gate);
