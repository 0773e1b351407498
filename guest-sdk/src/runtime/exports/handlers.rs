//! The handlers of a component as a list of types, and the choice of the one for a call.

use std::pin::Pin;

use crate::runtime::bindings::exports::waterspout::web::handler::HandlerClass;
use crate::runtime::bindings::waterspout::web::types::{Call, Outcome};
use crate::runtime::exports::calls::{run, run_at_once};
use crate::runtime::exports::declared::{Handler, class};
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
}

impl Handlers for () {
    fn classes() -> Vec<HandlerClass> {
        Vec::new()
    }

    fn run(_: u32, call: Call, _: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
        no_handler(&call)
    }

    fn run_at_once(_: u32, call: Call, _: Edge) -> Outcome {
        no_handler(&call)
    }
}

fn no_handler(call: &Call) -> ! {
    panic!("the component has no handler {}", call.handler)
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
}
