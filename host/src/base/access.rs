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
    write(request, status, Some(took), None, &details);
}

/// Logs the end of a WebSocket, with the code that its client has said (RFC 6455, section 7.4).
pub fn closed(
    request: &Summary<'_>,
    code: u16,
    took: &dyn Fn() -> Duration,
    details: impl Fn() -> Details,
) {
    write(request, code, Some(took), None, &details);
}

/// Logs a request that was refused before it was answered, and why. It took no time.
pub fn refused(request: &Summary<'_>, status: u16, why: &str, details: impl Fn() -> Details) {
    write(request, status, None, Some(why), &details);
}

fn write(
    request: &Summary<'_>,
    status: u16,
    took: Option<&dyn Fn() -> Duration>,
    why: Option<&str>,
    details: &dyn Fn() -> Details,
) {
    let message = tracing::field::display(Line {
        request,
        status,
        took,
        why,
        details,
        ms: OnceCell::new(),
    });
    match status {
        ..400 | 1000.. => tracing::info!(target: "access", message),
        400..500 => tracing::warn!(target: "access", message),
        _ => tracing::error!(target: "access", message),
    }
}

/// One line, in two forms: `{}` is Tornado's, and `{:#}` a JSON object of all fields. Only the form that is written
/// costs anything; fields of the event would be made for every request.
struct Line<'a> {
    request: &'a Summary<'a>,
    status: u16,
    took: Option<&'a dyn Fn() -> Duration>,
    /// Why it was refused.
    why: Option<&'a str>,
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
        fields.insert("status".to_owned(), json!(self.status));
        if let Some((method, uri)) = self.request.asked {
            fields.insert("method".to_owned(), json!(method.as_str()));
            fields.insert("uri".to_owned(), json!(uri.to_string()));
        }
        let client = self.request.client.to_string();
        fields.insert("remote_ip".to_owned(), json!(client));
        fields.insert("ms".to_owned(), json!((self.ms() * 100.0).round() / 100.0));
        fields.insert("request_id".to_owned(), json!(request_id));
        if let Some(why) = self.why {
            fields.insert("why".to_owned(), json!(why));
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
                write!(f, "{} {} {:.2}ms", self.status, self.request, self.ms())?;
                match self.why {
                    Some(why) => write!(f, ": {why}"),
                    None => Ok(()),
                }
            }
        }
    }
}
