//! A stream of server-sent events, as a handler sends it, and what a client says that comes back.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::result::Result;
use crate::web::context::Context;
use crate::web::sse::Event;

impl Context {
    /// Sends an event immediately, as [`flush`](Self::flush) does. The first one begins the response: its type is
    /// `text/event-stream`, and no cache may keep it.
    ///
    /// An error where the name or the id of the event has a line's end, else fails as [`flush`](Self::flush) does: so a
    /// loop of events ends when its client leaves.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use waterspout_sdk::web::Event;
    /// # use std::time::Duration;
    /// # async fn get(cx: &Context) -> Result {
    /// let seen: Option<u64> = cx.last_event_id().and_then(|id| id.parse().ok());
    /// for number in seen.map_or(0, |seen| seen + 1).. {
    ///     let event = Event::new(format!("number {number}"));
    ///     cx.send_event(event.with_id(number.to_string())).await?;
    ///     sleep(Duration::from_secs(1)).await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_event(&self, event: Event) -> Result {
        let lines = event.lines()?;
        if !self.is_flushed() {
            self.set_header(CONTENT_TYPE, "text/event-stream")?;
            self.set_header(CACHE_CONTROL, "no-cache")?;
        }
        self.write(lines)?;
        self.flush().await
    }

    /// The id of the event that a client saw last, where it comes back for more: `Last-Event-ID`.
    pub fn last_event_id(&self) -> Option<String> {
        let id = self.request().header("last-event-id")?;
        let id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        Some(id).filter(|id| !id.is_empty())
    }
}
