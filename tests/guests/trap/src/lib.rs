//! Traps in the function that `?in=` names, after `?ms=N` in a method, or at the gate with `?at=gate`. Tests of `invoke`
//! and `instances` see what it costs: the others wait in `/trap/slow` of the same instance.

use std::time::Duration;

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Trap;

#[handler]
#[route("/trap")]
impl RequestHandler for Trap {
    fn initialize(&mut self, cx: &Context, _: Kwargs) -> Result {
        trap_in(cx, "initialize")
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        trap_in(cx, "prepare")
    }

    async fn get(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        trap_in(cx, "get")?;
        if cx.get_query_argument_or("in", "")? == "write_error" {
            bail!(HttpError::new(418));
        }
        cx.write("unharmed")
    }

    async fn post(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        trap_in(cx, "post")?;
        cx.write("unharmed")
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        trap_in(cx, "write_error")?;
        cx.write(format!(
            "page of {}: {:?}",
            failure.status(),
            failure.cause()
        ))
    }

    async fn on_connection_close(&mut self, cx: &Context) -> Result {
        trap_in(cx, "on_connection_close")
    }

    fn on_finish(&mut self, cx: &Context) -> Result {
        trap_in(cx, "on_finish")
    }
}

/// Healthy: waits as it is told and answers.
#[derive(Default)]
struct Slow;

#[handler]
#[route("/trap/slow")]
impl RequestHandler for Slow {
    async fn get(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        cx.write("slow and well")
    }

    async fn post(&mut self, cx: &Context) -> Result {
        wait(cx).await?;
        cx.write("slow and well")
    }
}

fn trap_in(cx: &Context, function: &str) -> Result {
    if cx.get_query_argument_or("in", "")? == function {
        core::arch::wasm32::unreachable();
    }
    Ok(())
}

async fn wait(cx: &Context) -> Result {
    if cx.get_query_argument_or("at", "")? == "gate" {
        gate::wait().await;
    }
    let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
    sleep(Duration::from_millis(ms)).await;
    Ok(())
}

gate::gate!("/trap/gate");

export!(Trap, Slow, Gate);
