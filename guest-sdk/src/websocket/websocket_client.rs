//! WebSockets to other servers: `websocket_connect`, and the connection that it makes. The host speaks the protocol, and
//! decides which servers may be reached.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::{Mutex, Semaphore};

use crate::httpclient::response::{HttpClientError, HttpResponse};
use crate::httpclient::url::Url;
use crate::runtime::bindings::waterspout::sockets::sockets::Error;
use crate::runtime::bindings::waterspout::sockets::websocket_client as host;
use crate::runtime::durations::nanoseconds;
use crate::runtime::kept::{Kept, Wait};
use crate::websocket::error::WebSocketError;
use crate::websocket::message::Message;
use crate::websocket::websocket_request::WebSocketRequest;

/// Opens a WebSocket to another server: a URL, or a [`WebSocketRequest`]. Tornado's
/// [`websocket_connect`](https://www.tornadoweb.org/en/stable/websocket.html#tornado.websocket.websocket_connect). The
/// component's `allow.http` has to grant it: `ws://host` as it grants `http://host`, and `wss://host` as `https://host`.
///
/// The error is that of [`fetch`](crate::httpclient::fetch): its `code` is the status that the server has answered with in
/// place of a WebSocket, or 599. A redirect is not followed.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::websocket::websocket_connect;
/// # async fn get(cx: &Context) -> Result {
/// let ws = websocket_connect("wss://feed.example.com/prices").await?;
/// ws.write_message("today").await?;
/// while let Some(message) = ws.read_message().await? {
///     cx.write(message.into_data())?;
/// }
/// # Ok(())
/// # }
/// ```
pub async fn websocket_connect(
    request: impl Into<WebSocketRequest>,
) -> Result<WebSocketClientConnection, HttpClientError> {
    let mut request = request.into();
    if let Some(fault) = request.fault.take() {
        return Err(HttpClientError::new(599, fault));
    }
    let url = parsed(&request.url)?;
    let headers = headers(&request, &url)?;
    let connected = host::connect(host::Handshake {
        url: shown(&url),
        headers,
        subprotocols: request.subprotocols,
        compression: request.compression.map(|options| host::OfferedCompression {
            level: options.level,
        }),
        connect_timeout: Some(nanoseconds(request.connect_timeout)),
        ping_interval: request.ping_interval.map(nanoseconds),
        ping_timeout: request.ping_timeout.map(nanoseconds),
        max_message_size: request.max_message_size.map(|bytes| bytes as u64),
    });
    match connected.await {
        Ok(connection) => Ok(WebSocketClientConnection(Rc::new(Open {
            reading: Mutex::default(),
            turn: Semaphore::new(1),
            subprotocol: connection.selected_subprotocol(),
            headers: read(connection.headers()),
            connection: Rc::new(connection),
        }))),
        Err(error) => Err(fault(error, &url)),
    }
}

/// A WebSocket to another server, made by [`websocket_connect`]. Tornado's `WebSocketClientConnection`.
///
/// A clone is the same connection, for another task of the instance. When the last one is dropped the WebSocket closes,
/// with 1001. One that is kept in a `thread_local!` lasts as long as the instance.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::websocket::websocket_connect;
/// # async fn post(cx: &Context) -> Result {
/// let ws = websocket_connect("ws://localhost:8888/chat").await?;
/// let reader = ws.clone();
/// spawn(async move {
///     while let Some(message) = reader.read_message().await? {
///         log::info!("{:?}", message.text());
///     }
///     Ok(())
/// })?;
/// ws.write_message("Hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebSocketClientConnection(Rc<Open>);

struct Open {
    /// The wait for messages, of one reader at a time. Dropped before the connection.
    reading: Mutex<Kept>,
    /// For one writer at a time, so that nothing overtakes what waits for room.
    turn: Semaphore,
    connection: Rc<host::Connection>,
    subprotocol: Option<String>,
    headers: HeaderMap,
}

impl WebSocketClientConnection {
    /// The next message, once there is one. `None`: the WebSocket is closed, and there are no more. Nothing is lost where
    /// this future is dropped before it is ready. Messages that nobody reads wait at the server, apart from a few.
    pub async fn read_message(&self) -> Result<Option<Message>, WebSocketError> {
        let connection = &self.0.connection;
        let mut reading = self.0.reading.lock().await;
        let begin = || -> Wait {
            let connection = connection.clone();
            Box::pin(async move { connection.ready().await })
        };
        let take = || connection.take().transpose();
        let take = || match take() {
            Some(Err(Error::Closed)) => Some(Ok(None)),
            taken => taken.map(|taken| taken.map(Some)),
        };
        if let Some(taken) = take() {
            return Ok(taken?.map(Message::from_host));
        }
        let taken = poll_fn(|task| reading.poll_taken(task, begin, take)).await;
        Ok(taken?.map(Message::from_host))
    }

    /// Sends a message: text, bytes, or a [`Message`]. Waits only while too much of what was sent before has not left yet.
    /// A server that never reads makes it wait, so [`with_timeout`](crate::gen_::with_timeout) fits. It may be dropped
    /// while it waits: then nothing is sent.
    pub async fn write_message(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let message = message.into().into_host();
        let _turn = match self.0.turn.try_acquire() {
            Ok(turn) => Ok(turn),
            Err(_) => self.0.turn.acquire().await,
        };
        loop {
            match self.0.connection.send(&message) {
                Err(Error::Full) => self.0.connection.writable().await?,
                sent => return Ok(sent?),
            }
        }
    }

    /// Sends a ping, with up to 125 bytes.
    pub fn ping(&self, data: impl AsRef<[u8]>) -> Result<(), WebSocketError> {
        Ok(self.0.connection.ping(data.as_ref())?)
    }

    /// Begins to close: what was sent before goes out, and nothing can be sent after.
    /// [`read_message`](Self::read_message) returns what still comes, and then `None`. A server that does not answer is cut
    /// off after 5 seconds. `code`: 1000 to 4999, as RFC 6455, section 7.4 has it. `reason`: up to 123 bytes. Nothing
    /// happens where the WebSocket is closed already.
    pub fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<(), WebSocketError> {
        Ok(self.0.connection.close(code, reason)?)
    }

    /// The code with which the server has closed, once it has; `None` where it said none, or where the connection was lost.
    pub fn close_code(&self) -> Option<u16> {
        self.0.connection.close_code()
    }

    /// What the server said beside the code.
    pub fn close_reason(&self) -> Option<String> {
        self.0.connection.close_reason()
    }

    /// The subprotocol that the server has selected.
    pub fn selected_subprotocol(&self) -> Option<&str> {
        self.0.subprotocol.as_deref()
    }

    /// The headers of the server's answer to the handshake.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

impl fmt::Debug for WebSocketClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketClientConnection")
            .field("selected_subprotocol", &self.0.subprotocol)
            .finish_non_exhaustive()
    }
}

/// The URL, with the scheme of its handshake.
fn parsed(url: &str) -> Result<Url, HttpClientError> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "wss" => Url::parse(&format!("http{}", &url["ws".len()..])),
        _ => {
            let message = "A WebSocket's URL begins with ws:// or wss://";
            Err(HttpClientError::new(599, message))
        }
    }
}

/// With its own scheme again.
fn shown(url: &Url) -> String {
    let scheme = if url.is_encrypted() { "wss" } else { "ws" };
    format!("{scheme}://{}{}", url.authority(), url.path_with_query())
}

fn headers(
    request: &WebSocketRequest,
    url: &Url,
) -> Result<Vec<(String, Vec<u8>)>, HttpClientError> {
    let mut headers = request.headers.clone();
    let agent = concat!("Waterspout/", env!("CARGO_PKG_VERSION"));
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(agent));
    if let Some((username, password)) = url.user() {
        let basic = STANDARD.encode(format!("{username}:{password}"));
        let value = HeaderValue::try_from(format!("Basic {basic}"));
        let value = value.map_err(|error| HttpClientError::new(599, error.to_string()))?;
        headers.entry(AUTHORIZATION).or_insert(value);
    }
    let list = headers.iter();
    Ok(list
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
        .collect())
}

/// Headers from the host.
fn read(fields: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// An error with Tornado's words, where Tornado has it.
fn fault(error: host::ConnectError, url: &Url) -> HttpClientError {
    let text = match error {
        host::ConnectError::Refused(refusal) => return refused(refusal, url),
        host::ConnectError::NotGranted(why) => format!("Not granted: {why}"),
        host::ConnectError::Timeout => "Timeout while connecting".to_owned(),
        host::ConnectError::Protocol(why) => format!("Non-websocket response: {why}"),
        host::ConnectError::Unreachable(why)
        | host::ConnectError::Tls(why)
        | host::ConnectError::Invalid(why)
        | host::ConnectError::Other(why) => why,
    };
    HttpClientError::new(599, text)
}

/// The server has answered something else.
fn refused(refusal: host::Refusal, url: &Url) -> HttpClientError {
    let code = refusal.status;
    let status = StatusCode::from_u16(code).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or("Unknown").to_owned();
    let response = HttpResponse {
        code,
        reason: reason.clone(),
        headers: read(refusal.headers),
        body: Vec::new(),
        effective_url: shown(url),
        request_time: Duration::ZERO,
    };
    let message = match response.is_success() {
        true => "Non-websocket response".to_owned(),
        false => reason,
    };
    HttpClientError {
        code,
        message,
        response: Some(Box::new(response)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_websocket_is_that_of_its_handshake() {
        for (url, handshake) in [
            ("ws://Example.com/a?b#c", "http://example.com/a?b"),
            ("WSS://example.com:443", "https://example.com/"),
            (
                "wss://b\u{fc}cher.example/",
                "https://xn--bcher-kva.example/",
            ),
        ] {
            assert_eq!(parsed(url).unwrap().to_string(), handshake);
        }
        for wrong in ["", "http://example.com", "wsx://a", "/path", "ws:"] {
            assert_eq!(parsed(wrong).unwrap_err().code, 599, "{wrong}");
        }
    }

    #[test]
    fn a_user_in_the_url_is_sent_and_a_header_counts_more() {
        let sent = |request: WebSocketRequest| {
            let url = parsed(&request.url).unwrap();
            read(headers(&request, &url).unwrap())
        };
        let request = WebSocketRequest::new("ws://gulliver:secret@example.com/");
        assert_eq!(
            sent(request.clone())["authorization"],
            "Basic Z3VsbGl2ZXI6c2VjcmV0"
        );
        let own = sent(request.with_header("authorization", "Bearer x"));
        assert_eq!(own["authorization"], "Bearer x");
    }
}
