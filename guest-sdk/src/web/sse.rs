//! A server-sent event, and the lines of which it is made. It sends nothing.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;

use crate::result::Result;

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

    /// What a client that comes back says it has seen last: [`Context::last_event_id`](crate::Context::last_event_id).
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
    pub(super) fn lines(&self) -> Result<String> {
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
