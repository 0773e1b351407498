//! WebSockets: the handler, its messages, and the sockets that anything in the instance may write to; and the client,
//! [`websocket_connect`]. Tornado's [`tornado.websocket`](https://www.tornadoweb.org/en/stable/websocket.html).
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::HashSet;
//!
//! use waterspout_sdk::prelude::*;
//!
//! thread_local! {
//!     static ALL: RefCell<HashSet<Socket>> = RefCell::default();
//! }
//!
//! #[derive(Default)]
//! struct Chat;
//!
//! #[handler]
//! impl WebSocketHandler for Chat {
//!     async fn open(&mut self, cx: &Context) -> Result {
//!         ALL.with_borrow_mut(|all| all.insert(cx.socket()));
//!         Ok(())
//!     }
//!
//!     async fn on_message(&mut self, _: &Context, message: Message) -> Result {
//!         for socket in ALL.with_borrow(HashSet::clone) {
//!             // One that has closed in the meantime is no fault of this message's.
//!             let _ = socket.write_message(message.clone()).await;
//!         }
//!         Ok(())
//!     }
//!
//!     async fn on_close(&mut self, cx: &Context) -> Result {
//!         ALL.with_borrow_mut(|all| all.remove(&cx.socket()));
//!         Ok(())
//!     }
//! }
//!
//! export!(Chat, single, websocket);
//! ```

pub(crate) mod compression_options;
pub(crate) mod connection;
mod error;
mod in_order;
pub(crate) mod message;
pub(crate) mod origin;
mod sockets;
mod websocket_client;
pub(crate) mod websocket_handler;
mod websocket_request;

pub use compression_options::CompressionOptions;
pub use error::WebSocketError;
pub use message::Message;
pub use sockets::Socket;
pub use websocket_client::{WebSocketClientConnection, websocket_connect};
pub use websocket_handler::WebSocketHandler;
pub use websocket_request::WebSocketRequest;
