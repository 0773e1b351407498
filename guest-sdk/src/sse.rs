//! Server-sent events: how one is written, and what a client says that comes back. Sends nothing by itself: that is
//! `flush`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::{Context, Result};

/// One event of a
/// [stream of events](https://html.spec.whatwg.org/multipage/server-sent-events.html), which a browser's `EventSource`
/// reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    data: String,
    name: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

impl Event {
    /// What the event says. It may have several lines.
    pub fn new(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// What it is called; `message` where it is not.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What a client that comes back says it has seen last: [`Context::last_event_id`].
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// How long a client is to wait before it comes back.
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The lines of it. An error where a name or an id would begin another line, or be none for a client.
    fn lines(&self) -> Result<String> {
        let mut lines = String::new();
        for (field, value) in [("event", &self.name), ("id", &self.id)] {
            if let Some(value) = value {
                let is_sound = !value.contains(['\r', '\n', '\0']);
                ensure!(is_sound, "an event can't have the {field} {value:?}");
                writeln!(lines, "{field}: {value}")?;
            }
        }
        if let Some(retry) = self.retry {
            writeln!(lines, "retry: {}", retry.as_millis())?;
        }
        // Each of these ends a line for a client.
        let data = self.data.replace("\r\n", "\n").replace('\r', "\n");
        for line in data.split('\n') {
            writeln!(lines, "data: {line}")?;
        }
        lines.push('\n');
        Ok(lines)
    }
}

impl Context {
    /// Sends an event at once, as [`flush`](Self::flush) does. The first one begins the response: its type is
    /// `text/event-stream`, and nobody is to keep it.
    ///
    /// An error where the name or the id of the event has a line's end, else fails as [`flush`](Self::flush) does: so a
    /// loop of events ends when its client leaves.
    ///
    /// ```
    /// # use waterspout_sdk::{Event, prelude::*};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_fields_and_an_empty_line() {
        assert_eq!(Event::new("a").lines().unwrap(), "data: a\n\n");
        let event = Event::new("a\nb\r\nc\rd\n").with_name("tick").with_id("7");
        let event = event.with_retry(Duration::from_secs(3));
        let lines =
            "event: tick\nid: 7\nretry: 3000\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n";
        assert_eq!(event.lines().unwrap(), lines);
    }

    #[test]
    fn no_name_and_no_id_begins_another_line() {
        for wrong in ["a\nb", "a\rb", "a\0b"] {
            assert!(Event::new("").with_name(wrong).lines().is_err());
            assert!(Event::new("").with_id(wrong).lines().is_err());
        }
    }
}
