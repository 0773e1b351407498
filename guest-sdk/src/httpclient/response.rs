//! A complete response, and the error of a fetch, which may contain one: Tornado's `HTTPResponse` and
//! `HTTPClientError`.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

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
    /// The body as text. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// An error if the status is not 200 to 299: Tornado's `rethrow`.
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
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
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
