//! The time, once a second, to everybody who looks: a loop publishes it, and the host sends it to the sockets that have
//! subscribed. No handler runs for that, whether there is one socket or ten thousand.

use std::time::{Duration, SystemTime};

use waterspout_sdk::prelude::*;
use waterspout_sdk::pubsub;

const TOPIC: &str = "ticker";

#[derive(Default)]
struct Page;

#[handler]
#[route("/ticker")]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(include_str!("page.html"))
    }
}

#[derive(Default)]
struct Ticker;

#[handler]
#[route("/ticker/socket")]
impl WebSocketHandler for Ticker {
    async fn open(&mut self, cx: &Context) -> Result {
        cx.socket().subscribe(TOPIC)?;
        Ok(())
    }
}

/// Publishes the time in milliseconds at the beginning of each second.
async fn tick() -> Result {
    loop {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        pubsub::publish(TOPIC, now.as_millis().to_string()).await?;
        let begun = Duration::from_nanos(u64::from(now.subsec_nanos()));
        sleep(Duration::from_secs(1) - begun).await;
    }
}

/// One instance of all runs the loop.
async fn start() -> Result {
    spawn_loop("ticker", tick())
}

export!(Page, Ticker, websocket, start = start);
