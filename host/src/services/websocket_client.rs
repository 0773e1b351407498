//! The WebSockets that guests open to other servers: the handshake, and a task that carries each. `http_client` decides
//! which servers may be reached. Knows no guest.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Uri};
use tokio::time::timeout;
use url::{Position, Url};

use crate::base::websocket::{Opening, Role, code};
use crate::services::http_client::{Access, Fault, Upgraded};
use crate::services::sockets::{
    ClientLimits, ClientSocket, Closed, Pings, Terms, Wire, carry, hang_up,
};

/// How long a server that has closed is heard out.
const LINGER: Duration = Duration::from_secs(2);

/// What a guest asks for.
pub struct Handshake {
    /// `ws` or `wss`.
    pub url: String,
    /// In addition to those of the handshake, and none of them.
    pub headers: HeaderMap,
    pub subprotocols: Vec<String>,
    /// The level of compression. `None`: none is offered.
    pub compression: Option<u32>,
    /// The time limit from the turn under `max_clients` to the answer.
    pub within: Duration,
    pub pings: Pings,
    pub limits: ClientLimits,
}

/// Why there is no WebSocket.
#[derive(Debug)]
pub enum ConnectError {
    Fault(Fault),
    /// The server's answer is a usual one.
    Refused(u16, HeaderMap),
    /// The server's answer does not fit the request.
    Answer(String),
    /// The guest's request is wrong.
    Invalid(String),
}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A WebSocket that is open, or was. It closes when the last of these is dropped.
pub type Connection = Arc<ClientConnection>;

/// The same.
pub struct ClientConnection {
    socket: Arc<ClientSocket>,
    pub subprotocol: Option<String>,
    /// Those of the server's answer.
    pub headers: HeaderMap,
}

impl Deref for ClientConnection {
    type Target = ClientSocket;

    fn deref(&self) -> &ClientSocket {
        &self.socket
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let farewell = (code::GOING_AWAY, String::new());
        self.socket.begin_to_close(Some(farewell));
    }
}

/// Opens a WebSocket.
pub async fn connect(access: &Access, handshake: Handshake) -> Result<Connection, ConnectError> {
    let uri = uri(&handshake.url).map_err(ConnectError::Invalid)?;
    let opening = Opening::new(handshake.subprotocols, handshake.compression);
    let opening = opening.map_err(ConnectError::Invalid)?;
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::GET;
    head.uri = uri;
    head.headers = handshake.headers;
    if let Some(name) = head.headers.keys().find(|name| Opening::owns(name)) {
        let why = format!("the header `{name}` can't be set: the handshake says it by itself");
        return Err(ConnectError::Invalid(why));
    }
    head.headers.extend(opening.headers());
    let answer = access.upgrade(head, handshake.within).await?;
    let headers = answer.head.headers;
    let Some(upgraded) = answer.upgraded else {
        return Err(ConnectError::Refused(answer.head.status.as_u16(), headers));
    };
    let opened = opening.answered(&headers).map_err(ConnectError::Answer)?;
    let socket = Arc::new(ClientSocket::new(handshake.limits));
    let terms = Terms {
        role: Role::Client,
        deflate: opened.deflate,
        pings: handshake.pings,
        max_message: handshake.limits.max_message,
        progress: None,
    };
    tokio::spawn(serve(upgraded, socket.clone(), terms));
    Ok(Arc::new(ClientConnection {
        socket,
        subprotocol: opened.subprotocol,
        headers,
    }))
}

/// Carries a WebSocket until its end.
async fn serve(upgraded: Upgraded, socket: Arc<ClientSocket>, terms: Terms) {
    let Upgraded { stream, read, turn } = upgraded;
    let end = End(socket);
    let (closed, stream) = carry(stream, read, &*end.0, terms, Wire::default()).await;
    end.0.ended(closed);
    drop(end);
    let _ = timeout(LINGER, hang_up(stream)).await;
    drop(turn);
}

/// However the task ends, the guest knows.
struct End(Arc<ClientSocket>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended(Closed::default());
    }
}

/// The URI of the handshake's request. A URL is read as browsers and curl read it, as those of fetches are.
fn uri(text: &str) -> Result<Uri, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        other => return Err(format!("the URL's scheme is {other:?}, not ws or wss")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL has a user".to_owned());
    }
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(&url[Position::BeforeHost..Position::AfterPort])
        .path_and_query(&url[Position::BeforePath..Position::AfterQuery]);
    uri.build().map_err(|error| format!("not a URL: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_where_that_of_a_fetch_would() {
        for (url, expected) in [
            ("ws://Example.com", "http://example.com/"),
            ("wss://example.com:443/a?b#c", "https://example.com/a?b"),
            ("ws://127.1:8080/x y", "http://127.0.0.1:8080/x%20y"),
            (
                "wss://b\u{fc}cher.example:8443",
                "https://xn--bcher-kva.example:8443/",
            ),
            ("ws://[::1]:9/", "http://[::1]:9/"),
        ] {
            assert_eq!(uri(url).unwrap().to_string(), expected);
        }
        for wrong in [
            "",
            "/a",
            "http://example.com",
            "ws://",
            "ws://user@example.com",
            "ws://:secret@example.com",
        ] {
            assert!(uri(wrong).is_err(), "{wrong}");
        }
    }
}
