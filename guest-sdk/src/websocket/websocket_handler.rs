//! The handler of a WebSocket: the trait with the functions of Tornado's `WebSocketHandler`, in the order of a socket's
//! life.

#![expect(
    async_fn_in_trait,
    reason = "a component has one thread: there is nothing to be Send for"
)]

use crate::result::Result;
use crate::web::context::Context;
use crate::web::handler::RequestHandler;
use crate::websocket::compression_options::CompressionOptions;
use crate::websocket::message::Message;

/// A handler of WebSockets. Tornado's
/// [`WebSocketHandler`](https://www.tornadoweb.org/en/stable/websocket.html#tornado.websocket.WebSocketHandler).
///
/// It is a [`RequestHandler`] whose `GET` is the handshake. Implement it under [`#[handler]`](macro@crate::handler), in one
/// block with the functions of [`RequestHandler`] that it has: those go where they belong. [`export!`](crate::export)
/// needs the word `websocket`.
///
/// For each socket there is an object, made by `Default`, as long as the socket is open.
/// [`initialize`](RequestHandler::initialize) and [`prepare`](RequestHandler::prepare) are called first, and may refuse as
/// ever: by an error, [`Context::finish`] or [`Context::redirect`]. The headers and cookies that they set go out with the
/// handshake. Then [`check_origin`](Self::check_origin), [`select_subprotocol`](Self::select_subprotocol) and
/// [`get_compression_options`](Self::get_compression_options) are called, then [`open`](Self::open), one function for each
/// event after it, and [`on_close`](Self::on_close) at the end. What is not written here is not called, and costs nothing.
///
/// The functions of one socket are called one at a time: the next message waits until `on_message` of the one before it
/// has returned. Those of other sockets run while one awaits. An error is logged and closes the socket with code 1011. So
/// does an event that lasts too long, where the configuration sets a limit: it ends at its next `.await`.
///
/// [`Context::request`] is the handshake, as long as the socket is open. After it there is no response any more:
/// [`Context::write`], [`Context::set_header`] and the like are errors.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Echo {
///     user: String,
///     count: u32,
/// }
///
/// #[handler]
/// #[route("/echo")]
/// impl WebSocketHandler for Echo {
///     async fn prepare(&mut self, cx: &Context) -> Result {
///         let user = cx.request().cookie("user").ok_or(HttpError::new(401))?;
///         self.user = user.to_owned();
///         Ok(())
///     }
///
///     async fn open(&mut self, cx: &Context) -> Result {
///         cx.socket().write_message(format!("Hello, {}", self.user)).await?;
///         Ok(())
///     }
///
///     async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
///         self.count += 1;
///         cx.socket().write_message(message).await?;
///         Ok(())
///     }
///
///     async fn on_close(&mut self, _: &Context) -> Result {
///         log::info!("{} said {} things", self.user, self.count);
///         Ok(())
///     }
/// }
///
/// export!(Echo, websocket);
/// ```
pub trait WebSocketHandler: RequestHandler {
    /// Whether a page of another origin may open a socket: `https://example.com`, for example. Called only for those, as
    /// in Tornado 6.6: not where `Sec-Fetch-Site` says that the origin is the same, nor where it is the `Host`'s, nor for
    /// clients that name none.
    ///
    /// Without this function the host decides: only the same origin and those of the setting `trusted_origins` may.
    /// A refusal is 403.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Open;
    /// #[handler]
    /// impl WebSocketHandler for Open {
    ///     fn check_origin(&mut self, _: &Context, origin: &str) -> bool {
    ///         origin.ends_with(".example.com")
    ///     }
    /// }
    /// ```
    fn check_origin(&mut self, cx: &Context, origin: &str) -> bool {
        let _ = (cx, origin);
        false
    }

    /// Chooses one of the subprotocols that the client offers, in its order; none where the list is empty. An answer that
    /// was not offered is an error, 500. A client may leave where its subprotocols are not chosen.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Soap;
    /// #[handler]
    /// impl WebSocketHandler for Soap {
    ///     fn select_subprotocol(&mut self, _: &Context, subprotocols: &[String]) -> Option<String> {
    ///         subprotocols.iter().find(|name| *name == "soap").cloned()
    ///     }
    /// }
    /// ```
    fn select_subprotocol(&mut self, cx: &Context, subprotocols: &[String]) -> Option<String> {
        let _ = (cx, subprotocols);
        None
    }

    /// How messages are compressed; `None`: they are not.
    fn get_compression_options(&mut self, cx: &Context) -> Option<CompressionOptions> {
        let _ = cx;
        None
    }

    /// The socket is open. The arguments of the path are in the context. No message comes before this has returned.
    async fn open(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// A message has come. Without this function messages are dropped.
    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        let _ = (cx, message);
        Ok(())
    }

    /// A ping has come. The host has answered it.
    async fn on_ping(&mut self, cx: &Context, data: Vec<u8>) -> Result {
        let _ = (cx, data);
        Ok(())
    }

    /// The answer to a ping has come.
    async fn on_pong(&mut self, cx: &Context, data: Vec<u8>) -> Result {
        let _ = (cx, data);
        Ok(())
    }

    /// The socket is closed, by either side: [`Context::close_code`] and [`Context::close_reason`]. Always the last, and
    /// called once for each socket whose `open` was called, unless the instance has trapped.
    async fn on_close(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// The socket moves: to another instance, or to a new version of the component. Returns what
    /// [`resume`](Self::resume) of the new object needs to know. Nothing follows for this object, not even `on_close`.
    ///
    /// Without this function a socket stays with the version that opened it, until that has to end.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// #[derive(Default)]
    /// struct Counter {
    ///     count: u32,
    /// }
    ///
    /// #[handler]
    /// impl WebSocketHandler for Counter {
    ///     async fn on_message(&mut self, cx: &Context, _: Message) -> Result {
    ///         self.count += 1;
    ///         cx.socket().write_message(self.count.to_string()).await?;
    ///         Ok(())
    ///     }
    ///
    ///     async fn suspend(&mut self, _: &Context) -> Result<Vec<u8>> {
    ///         Ok(self.count.to_le_bytes().into())
    ///     }
    ///
    ///     async fn resume(&mut self, _: &Context, state: Vec<u8>) -> Result {
    ///         self.count = u32::from_le_bytes(state.as_slice().try_into()?);
    ///         Ok(())
    ///     }
    /// }
    /// ```
    async fn suspend(&mut self, cx: &Context) -> Result<Vec<u8>> {
        let _ = cx;
        Ok(Vec::new())
    }

    /// A new object takes the socket over, with what `suspend` of the one before it has returned. Of the functions
    /// before it, only [`initialize`](RequestHandler::initialize) was called. The arguments of the path are in the
    /// context. An error closes the socket, as one of any event does.
    async fn resume(&mut self, cx: &Context, state: Vec<u8>) -> Result {
        let _ = (cx, state);
        Ok(())
    }
}
