//! A response, whole, and what a test asks of it. Where that is not there, it says so with all that is.

use std::fmt;

use serde_json::Value;
use ureq::http::HeaderMap;

/// The response of [`App::fetch`](crate::App::fetch): Tornado's `HTTPResponse`.
#[derive(Clone)]
pub struct HttpResponse {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) effective_url: String,
}

impl HttpResponse {
    /// The status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header of this name, in any case, where its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as it came: nothing is decompressed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// Where it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body)
            .unwrap_or_else(|error| panic!("the body is no text: {error}: {self:?}"))
    }

    /// The body as JSON: Tornado's `json_decode(response.body)`. [`json!`](crate::json) makes what to compare it with.
    ///
    /// ```no_run
    /// # let app = waterspout_test::App::serve();
    /// use waterspout_test::json;
    ///
    /// assert_eq!(app.fetch("/story/1").json(), json!({ "title": "Rain", "pages": 2 }));
    /// ```
    ///
    /// # Panics
    ///
    /// Where it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is no JSON: {error}: {self:?}"))
    }

    /// Where it came from, after all redirects.
    pub fn effective_url(&self) -> &str {
        &self.effective_url
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("code", &self.code)
            .field("effective_url", &self.effective_url)
            .field("headers", &self.headers)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish()
    }
}
