//! Server-sent events: what is posted to `/news` goes to all clients of `/events`. `docs/recipes.md` shows it.

use std::pin::pin;
use std::time::Duration;

use serde::Deserialize;
use waterspout_sdk::gen_::{Either, select};
use waterspout_sdk::prelude::*;
use waterspout_sdk::pubsub;
use waterspout_sdk::web::Event;

#[derive(Deserialize)]
struct Settings {
    /// Less than a proxy waits for the next byte: nginx waits 60 s.
    keep_alive_ms: u64,
}

#[derive(Default)]
struct Events;

#[handler]
#[route("/events")]
impl RequestHandler for Events {
    async fn get(&mut self, cx: &Context) -> Result {
        let settings: Settings = cx.settings()?;
        let keep_alive = Duration::from_millis(settings.keep_alive_ms);
        // Before anything is sent: a client that has seen the first event misses none after it.
        let mut news = pubsub::subscribe("news").await?;
        let welcome = Event::new("you will be told").with_name("welcome");
        cx.send_event(welcome.with_retry(Duration::from_secs(1)))
            .await?;
        loop {
            let (message, end) = (news.next(), draining());
            match with_timeout(keep_alive, select(pin!(message), pin!(end))).await {
                Ok(Either::Left((message, _))) => {
                    cx.send_event(Event::new(message.text()?)).await?;
                }
                // The client connects again after `retry`, and gets the new version.
                Ok(Either::Right(_)) => return Ok(()),
                // A comment, which clients pass over. `flush` fails if the client is gone.
                Err(_) => {
                    cx.write(": still here\n\n")?;
                    cx.flush().await?;
                }
            }
        }
    }
}

#[derive(Default)]
struct News;

#[handler]
#[route("/news")]
impl RequestHandler for News {
    async fn post(&mut self, cx: &Context) -> Result {
        let text = cx.get_body_argument("text").await?;
        let readers = pubsub::publish("news", text).await?;
        cx.write_json(&readers)
    }
}

export!(Events, News);
