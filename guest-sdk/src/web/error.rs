//! The error with an HTTP status, as handlers return it.

use std::fmt;

use crate::httputil::usual_reason;

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
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_tornado_writes_it() {
        assert_eq!(
            HttpError::new(404).with_message("no story 7").to_string(),
            "HTTP 404: Not Found (no story 7)"
        );
        assert_eq!(HttpError::new(599).to_string(), "HTTP 599: Unknown");
    }
}
