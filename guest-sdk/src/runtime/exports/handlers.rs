//! The handlers of a component as a list of types, and the choice of the one for a call.

use std::pin::Pin;

use crate::runtime::bindings::exports::waterspout::web::handler::HandlerClass;
use crate::runtime::bindings::waterspout::web::types::{Call, Outcome};
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket::{
    Acceptance, SocketCall, WebsocketClass,
};
use crate::runtime::exports::calls::{accept, run, run_at_once, run_event};
use crate::runtime::exports::declared::{Handler, class, websocket_class};
use crate::runtime::exports::events::{Event, Happening};
use crate::runtime::exports::object::{Edge, Hook};

/// The handlers of a component: `(First, (Second, ()))`.
pub trait Handlers: 'static {
    /// What `describe` says of them.
    fn classes() -> Vec<HandlerClass>;

    /// Does `hook` with the handler at `index`. In a box for the compiler: with some twenty handlers, futures inside
    /// of each other would be too deep.
    fn run(index: u32, call: Call, hook: Hook) -> Pin<Box<dyn Future<Output = Outcome>>>;

    /// Does `edge` with the handler at `index`.
    fn run_at_once(index: u32, call: Call, edge: Edge) -> Outcome;

    /// What `describe` says of the WebSocket handlers; `first`: the index of the first handler.
    fn websocket_classes(first: u32) -> Vec<WebsocketClass>;

    /// Decides about a handshake with the handler at `index`.
    fn accept(index: u32, call: SocketCall, subprotocols: &[String]) -> Acceptance;

    /// Does what an event asks for with the handler at `index`.
    fn run_event(index: u32, call: SocketCall, event: Event) -> Happening;
}

impl Handlers for () {
    fn classes() -> Vec<HandlerClass> {
        Vec::new()
    }

    fn run(_: u32, call: Call, _: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
        no_handler(call.handler)
    }

    fn run_at_once(_: u32, call: Call, _: Edge) -> Outcome {
        no_handler(call.handler)
    }

    fn websocket_classes(_: u32) -> Vec<WebsocketClass> {
        Vec::new()
    }

    fn accept(_: u32, call: SocketCall, _: &[String]) -> Acceptance {
        no_handler(call.handler)
    }

    fn run_event(_: u32, call: SocketCall, _: Event) -> Happening {
        no_handler(call.handler)
    }
}

fn no_handler(index: u32) -> ! {
    panic!("the component has no handler {index}")
}

impl<H: Handler, Rest: Handlers> Handlers for (H, Rest) {
    fn classes() -> Vec<HandlerClass> {
        let mut classes = Rest::classes();
        classes.insert(0, class::<H>());
        classes
    }

    fn run(index: u32, call: Call, hook: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
        match index.checked_sub(1) {
            None => run::<H>(call, hook),
            Some(index) => Rest::run(index, call, hook),
        }
    }

    fn run_at_once(index: u32, call: Call, edge: Edge) -> Outcome {
        match index.checked_sub(1) {
            None => run_at_once::<H>(call, edge),
            Some(index) => Rest::run_at_once(index, call, edge),
        }
    }

    fn websocket_classes(first: u32) -> Vec<WebsocketClass> {
        let own = websocket_class::<H>(first).into_iter();
        own.chain(Rest::websocket_classes(first + 1)).collect()
    }

    fn accept(index: u32, call: SocketCall, subprotocols: &[String]) -> Acceptance {
        match index.checked_sub(1) {
            None => accept::<H>(call, subprotocols),
            Some(index) => Rest::accept(index, call, subprotocols),
        }
    }

    fn run_event(index: u32, call: SocketCall, event: Event) -> Happening {
        match index.checked_sub(1) {
            None => run_event::<H>(call, event),
            Some(index) => Rest::run_event(index, call, event),
        }
    }
}
