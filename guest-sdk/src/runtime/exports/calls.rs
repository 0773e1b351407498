//! The calls of the host, and the handler objects between them: an object is made at the first call, kept between
//! calls, and freed at the last. Does not decide what it answers.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::{Pin, pin};

use rustc_hash::FxBuildHasher;

use crate::runtime::bindings::waterspout::web::types::{Call, Outcome, RequestNumber};
use crate::runtime::cancel::cancellable;
use crate::runtime::exports::declared::Handler;
use crate::runtime::exports::object::{Edge, Hook, Object};
use crate::runtime::kept::{Function, Work};

/// Does `hook` with the object of the call's request.
pub(super) fn run<H: Handler>(call: Call, hook: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(run_with::<H>(call, hook))
}

/// The call owns the object while it is under way: nothing is borrowed across an await, and an object whose only call
/// is its last sees neither the table nor a box of its own.
async fn run_with<H: Handler>(call: Call, hook: Hook) -> Outcome {
    let mut object = Held::<H>::take(&call);
    let outcome = {
        let run = pin!(object.object().run(hook));
        let ended = cancellable(Work::Request(call.request), run).await;
        ended.unwrap_or(Outcome::Cancelled)
    };
    object.leave(&call, &outcome);
    outcome
}

/// Does `edge` with the object of the call's request, without a future and without a task of the component.
pub(super) fn run_at_once<H: Handler>(call: Call, edge: Edge) -> Outcome {
    let mut object = Held::<H>::take(&call);
    let outcome = {
        let function = Function::begin(Work::Request(call.request));
        function.poll(|| object.object().run_at_once(edge))
    };
    object.leave(&call, &outcome);
    outcome
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
    fn take(call: &Call) -> Self {
        match take(call.request) {
            Some(object) => Self::Kept(object),
            None => Self::New(Object::new(call.request)),
        }
    }

    /// After the call: it stays for the next one, if there is any.
    fn leave(self, call: &Call, outcome: &Outcome) {
        if !call.last || matches!(outcome, Outcome::Failed(_) | Outcome::Cancelled) {
            keep(call.request, self.into_box());
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
