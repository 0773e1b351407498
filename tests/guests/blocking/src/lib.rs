//! Sleeps for `?ms=N` in WASI 0.2, which blocks the instance. Tests of `block_log` and `cpu_deadline` see it noticed,
//! and what it costs those that wait in `/blocking/slow` of the same instance, at the gate with `?at=gate`.

use std::pin::{Pin, pin};
use std::task::{self, Waker};
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

/// Blocks in the functions that can't wait, and drops there what still waits. At its end it opens the gate, or looks with
/// `?look=1` whether an hour is over.
#[derive(Default)]
struct Brief {
    waits: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

#[handler]
#[route("/blocking/brief")]
impl RequestHandler for Brief {
    fn initialize(&mut self, _: &Context, _: Kwargs) -> Result {
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let waits = self.waits.insert(Box::pin(draining()));
        look(waits.as_mut());
        cx.write("brief")
    }

    fn on_finish(&mut self, cx: &Context) -> Result {
        std::thread::sleep(Duration::from_millis(1));
        if cx.get_query_argument("look").is_ok() {
            look(pin!(sleep(Duration::from_secs(3600))));
        }
        self.waits = None;
        gate::let_go();
        log::info!("brief to its end");
        Ok(())
    }
}

fn look(future: Pin<&mut (impl Future<Output = ()> + ?Sized)>) {
    let polled = future.poll(&mut task::Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

fn wait(cx: &Context) -> Result<Duration> {
    let ms = cx.get_query_argument_or("ms", "100")?.parse()?;
    Ok(Duration::from_millis(ms))
}

gate::gate!("/blocking/gate");

export!(Blocking, Slow, Brief, Gate);
