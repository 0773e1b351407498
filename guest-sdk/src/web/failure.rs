//! Why a request failed, as `write_error` gets it.

use std::panic::Location;

use anyhow::Error;

use crate::escape::xhtml_escape;
use crate::httputil::usual_reason;
use crate::runtime::place;
use crate::web::error::HttpError;

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
    pub(crate) status: u16,
    /// One that was asked for.
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) cause: Cause,
    pub(crate) error: Option<Error>,
}

impl Failure {
    /// The status of the response, 400 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase: the one that was asked for, else the usual one, else `Unknown`.
    pub fn reason(&self) -> &str {
        self.reason
            .as_deref()
            .unwrap_or_else(|| usual_reason(self.status))
    }

    /// What was said for the log. Not meant for clients.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where it comes from.
    pub fn cause(&self) -> Cause {
        self.cause
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
        self.reason.as_deref()
    }

    /// What becomes of an error that a handler returned, by a `?` at this place. The error itself stays where it is.
    pub(crate) fn of(error: &Error, place: Option<&Location<'_>>) -> Self {
        match error.downcast_ref::<HttpError>() {
            Some(http) if (400..=599).contains(&http.status) => Self {
                status: http.status,
                reason: http.reason.clone(),
                message: http.message.clone(),
                cause: Cause::HttpError,
                error: None,
            },
            _ => Self {
                status: 500,
                reason: None,
                message: Some(place::described(error, place)),
                cause: Cause::Uncaught,
                error: None,
            },
        }
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
        let failure = Failure::of(&error, Some(Location::caller()));
        assert_eq!(
            (
                failure.status,
                failure.reason.as_deref(),
                failure.message.as_deref()
            ),
            (418, Some("Teapot"), Some("short"))
        );
        assert_eq!(failure.cause, Cause::HttpError);
    }

    #[test]
    fn any_other_error_is_a_500_whose_message_is_the_chain() {
        let failure = Failure::of(
            &Err::<(), _>(anyhow!("no such table"))
                .context("reading the story")
                .unwrap_err(),
            None,
        );
        assert_eq!(
            (failure.status, failure.message.as_deref()),
            (500, Some("reading the story: no such table"))
        );
        assert_eq!(failure.cause, Cause::Uncaught);
    }

    #[test]
    fn a_status_that_is_no_error_is_answered_with_500() {
        assert_eq!(Failure::of(&HttpError::new(200).into(), None).status, 500);
    }
}
