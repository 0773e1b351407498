//! Why something was not done to a socket.

use std::fmt;

use crate::runtime::bindings::waterspout::sockets::sockets as host;

/// Why something was not sent, or not done. Tornado's
/// [`WebSocketClosedError`](https://www.tornadoweb.org/en/stable/websocket.html#tornado.websocket.WebSocketClosedError) is
/// [`Closed`](Self::Closed).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn tell(socket: Socket) -> Result {
/// match socket.write_message("it rains").await {
///     Err(error) if error.is_closed() => log::info!("too late for {}", socket.id()),
///     result => result?,
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The socket is closed or closing, or there never was one with this id.
    Closed,
    /// As many bytes wait to be sent as may. [`write_message`](crate::websocket::Socket::write_message) waits for room
    /// instead.
    Full,
    /// A message, or the data of a ping, has this number of bytes at most.
    TooLarge(u64),
    /// The sockets of the component have this number of subscriptions, and may have no more.
    TooMany(u32),
    /// The call was wrong; says how.
    Invalid(String),
    /// Anything else.
    Other(String),
}

impl WebSocketError {
    /// Whether it is [`Closed`](Self::Closed).
    pub fn is_closed(&self) -> bool {
        *self == Self::Closed
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the WebSocket is closed"),
            Self::Full => f.write_str("too many bytes wait to be sent to the WebSocket"),
            Self::TooLarge(most) => write!(f, "a WebSocket takes {most} bytes at most here"),
            Self::TooMany(most) => {
                write!(f, "the WebSockets have {most} subscriptions at most")
            }
            Self::Invalid(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WebSocketError {}

impl From<host::Error> for WebSocketError {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Closed => Self::Closed,
            host::Error::Full => Self::Full,
            host::Error::TooLarge(most) => Self::TooLarge(most),
            host::Error::TooMany(most) => Self::TooMany(most),
            host::Error::Invalid(why) => Self::Invalid(why),
            host::Error::Other(why) => Self::Other(why),
        }
    }
}
