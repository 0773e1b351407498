//! A line of the access log, for a request that the host or a guest answered. The only place where such lines are
//! made. Does not decide where they go.

use std::cell::OnceCell;
use std::fmt;
use std::time::Duration;

use http::{Method, Uri};
use serde_json::{Map, Value, json};

use crate::base::client::Client;

/// A request for the log: Tornado's `_request_summary`, `GET /path (127.0.0.1)`.
pub struct Summary<'a> {
    /// `None`: the head could not be read.
    pub asked: Option<(&'a Method, &'a Uri)>,
    pub client: Client,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.asked {
            Some((method, uri)) => write!(f, "{method} {uri} ({})", self.client),
            None => write!(f, "- - ({})", self.client),
        }
    }
}

/// Fields that few lines show. They are computed only for those.
pub struct Details {
    /// Empty: it has none.
    pub request_id: String,
    /// `None`: it was answered before a generation was needed.
    pub generation: Option<u64>,
    /// `None`: no handler was called.
    pub handler: Option<String>,
}

/// Logs an answer, at a level of its status as Tornado's `log_request` does. `took` is called only where the line is
/// written.
pub fn log(
    request: &Summary<'_>,
    status: u16,
    took: &dyn Fn() -> Duration,
    details: impl Fn() -> Details,
) {
    write(request, Some(status), Some(took), &Note::Nothing, &details);
}

/// Logs the end of a stream, with what came and what went, in bytes.
pub fn stream(
    request: &Summary<'_>,
    [received, sent]: [u64; 2],
    took: &dyn Fn() -> Duration,
    details: impl Fn() -> Details,
) {
    let traffic = Note::Traffic { received, sent };
    write(request, None, Some(took), &traffic, &details);
}

/// Logs the end of a WebSocket, with the code that its client has said (RFC 6455, section 7.4).
pub fn closed(
    request: &Summary<'_>,
    code: u16,
    took: &dyn Fn() -> Duration,
    details: impl Fn() -> Details,
) {
    write(request, Some(code), Some(took), &Note::Nothing, &details);
}

/// Logs a request that was refused before it was answered, and why. It took no time.
pub fn refused(request: &Summary<'_>, status: u16, why: &str, details: impl Fn() -> Details) {
    write(request, Some(status), None, &Note::Why(why), &details);
}

/// What else a line says.
enum Note<'a> {
    Nothing,
    /// Why it was refused.
    Why(&'a str),
    /// What came and what went, in bytes.
    Traffic {
        received: u64,
        sent: u64,
    },
}

fn write(
    request: &Summary<'_>,
    status: Option<u16>,
    took: Option<&dyn Fn() -> Duration>,
    note: &Note<'_>,
    details: &dyn Fn() -> Details,
) {
    let message = tracing::field::display(Line {
        request,
        status,
        took,
        note,
        details,
        ms: OnceCell::new(),
    });
    match status {
        None | Some(..400 | 1000..) => tracing::info!(target: "access", message),
        Some(400..500) => tracing::warn!(target: "access", message),
        Some(_) => tracing::error!(target: "access", message),
    }
}

/// One line, in two forms: `{}` is Tornado's, and `{:#}` a JSON object of all fields. Only the form that is written
/// costs anything; fields of the event would be made for every request.
struct Line<'a> {
    request: &'a Summary<'a>,
    /// `None`: a stream has none.
    status: Option<u16>,
    took: Option<&'a dyn Fn() -> Duration>,
    note: &'a Note<'a>,
    details: &'a dyn Fn() -> Details,
    /// Computed once, so that both forms have the same value.
    ms: OnceCell<f64>,
}

impl Line<'_> {
    fn ms(&self) -> f64 {
        let ask = || self.took.map_or(0.0, |took| took().as_secs_f64() * 1000.0);
        *self.ms.get_or_init(ask)
    }

    fn fields(&self) -> Value {
        let Details {
            request_id,
            generation,
            handler,
        } = (self.details)();
        let mut fields = Map::new();
        if let Some(status) = self.status {
            fields.insert("status".to_owned(), json!(status));
        }
        if let Some((method, uri)) = self.request.asked {
            fields.insert("method".to_owned(), json!(method.as_str()));
            fields.insert("uri".to_owned(), json!(uri.to_string()));
        }
        let client = self.request.client.to_string();
        fields.insert("remote_ip".to_owned(), json!(client));
        fields.insert("ms".to_owned(), json!((self.ms() * 100.0).round() / 100.0));
        if !request_id.is_empty() {
            fields.insert("request_id".to_owned(), json!(request_id));
        }
        match self.note {
            Note::Nothing => {}
            Note::Why(why) => _ = fields.insert("why".to_owned(), json!(why)),
            Note::Traffic { received, sent } => {
                fields.insert("received".to_owned(), json!(received));
                fields.insert("sent".to_owned(), json!(sent));
            }
        }
        if let Some(generation) = generation {
            fields.insert("generation".to_owned(), json!(generation));
        }
        if let Some(handler) = handler {
            fields.insert("handler".to_owned(), json!(handler));
        }
        Value::Object(fields)
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            // Not with `{:#}`, which would break the lines.
            true => write!(f, "{}", self.fields()),
            false => {
                match self.status {
                    Some(status) => write!(f, "{status} ")?,
                    None => f.write_str("end ")?,
                }
                write!(f, "{} {:.2}ms", self.request, self.ms())?;
                match self.note {
                    Note::Nothing => Ok(()),
                    Note::Why(why) => write!(f, ": {why}"),
                    Note::Traffic { received, sent } => {
                        write!(f, ": {received} bytes came, {sent} went")
                    }
                }
            }
        }
    }
}
