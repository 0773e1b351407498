//! What a fetch brings, or why it brings nothing: Tornado's `HTTPResponse` and `HTTPClientError`. Reads only what it is
//! asked for.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

use super::exchange::{Clock, Sent};
use crate::error::usual_reason;

/// A response, and all of its body: Tornado's
/// [`HTTPResponse`](https://www.tornadoweb.org/en/stable/httpclient.html#tornado.httpclient.HTTPResponse).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub code: u16,
    /// The usual reason of that status: the server's own does not come through.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// The URL that answered, at the end of all redirects.
    pub effective_url: String,
    /// From the call to the last byte.
    pub request_time: Duration,
}

impl HttpResponse {
    /// The body as text; what is no UTF-8 in it becomes U+FFFD.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// An error if the status is none of success: Tornado's `rethrow`.
    pub fn rethrow(self) -> Result<Self, HttpClientError> {
        match self.is_success() {
            true => Ok(self),
            false => Err(HttpClientError::of_response(self)),
        }
    }
}

/// Why a fetch failed: Tornado's
/// [`HTTPClientError`](https://www.tornadoweb.org/en/stable/httpclient.html#tornado.httpclient.HTTPClientError). A
/// handler that passes it on answers with 500.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn get(cx: &Context) -> Result {
/// match fetch("https://api.example.com/story/7").await {
///     Ok(response) => cx.write(response.body),
///     Err(error) if error.code == 404 => bail!(HttpError::new(404)),
///     Err(error) => bail!(HttpError::new(502).with_message(error.to_string())),
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpClientError {
    /// The status of the response; 599 where there is none.
    pub code: u16,
    /// What happened.
    pub message: String,
    /// The response, if there is one.
    pub response: Option<Box<HttpResponse>>,
}

impl HttpClientError {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            response: None,
        }
    }

    pub(super) fn of_response(response: HttpResponse) -> Self {
        Self {
            code: response.code,
            message: response.reason.clone(),
            response: Some(Box::new(response)),
        }
    }
}

impl fmt::Display for HttpClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}: {}", self.code, self.message)
    }
}

impl std::error::Error for HttpClientError {}

/// A response whose body is still to be read.
#[non_exhaustive]
pub struct StreamedResponse {
    /// The status.
    pub code: u16,
    /// The usual reason of that status.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The URL that answered, at the end of all redirects.
    pub effective_url: String,
    sent: Sent,
    clock: Clock,
}

impl StreamedResponse {
    pub(super) fn new(mut sent: Sent, effective_url: String, clock: Clock) -> Self {
        Self {
            code: sent.code,
            reason: usual_reason(sent.code).to_owned(),
            headers: std::mem::take(&mut sent.headers),
            effective_url,
            sent,
            clock,
        }
    }

    /// The next piece of the body, never empty; none at its end. The server sends no faster than this is called.
    /// Nothing is lost where this future is dropped before it is ready, as `with_timeout` does it: the next call goes
    /// on.
    pub async fn body_chunk(&mut self) -> Result<Option<Vec<u8>>, HttpClientError> {
        self.sent.piece(&mut self.clock).await
    }

    /// All that is left of the body, up to `most`.
    pub(super) async fn read_to_end(&mut self, most: usize) -> Result<Vec<u8>, HttpClientError> {
        let mut body = Vec::new();
        while let Some(piece) = self.body_chunk().await? {
            if body.len() + piece.len() > most {
                let message = format!("The body is larger than max_body_size, {most} bytes");
                return Err(HttpClientError::new(599, message));
            }
            // A body of one piece is not copied.
            match body.is_empty() {
                true => body = piece,
                false => body.extend_from_slice(&piece),
            }
        }
        Ok(body)
    }

    pub(super) fn whole(self, body: Vec<u8>) -> HttpResponse {
        HttpResponse {
            code: self.code,
            reason: self.reason,
            headers: self.headers,
            body,
            effective_url: self.effective_url,
            request_time: self.clock.elapsed(),
        }
    }
}

impl fmt::Debug for StreamedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedResponse")
            .field("code", &self.code)
            .field("headers", &self.headers)
            .field("effective_url", &self.effective_url)
            .finish_non_exhaustive()
    }
}
