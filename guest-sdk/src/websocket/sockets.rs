//! Sockets that the host keeps open: a handle for each, which anything in the component may have.

use crate::runtime::bindings::waterspout::sockets::sockets as host;
use crate::websocket::error::WebSocketError;
use crate::websocket::in_order::send_in_order;
use crate::websocket::message::Message;

/// A WebSocket that is open, or was: [`cx.socket()`](crate::Context::socket).
///
/// It is no more than the id, so it may be kept, copied and sent to other instances of the component: the host knows
/// which socket is meant. Two are equal where they mean the same. Nothing happens to the socket where one is dropped.
///
/// What is said to a socket goes out in the order in which it was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    id: u64,
}

impl Socket {
    /// The socket with this id, of any instance of the component. Whether it is open shows when it is used.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// #[derive(Default)]
    /// struct Tell;
    ///
    /// #[handler]
    /// #[route("/tell/([0-9]+)")]
    /// impl RequestHandler for Tell {
    ///     async fn post(&mut self, cx: &Context) -> Result {
    ///         let socket = Socket::with_id(cx.path_arg(0)?);
    ///         match socket.write_message("somebody thinks of you").await {
    ///             Err(error) if error.is_closed() => bail!(HttpError::new(404)),
    ///             result => Ok(result?),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn with_id(id: u64) -> Self {
        Self { id }
    }

    /// What tells it from all others that this server has, or had. It stays the same when the socket moves to another
    /// instance.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Sends a message: text, bytes, or a [`Message`]. Waits only while too much of what was sent before has not left
    /// yet; a client that never reads makes it wait until the socket is closed, so
    /// [`with_timeout`](crate::gen_::with_timeout) fits where several sockets get the same. It may be dropped while it
    /// waits: then nothing is sent.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn on_message(cx: &Context) -> Result {
    /// let socket = cx.socket();
    /// socket.write_message("text").await?;
    /// socket.write_message(vec![0, 1, 2]).await?;
    /// socket.write_message(Message::of_json(&["a", "list"])?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_message(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let (id, message) = (self.id, message.into().into_host());
        let send = || host::send(id, &message);
        Ok(send_in_order(id, send, || host::ready(id)).await?)
    }

    /// Sends a ping, with up to 125 bytes that come back with the answer, in
    /// [`on_pong`](crate::websocket::WebSocketHandler::on_pong).
    pub fn ping(&self, data: impl AsRef<[u8]>) -> Result<(), WebSocketError> {
        Ok(host::ping(self.id, data.as_ref())?)
    }

    /// Begins to close: what was sent before goes out, and nothing can be sent after. `code`: 1000 to 4999, as RFC 6455,
    /// section 7.4 has it. `reason`: up to 123 bytes. Nothing happens where the socket is closed already.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn on_message(cx: &Context) -> Result {
    /// cx.socket().close(Some(4001), Some("that is not how this game is played"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<(), WebSocketError> {
        match host::close(self.id, code, reason) {
            Err(host::Error::Closed) => Ok(()),
            closed => Ok(closed?),
        }
    }

    /// Has the host send what is [published](crate::pubsub::publish) to a topic from now on, without entering the
    /// component: as text where it is UTF-8, else as bytes. A client that is too slow loses the oldest of what waits for
    /// it, see [`dropped`](Self::dropped).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct News;
    /// #[handler]
    /// #[route("/news/([a-z]+)")]
    /// impl WebSocketHandler for News {
    ///     async fn open(&mut self, cx: &Context) -> Result {
    ///         cx.socket().subscribe(&cx.path_arg::<String>(0)?)?;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn subscribe(&self, topic: &str) -> Result<(), WebSocketError> {
        Ok(host::subscribe(self.id, topic, false)?)
    }

    /// The same, and always as bytes.
    pub fn subscribe_binary(&self, topic: &str) -> Result<(), WebSocketError> {
        Ok(host::subscribe(self.id, topic, true)?)
    }

    /// Ends that. Nothing happens where there is no such subscription.
    pub fn unsubscribe(&self, topic: &str) -> Result<(), WebSocketError> {
        Ok(host::unsubscribe(self.id, topic)?)
    }

    /// How many published messages this socket has lost, because its client was too slow.
    pub fn dropped(&self) -> Result<u64, WebSocketError> {
        Ok(host::dropped(self.id)?)
    }

    /// Whether small messages leave immediately (TCP_NODELAY). They do from the beginning; in Tornado they do not.
    pub fn set_nodelay(&self, nodelay: bool) -> Result<(), WebSocketError> {
        Ok(host::set_nodelay(self.id, nodelay)?)
    }
}
