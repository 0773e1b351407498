//! How a handler fails: the errors that it returns, and what the host is told of them.

use std::fmt;

use anyhow::Error;

use crate::escape::xhtml_escape;
use crate::httputil::usual_reason;
use crate::runtime::bindings::waterspout::web::types;

/// An error with an HTTP status: returned from a handler it makes the error page of that status. Tornado's
/// [`HTTPError`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.HTTPError).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// fn find(id: u64) -> Result<String> {
///     ensure!(id != 7, HttpError::new(404).with_message("no story 7"));
///     Ok("Once upon a time".to_owned())
/// }
///
/// assert_eq!(find(7).unwrap_err().to_string(), "HTTP 404: Not Found (no story 7)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    status: u16,
    reason: Option<String>,
    message: Option<String>,
}

impl HttpError {
    /// `status`: 400 to 599. Anything else is not an error for HTTP, and answered as an unplanned one: with 500.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            reason: None,
            message: None,
        }
    }

    /// The reason phrase of the status line, in place of the usual one; an empty one is none.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into()).filter(|reason| !reason.is_empty());
        self
    }

    /// For the log (Tornado's `log_message`). The client sees it only while the app's `debug` is on.
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let reason = self
            .reason
            .as_deref()
            .unwrap_or_else(|| usual_reason(self.status));
        write!(f, "HTTP {}: {reason}", self.status)?;
        self.message
            .iter()
            .try_for_each(|message| write!(f, " ({message})"))
    }
}

impl std::error::Error for HttpError {}

/// One with the usual reason.
impl From<u16> for HttpError {
    fn from(status: u16) -> Self {
        Self::new(status)
    }
}

/// Where a [`Failure`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The handler returned an [`HttpError`].
    HttpError,
    /// The handler returned any other error; the status is 500.
    Uncaught,
    /// The instance trapped, by a panic for example; the status is 500.
    Trap,
    /// The host refused the request, as with 405.
    Host,
}

/// Why [`write_error`](crate::RequestHandler::write_error) has to make a page.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Story;
///
/// #[handler]
/// impl RequestHandler for Story {
///     async fn get(&mut self, _: &Context) -> Result {
///         bail!(HttpError::new(404).with_message("no story 7"))
///     }
///
///     async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
///         // What a client did wrong it may know; what went wrong in here it may not.
///         let text = match failure.cause() {
///             Cause::HttpError => failure.message(),
///             _ => None,
///         };
///         cx.write(text.unwrap_or(failure.reason())) // `no story 7`, with status 404
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Failure {
    wire: types::Failure,
    error: Option<Error>,
}

impl Failure {
    /// The status of the response, 400 to 599.
    pub fn status(&self) -> u16 {
        self.wire.status
    }

    /// The reason phrase: the one that was asked for, else the usual one, else `Unknown`.
    pub fn reason(&self) -> &str {
        self.wire
            .reason
            .as_deref()
            .unwrap_or_else(|| usual_reason(self.wire.status))
    }

    /// What was said for the log. Not meant for clients.
    pub fn message(&self) -> Option<&str> {
        self.wire.message.as_deref()
    }

    /// Where it comes from.
    pub fn cause(&self) -> Cause {
        match self.wire.cause {
            types::FailureCause::HttpError => Cause::HttpError,
            types::FailureCause::Uncaught => Cause::Uncaught,
            types::FailureCause::Trap => Cause::Trap,
            types::FailureCause::Host => Cause::Host,
        }
    }

    /// The error that the handler returned (Tornado's `exc_info`); none after a trap or where the host refused.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn write_error(cx: &Context, failure: &Failure) -> Result {
    /// let is_io = failure.error().is_some_and(|error| error.is::<std::io::Error>());
    /// cx.write(if is_io { "the disk" } else { failure.reason() })
    /// # }
    /// ```
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The page that Tornado makes where a handler makes none.
    pub(crate) fn page(&self) -> String {
        let escaped = xhtml_escape(self.reason());
        let line = format!("{}: {escaped}", self.status());
        format!("<html><title>{line}</title><body>{line}</body></html>")
    }

    pub(crate) fn asked_reason(&self) -> Option<&str> {
        self.wire.reason.as_deref()
    }

    pub(crate) fn new(wire: types::Failure, error: Option<Error>) -> Self {
        Self { wire, error }
    }
}

/// What the host is told of an error that a handler returned.
pub(crate) fn to_wire(error: &Error) -> types::Failure {
    match error.downcast_ref::<HttpError>() {
        Some(http) if (400..=599).contains(&http.status) => types::Failure {
            status: http.status,
            reason: http.reason.clone(),
            message: http.message.clone(),
            cause: types::FailureCause::HttpError,
        },
        // `{:#}`: the error and all its sources in one line.
        _ => types::Failure {
            status: 500,
            reason: None,
            message: Some(format!("{error:#}")),
            cause: types::FailureCause::Uncaught,
        },
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn an_http_error_keeps_its_status_through_context() {
        let error = Error::from(
            HttpError::new(418)
                .with_reason("Teapot")
                .with_message("short"),
        )
        .context("pouring");
        let wire = to_wire(&error);
        assert_eq!(
            (wire.status, wire.reason.as_deref(), wire.message.as_deref()),
            (418, Some("Teapot"), Some("short"))
        );
        assert_eq!(wire.cause, types::FailureCause::HttpError);
    }

    #[test]
    fn any_other_error_is_a_500_whose_message_is_the_chain() {
        let wire = to_wire(
            &Err::<(), _>(anyhow!("no such table"))
                .context("reading the story")
                .unwrap_err(),
        );
        assert_eq!(
            (wire.status, wire.message.as_deref()),
            (500, Some("reading the story: no such table"))
        );
        assert_eq!(wire.cause, types::FailureCause::Uncaught);
    }

    #[test]
    fn a_status_that_is_no_error_is_answered_with_500() {
        assert_eq!(to_wire(&HttpError::new(200).into()).status, 500);
    }

    #[test]
    fn it_reads_as_tornado_writes_it() {
        assert_eq!(
            HttpError::new(404).with_message("no story 7").to_string(),
            "HTTP 404: Not Found (no story 7)"
        );
        assert_eq!(HttpError::new(599).to_string(), "HTTP 599: Unknown");
    }
}
