//! The functions of a WebSocket handler's object: its part in the handshake, and each event.

use std::pin::Pin;

use anyhow::ensure;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::types::Arguments;
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket::{
    Acceptance, Accepted, Compression,
};
use crate::runtime::exports::declared::{Handler, undeclared};
use crate::runtime::exports::object::Object;
use crate::runtime::place;
use crate::websocket::compression_options::CompressionOptions;
use crate::websocket::message::Message;
use crate::websocket::origin;
use crate::websocket::websocket_handler::WebSocketHandler as _;

/// What happens to a socket, with what the host says of it.
pub enum Event {
    Open(Arguments),
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Option<String>),
    Suspend,
    Resume(Arguments, Vec<u8>),
}

/// An event under way. Only `suspend` returns bytes.
pub type Happening = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>>>>;

impl<H: Handler> Object<H> {
    /// Decides about a handshake, with the headers and cookies that were set before.
    pub(super) fn accept(&mut self, subprotocols: &[String]) -> Acceptance {
        match self.decide(subprotocols) {
            Ok(mut accepted) if !self.cx.is_finished() => {
                accepted.headers = self.cx.response.borrow_mut().take_handshake_headers();
                Acceptance::Accepted(accepted)
            }
            decided => Acceptance::Refused(self.finish(decided.map(drop))),
        }
    }

    fn decide(&mut self, subprotocols: &[String]) -> Result<Accepted> {
        let Some(has) = H::WEBSOCKET else {
            undeclared()
        };
        let (handler, cx) = (self.handler.websocket(), &self.cx);
        let mut accepted = Accepted {
            subprotocol: None,
            compression: None,
            headers: Vec::new(),
        };
        if has.check_origin {
            let check = |origin: &str| handler.check_origin(cx, origin);
            if !origin::is_allowed(cx, check) {
                // As the host refuses others: the page is the reason alone.
                cx.set_status(403);
                cx.write("Cross origin websockets not allowed")?;
                cx.finish()?;
                return Ok(accepted);
            }
        }
        if has.select_subprotocol {
            let selected = handler.select_subprotocol(cx, subprotocols);
            no_place();
            if let Some(selected) = &selected {
                ensure!(
                    subprotocols.contains(selected),
                    "select_subprotocol chose {selected:?}, which was not offered"
                );
            }
            accepted.subprotocol = selected;
        }
        if has.get_compression_options {
            let options = handler.get_compression_options(cx);
            no_place();
            accepted.compression = options.map(compression).transpose()?;
        }
        Ok(accepted)
    }

    /// Does what an event asks for. An error is a text for the log.
    pub(super) async fn run_event(&mut self, socket: u64, event: Event) -> Result<Vec<u8>, String> {
        let result = self.happen(socket, event).await;
        result.map_err(|error| place::described(&error, place::take()))
    }

    async fn happen(&mut self, socket: u64, event: Event) -> Result<Vec<u8>> {
        let Some(has) = H::WEBSOCKET else {
            undeclared()
        };
        let (handler, cx) = (self.handler.websocket(), &mut self.cx);
        let open = cx.open_socket(socket);
        match event {
            Event::Open(arguments) if has.open => {
                cx.with(arguments);
                handler.open(cx).await?;
            }
            Event::Message(message) if has.on_message => handler.on_message(cx, message).await?,
            Event::Ping(data) if has.on_ping => handler.on_ping(cx, data).await?,
            Event::Pong(data) if has.on_pong => handler.on_pong(cx, data).await?,
            Event::Close(code, reason) if has.on_close => {
                (open.close_code, open.close_reason) = (code, reason);
                handler.on_close(cx).await?;
            }
            Event::Suspend if has.suspend => return handler.suspend(cx).await,
            Event::Resume(arguments, state) if has.resume => {
                cx.with(arguments);
                handler.resume(cx, state).await?;
            }
            _ => undeclared(),
        }
        Ok(Vec::new())
    }
}

/// A `?` in a function that returns an option has ended it, and is not where an error comes from.
fn no_place() {
    place::take();
}

fn compression(options: CompressionOptions) -> Result<Compression> {
    let CompressionOptions { level } = options;
    ensure!(
        level.is_none_or(|level| level <= 9),
        "a compression level is 0 to 9"
    );
    Ok(Compression { level })
}
