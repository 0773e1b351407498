//! What `websocket_connect` asks a server for. Sends nothing.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::httpclient::url::without_user;
use crate::websocket::compression_options::CompressionOptions;

/// How long the handshake may take by default: Tornado's 20 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A request for a WebSocket: the arguments of Tornado's
/// [`websocket_connect`](https://www.tornadoweb.org/en/stable/websocket.html#tornado.websocket.websocket_connect) as
/// functions. A URL alone is one, too. What is wrong with one of them,
/// [`websocket_connect`](crate::websocket::websocket_connect) says.
///
/// ```
/// # use waterspout_sdk::websocket::{CompressionOptions, WebSocketRequest};
/// # use std::time::Duration;
/// let request = WebSocketRequest::new("wss://feed.example.com/prices")
///     .with_header("authorization", "Bearer secret")
///     .with_subprotocols(["prices.v2", "prices.v1"])
///     .with_compression_options(CompressionOptions::default())
///     .with_ping_interval(Duration::from_secs(30));
/// ```
#[derive(Clone)]
#[must_use = "it is sent by `websocket_connect`"]
pub struct WebSocketRequest {
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) subprotocols: Vec<String>,
    pub(super) compression: Option<CompressionOptions>,
    pub(super) connect_timeout: Duration,
    pub(super) ping_interval: Option<Duration>,
    pub(super) ping_timeout: Option<Duration>,
    pub(super) max_message_size: Option<usize>,
    /// The fault of an argument.
    pub(super) fault: Option<String>,
}

/// For logs: without headers, and user and password, which may be secret.
impl fmt::Debug for WebSocketRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRequest")
            .field("url", &without_user(&self.url))
            .finish_non_exhaustive()
    }
}

impl WebSocketRequest {
    /// Of this URL, which begins with `ws://` or `wss://`. One with a user and a password in it sends them.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            compression: None,
            connect_timeout: TIMEOUT,
            ping_interval: None,
            ping_timeout: None,
            max_message_size: None,
            fault: None,
        }
    }

    /// Adds a header to those that are set. Those of the handshake and of the connection can't be set. A `Host` is sent
    /// in place of the URL's, if `allow.http` grants it, too.
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
            (Err(error), _) => self.note(error.to_string()),
        }
        self
    }

    /// Subprotocols of which the server may select one, the best first.
    pub fn with_subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Offers to compress messages, in both directions. By default nothing is offered.
    pub fn with_compression_options(mut self, options: CompressionOptions) -> Self {
        self.compression = Some(options);
        self
    }

    /// The time limit for the connection and the handshake, 20 seconds by default.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Pings the server this often. By default it is not pinged.
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = Some(interval);
        self
    }

    /// How long the answer to a ping may take before the WebSocket is closed: at most the interval, and that by default.
    pub fn with_ping_timeout(mut self, timeout: Duration) -> Self {
        self.ping_timeout = Some(timeout);
        self
    }

    /// The largest message of the server, 10 MiB by default. A larger one closes the WebSocket with 1009. More than the
    /// component's `message_memory` is an error.
    pub fn with_max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = Some(bytes);
        self
    }

    fn note(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }
}

impl From<&str> for WebSocketRequest {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for WebSocketRequest {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl From<&String> for WebSocketRequest {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}
