//! The request of a fetch: Tornado's `HTTPRequest`. Sends nothing.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{IF_MODIFIED_SINCE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::httpclient::body_writer::BodyWriter;
use crate::httpclient::url::without_user;
use crate::result::Result;

/// How long a connection, and a whole fetch, may take by default: Tornado's 20 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The largest body that is kept whole by default. A guest has 64 MB of memory by default, and many requests in it.
const MAX_BODY_SIZE: usize = 10 * 1024 * 1024;

/// A request to another server: Tornado's
/// [`HTTPRequest`](https://www.tornadoweb.org/en/stable/httpclient.html#tornado.httpclient.HTTPRequest). Its arguments
/// are functions here. What is wrong with one of them, [`fetch`](crate::httpclient::fetch) says.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// let request = HttpRequest::new("https://api.example.com/stories")
///     .with_header("accept", "application/json")
///     .with_auth("gulliver", "secret")
///     .with_request_timeout(Duration::from_secs(5))
///     .with_follow_redirects(false);
/// ```
#[must_use = "a request is sent by `fetch`"]
pub struct HttpRequest {
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) auth: Option<(String, String)>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) follow_redirects: bool,
    pub(super) max_redirects: u32,
    pub(super) decompress_response: bool,
    pub(super) max_body_size: usize,
    pub(super) raise_error: bool,
    /// The fault of an argument.
    pub(super) fault: Option<String>,
}

pub(super) type Producing = Pin<Box<dyn Future<Output = Result>>>;
type Producer = Box<dyn FnOnce(BodyWriter) -> Producing>;

/// The body to be sent.
pub(super) enum Body {
    None,
    Whole(Bytes),
    Produced(Producer),
    /// It was produced and can't be produced again.
    Spent,
}

/// For logs: without headers, body, and user and password, which may be secret.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &without_user(&self.url))
            .finish_non_exhaustive()
    }
}

impl HttpRequest {
    /// A GET of this URL. One with a user and a password in it sends them, as [`with_auth`](Self::with_auth) does.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Body::None,
            auth: None,
            connect_timeout: TIMEOUT,
            request_timeout: TIMEOUT,
            follow_redirects: true,
            max_redirects: 5,
            decompress_response: true,
            max_body_size: MAX_BODY_SIZE,
            raise_error: true,
            fault: None,
        }
    }

    /// The method, GET by default.
    pub fn with_method(mut self, method: impl AsRef<[u8]>) -> Self {
        match Method::from_bytes(method.as_ref()) {
            Ok(method) => self.method = method,
            Err(error) => self.note(error),
        }
        self
    }

    /// Adds a header to those that are set. A `Host` is sent in place of the URL's, if `allow.http` grants it, too:
    /// the same server may have other sites. Headers of the connection, like `Connection` and `Transfer-Encoding`,
    /// can't be set, and a `Content-Length` must be the body's; else there is an error.
    pub fn with_header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Display>,
        V: TryInto<HeaderValue, Error: fmt::Display>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            (Ok(name), Err(error)) => self.note(format!("the header `{name}`: {error}")),
            (Err(error), _) => self.note(error),
        }
        self
    }

    /// All headers.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The body.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// A body that is made while it is sent: Tornado's `body_producer`. It is not made again for a redirect.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// let request = HttpRequest::new("https://api.example.com/log")
    ///     .with_method("PUT")
    ///     .with_body_producer(|mut body| async move {
    ///         for line in 0..1000 {
    ///             body.write(format!("line {line}\n")).await?; // waits for the server
    ///         }
    ///         Ok(())
    ///     });
    /// ```
    pub fn with_body_producer<P, F>(mut self, producer: P) -> Self
    where
        P: FnOnce(BodyWriter) -> F + 'static,
        F: Future<Output = Result> + 'static,
    {
        self.body = Body::Produced(Box::new(move |writer| Box::pin(producer(writer))));
        self
    }

    /// User and password, for the scheme `Basic`: Tornado's `auth_username` and `auth_password`.
    pub fn with_auth(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.auth = Some((username.into(), password.into()));
        self
    }

    /// How long to wait for a connection, 20 s by default. Waiting for a turn under `max_clients` counts.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long all of it may take, redirects and body included, 20 s by default. `Duration::ZERO`: as long as it
    /// takes.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Whether a redirect is followed, which is the default.
    pub fn with_follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// How many redirects are followed, 5 by default. The one after is the response.
    pub fn with_max_redirects(mut self, most: u32) -> Self {
        self.max_redirects = most;
        self
    }

    /// Whether the server may compress its response, which the host then decompresses; the default.
    pub fn with_decompress_response(mut self, decompress: bool) -> Self {
        self.decompress_response = decompress;
        self
    }

    /// The `User-Agent`, `Waterspout` and its version by default.
    pub fn with_user_agent(self, agent: impl AsRef<str>) -> Self {
        self.set(USER_AGENT, agent.as_ref())
    }

    /// Asks for a response only if there is one newer than this; else it is a 304. A time before 1970 or after 9999
    /// has no date in HTTP, so the nearest one is used.
    pub fn with_if_modified_since(self, time: SystemTime) -> Self {
        // A date of HTTP has a year of four digits.
        let (first, last) = (SystemTime::UNIX_EPOCH, Duration::from_secs(253_402_300_799));
        let since = time.duration_since(first).unwrap_or_default().min(last);
        self.set(IF_MODIFIED_SINCE, &httpdate::fmt_http_date(first + since))
    }

    /// The largest body that [`fetch`](crate::httpclient::fetch) takes, 10 MB by default; a larger one is an error.
    pub fn with_max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Whether a status other than 200 to 299 is an error, which is the default. A fetch without a response is one in
    /// any case.
    pub fn with_raise_error(mut self, raise: bool) -> Self {
        self.raise_error = raise;
        self
    }

    fn set(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::try_from(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.note(format!("the header `{name}`: {error}")),
        }
        self
    }

    fn note(&mut self, fault: impl fmt::Display) {
        self.fault.get_or_insert_with(|| fault.to_string());
    }
}

impl From<&str> for HttpRequest {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for HttpRequest {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl From<&String> for HttpRequest {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_date() {
        let epoch = SystemTime::UNIX_EPOCH;
        let decade = Duration::from_secs(10 * 366 * 24 * 3600);
        for (time, date) in [
            (epoch - decade, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (epoch, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (epoch + decade * 1000, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let request = HttpRequest::new("http://example.com").with_if_modified_since(time);
            assert_eq!(request.headers[IF_MODIFIED_SINCE], date);
        }
    }

    #[test]
    fn what_a_log_shows_of_a_request_has_no_secret() {
        let request = HttpRequest::new("https://ada:secret@example.com/x")
            .with_header("authorization", "secret")
            .with_auth("ada", "secret")
            .with_body("secret");
        assert_eq!(
            format!("{request:?}"),
            r#"HttpRequest { method: GET, url: "https://example.com/x", .. }"#
        );
    }
}
