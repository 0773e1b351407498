//! WebSockets whose handlers do next to nothing. `/topic`: those that hear what is posted to `/publish`. `/idle`: those
//! that are left alone, and may be asleep.

use waterspout_sdk::prelude::*;
use waterspout_sdk::pubsub;

const TOPIC: &str = "news";

/// Sends each message back: then it has subscribed.
#[derive(Default)]
struct Topic;

#[handler]
#[route("/topic")]
impl WebSocketHandler for Topic {
    async fn open(&mut self, cx: &Context) -> Result {
        Ok(cx.socket().subscribe(TOPIC)?)
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        Ok(cx.socket().write_message(message).await?)
    }
}

/// Says how many subscribe.
#[derive(Default)]
struct Publish;

#[handler]
#[route("/publish")]
impl RequestHandler for Publish {
    async fn post(&mut self, cx: &Context) -> Result {
        let subscribers = pubsub::publish(TOPIC, cx.request().body().await?).await?;
        cx.write(subscribers.to_string())
    }
}

/// Answers each message with how many times it was asleep.
#[derive(Default)]
struct Idle {
    sleeps: u32,
}

#[handler]
#[route("/idle")]
impl WebSocketHandler for Idle {
    async fn on_message(&mut self, cx: &Context, _: Message) -> Result {
        Ok(cx.socket().write_message(self.sleeps.to_string()).await?)
    }

    async fn suspend(&mut self, _: &Context) -> Result<Vec<u8>> {
        Ok(self.sleeps.to_le_bytes().into())
    }

    async fn resume(&mut self, _: &Context, state: Vec<u8>) -> Result {
        self.sleeps = 1 + u32::from_le_bytes(state.as_slice().try_into()?);
        Ok(())
    }
}

export!(Topic, Publish, Idle, websocket);
