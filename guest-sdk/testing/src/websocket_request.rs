//! A request for a WebSocket, as a test says it. Sends none.

use std::time::Duration;

/// A request for [`App::ws_connect`](crate::App::ws_connect): the arguments of Tornado's `websocket_connect`. A path alone
/// asks for no subprotocol and no compression.
///
/// ```no_run
/// # let app = waterspout_test::App::serve();
/// use waterspout_test::WebSocketRequest;
///
/// let request = WebSocketRequest::new("/ws/chat")
///     .with_header("Origin", "http://example.com")
///     .with_subprotocols(["chat.v2", "chat.v1"])
///     .with_compression();
/// let ws = app.ws_connect(request).unwrap();
/// assert_eq!(ws.selected_subprotocol(), Some("chat.v2"));
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketRequest {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) is_compressed: bool,
    pub(crate) timeout: Option<Duration>,
}

impl WebSocketRequest {
    /// A WebSocket at this path of the app. A whole URL is taken as it is, with `ws://` or `http://`.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            is_compressed: false,
            timeout: None,
        }
    }

    /// One more header. The same name may come again. One of the handshake's own, such as `Sec-WebSocket-Version`, is sent
    /// instead of what is usual.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Subprotocols of which the server may select one, the best first.
    #[must_use]
    pub fn with_subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        let subprotocols = subprotocols.into_iter().map(Into::into);
        self.subprotocols.extend(subprotocols);
        self
    }

    /// Offers `permessage-deflate`: Tornado's `compression_options={}`. Where the server agrees, messages are compressed both
    /// ways, and the header `Sec-WebSocket-Extensions` of the response says how.
    #[must_use]
    pub fn with_compression(mut self) -> Self {
        self.is_compressed = true;
        self
    }

    /// How long each wait of this WebSocket may take, for the handshake and for each message, where it is not as long as all
    /// others.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl From<&str> for WebSocketRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for WebSocketRequest {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl From<&String> for WebSocketRequest {
    fn from(path: &String) -> Self {
        Self::new(path)
    }
}
