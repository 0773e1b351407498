//! The calls of the host, and the handler objects between them: an object is made at the first call, kept between
//! calls, and freed at the last. Does not decide what it answers.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::{Pin, pin};

use rustc_hash::FxBuildHasher;

use crate::runtime::bindings::waterspout::web::types::{Call, Outcome, RequestNumber};
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket::{
    Acceptance, SocketCall,
};
use crate::runtime::cancel::cancellable;
use crate::runtime::exports::declared::Handler;
use crate::runtime::exports::events::{Event, Happening};
use crate::runtime::exports::object::{Edge, Hook, Object};
use crate::runtime::kept::{Function, Work};

/// Does `hook` with the object of the call's request.
pub(super) fn run<H: Handler>(call: Call, hook: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(run_with::<H>(call, hook))
}

/// The call owns the object while it is under way: nothing is borrowed across an await, and an object whose only call
/// is its last sees neither the table nor a box of its own.
async fn run_with<H: Handler>(call: Call, hook: Hook) -> Outcome {
    let mut object = Held::<H>::take(call.request);
    let outcome = {
        let run = pin!(object.object().run(hook));
        let ended = cancellable(Work::Request(call.request), run).await;
        ended.unwrap_or(Outcome::Cancelled)
    };
    object.leave(call.request, call.last && !waits(&outcome));
    outcome
}

/// Does `edge` with the object of the call's request, without a future and without a task of the component.
pub(super) fn run_at_once<H: Handler>(call: Call, edge: Edge) -> Outcome {
    let mut object = Held::<H>::take(call.request);
    let outcome = {
        let function = Function::begin(Work::Request(call.request));
        function.poll(|| object.object().run_at_once(edge))
    };
    object.leave(call.request, call.last && !waits(&outcome));
    outcome
}

/// Decides about a handshake with the object of the call's request.
pub(super) fn accept<H: Handler>(call: SocketCall, subprotocols: &[String]) -> Acceptance {
    let mut object = Held::<H>::take(call.request);
    let acceptance = {
        let function = Function::begin(Work::Request(call.request));
        function.poll(|| object.object().accept(subprotocols))
    };
    let stays = matches!(&acceptance, Acceptance::Refused(outcome) if waits(outcome));
    object.leave(call.request, call.last && !stays);
    acceptance
}

/// Does what an event of a socket asks for, with the object of the request that was its handshake. One that is cancelled
/// ends at its next await, with the error `cancelled`. After the last one the object is freed, also where that has failed
/// or was cancelled: no error page follows.
pub(super) fn run_event<H: Handler>(call: SocketCall, event: Event) -> Happening {
    Box::pin(async move {
        // In its box, in which it has been or will be: the future of an event stays small.
        let object = take::<H>(call.request);
        let mut object = object.unwrap_or_else(|| Box::new(Object::new(call.request)));
        let result = {
            let run = pin!(object.run_event(call.socket, event));
            let ended = cancellable(Work::Request(call.request), run).await;
            ended.unwrap_or_else(|| Err("cancelled".to_owned()))
        };
        if !call.last {
            keep(call.request, object);
        }
        result
    })
}

/// Whether an object stays after its last call: its error page follows, or what a cancelled request still calls.
fn waits(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_) | Outcome::Cancelled)
}

/// An object during a call.
#[expect(
    clippy::large_enum_variant,
    reason = "a box is what an object of a single call does without"
)]
enum Held<H> {
    New(Object<H>),
    /// Between calls it stays where it is.
    Kept(Box<Object<H>>),
}

impl<H: Handler> Held<H> {
    fn take(request: RequestNumber) -> Self {
        match take(request) {
            Some(object) => Self::Kept(object),
            None => Self::New(Object::new(request)),
        }
    }

    /// After the call: it stays for the next one, if there is any.
    fn leave(self, request: RequestNumber, is_last: bool) {
        if !is_last {
            keep(request, self.into_box());
        }
    }

    fn object(&mut self) -> &mut Object<H> {
        match self {
            Self::New(object) => object,
            Self::Kept(object) => object,
        }
    }

    fn into_box(self) -> Box<Object<H>> {
        match self {
            Self::New(object) => Box::new(object),
            Self::Kept(object) => object,
        }
    }
}

type Objects = HashMap<RequestNumber, Box<dyn Any>, FxBuildHasher>;

thread_local! {
    /// The objects between two calls. The hash needs no secret, which the host would have to provide: only the host
    /// chooses the numbers.
    static OBJECTS: RefCell<Objects> = const { RefCell::new(HashMap::with_hasher(FxBuildHasher)) };
}

fn take<H: Handler>(request: RequestNumber) -> Option<Box<Object<H>>> {
    let object = OBJECTS.with_borrow_mut(|objects| objects.remove(&request))?;
    Some(object.downcast().expect("a request stays with its handler"))
}

fn keep<H: Handler>(request: RequestNumber, object: Box<Object<H>>) {
    OBJECTS.with_borrow_mut(|objects| objects.insert(request, object));
}

/// Frees the object of a request, if there is one.
pub(super) fn release(request: RequestNumber) {
    // Dropped outside of the borrow: a handler's own `drop` runs in here.
    let object = OBJECTS.with_borrow_mut(|objects| objects.remove(&request));
    drop(object);
}

/// How many objects wait for their next call.
#[cfg(test)]
pub(super) fn kept() -> usize {
    OBJECTS.with_borrow(HashMap::len)
}
