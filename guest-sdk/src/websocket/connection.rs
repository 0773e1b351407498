//! What the functions of a WebSocket handler see of their socket. The socket itself, which others may use as well, is in
//! `sockets`.

use crate::web::context::Context;
use crate::websocket::sockets::Socket;

/// The socket of a [`WebSocketHandler`](crate::websocket::WebSocketHandler).
impl Context {
    /// The socket, from [`open`](crate::websocket::WebSocketHandler::open) or
    /// [`resume`](crate::websocket::WebSocketHandler::resume) on. It may be kept, and used anywhere in the instance.
    ///
    /// # Panics
    ///
    /// Where there is no socket: in the functions before `open`, and in other handlers.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Late;
    /// #[handler]
    /// impl WebSocketHandler for Late {
    ///     async fn open(&mut self, cx: &Context) -> Result {
    ///         let socket = cx.socket();
    ///         spawn(async move {
    ///             sleep(Duration::from_secs(1)).await;
    ///             Ok(socket.write_message("a second later").await?)
    ///         })
    ///     }
    /// }
    /// ```
    pub fn socket(&self) -> Socket {
        match &self.socket {
            Some(open) => Socket::with_id(open.id),
            None => panic!(
                "there is no socket here: `cx.socket()` is for `open` of a WebSocketHandler, and what follows it"
            ),
        }
    }

    /// In [`on_close`](crate::websocket::WebSocketHandler::on_close): the code with which the client has closed; `None`
    /// where it said none, or where the connection was lost. Tornado's `close_code`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Quiet;
    /// #[handler]
    /// impl WebSocketHandler for Quiet {
    ///     async fn on_close(&mut self, cx: &Context) -> Result {
    ///         log::info!("left with {:?}: {}", cx.close_code(), cx.close_reason().unwrap_or("no word"));
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn close_code(&self) -> Option<u16> {
        self.socket.as_ref()?.close_code
    }

    /// What the client said beside the code. Tornado's `close_reason`.
    pub fn close_reason(&self) -> Option<&str> {
        self.socket.as_ref()?.close_reason.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "there is no socket here")]
    fn a_handler_without_a_socket_says_so() {
        Context::of_test(1).socket();
    }
}
