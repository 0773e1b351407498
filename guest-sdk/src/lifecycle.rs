//! The life of handler objects between the calls of the host: made at the first, kept from call to call, freed at the
//! last. It owns the objects and never decides what they answer.

#[cfg(test)]
pub(crate) mod tests;

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::{Pin, pin};

use rustc_hash::FxBuildHasher;

use crate::bindings::exports::waterspout::web::handler::{
    Description, Functions, Guest, HandlerClass, Route,
};
use crate::bindings::waterspout::web::types::{self, Arguments, Call, Outcome, RequestId};
use crate::cancel::{self, Work, cancellable};
use crate::handler::Handler;
use crate::jobs::{self, Called, Schedule};
use crate::kept::{self, Function};
use crate::response::is_large;
use crate::{Context, Failure, Kwargs, Result, error, logging};

/// A component, as `export!` puts it together.
#[doc(hidden)]
pub trait Component: 'static {
    type Handlers: Handlers;

    const SINGLE: bool;
    const START: bool;
    const STOP: bool;

    fn start() -> impl Future<Output = Result>;
    fn stop() -> impl Future<Output = Result>;

    /// The functions that can be called by name, and what is scheduled.
    const FUNCTIONS: &'static [&'static str] = &[];
    const SCHEDULES: &'static [Schedule] = &[];

    fn call(name: &str, arguments: &[u8]) -> Called {
        jobs::call_nothing(name, arguments)
    }
}

/// The handlers of a component: `(First, (Second, ()))`.
pub trait Handlers: 'static {
    /// What `describe` says of them.
    fn classes() -> Vec<HandlerClass>;

    /// Does `hook` with the handler at `index`. In a box, so that the compiler can bear a long list: one future in the
    /// other is too deep for it from some twenty on.
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

/// A function of a handler that may wait, with what the host gives to it.
pub enum Hook {
    Prepare(Arguments),
    Get(Arguments),
    Head(Arguments),
    Post(Arguments),
    Put(Arguments),
    Delete(Arguments),
    Patch(Arguments),
    Options(Arguments),
    WriteError(types::Failure),
    OnConnectionClose,
}

/// The first function of a request and the last, which never wait.
pub enum Edge {
    Initialize(String),
    OnFinish,
}

impl Hook {
    fn is_method(&self) -> bool {
        matches!(
            self,
            Self::Get(_)
                | Self::Head(_)
                | Self::Post(_)
                | Self::Put(_)
                | Self::Delete(_)
                | Self::Patch(_)
                | Self::Options(_)
        )
    }
}

fn class<H: Handler>() -> HandlerClass {
    let routes = H::ROUTES.iter().map(|route| Route {
        pattern: route.pattern.to_owned(),
        name: route.name.map(str::to_owned),
        host: route.host.map(str::to_owned),
        kwargs: route.kwargs.map(str::to_owned),
    });
    HandlerClass {
        name: H::NAME.to_owned(),
        functions: H::FUNCTIONS,
        routes: routes.collect(),
    }
}

/// Does `hook` with the object of the call's request. Two futures, so that a handler without `data_received` has no code
/// that reads a body, be it only to drop it.
fn run<H: Handler>(call: Call, hook: Hook) -> Pin<Box<dyn Future<Output = Outcome>>> {
    if H::STREAMS_BODY && hook.is_method() {
        let run = async |object: &mut Object<H>, hook| object.receive_and_run(hook).await;
        return Box::pin(run_with(call, hook, run));
    }
    let run = async |object: &mut Object<H>, hook| object.run(hook).await;
    Box::pin(run_with(call, hook, run))
}

/// The call owns the object while it is under way: nothing is borrowed across an await, and an object whose only call
/// is its last sees neither the table nor a box of its own.
async fn run_with<H: Handler>(
    call: Call,
    hook: Hook,
    run: impl AsyncFnOnce(&mut Object<H>, Hook) -> Outcome,
) -> Outcome {
    let mut object = Held::take(&call);
    let outcome = {
        let run = pin!(run(object.object(), hook));
        let ended = cancellable(Work::Request(call.request), run).await;
        ended.unwrap_or(Outcome::Cancelled)
    };
    object.leave(&call, &outcome);
    outcome
}

/// Does `edge` with the object of the call's request, without a future and without a task of the component.
fn run_at_once<H: Handler>(call: Call, edge: Edge) -> Outcome {
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

async fn run_in<C: Component>(call: Call, hook: Hook) -> Outcome {
    C::Handlers::run(call.handler, call, hook).await
}

/// The component's exports.
pub struct Exported<C>(PhantomData<C>);

impl<C: Component> Guest for Exported<C> {
    async fn describe() -> Description {
        Description {
            handlers: C::Handlers::classes(),
            single: C::SINGLE,
            start: C::START,
            stop: C::STOP,
        }
    }

    async fn start() -> Result<(), String> {
        logging::install();
        let started = kept::function(Work::Instance, C::start()).await;
        started.map_err(|error| format!("{error:#}"))
    }

    async fn stop() {
        logging::install();
        log_error("stop", kept::function(Work::Instance, C::stop()).await);
    }

    fn initialize(call: Call, kwargs: String) -> Outcome {
        C::Handlers::run_at_once(call.handler, call, Edge::Initialize(kwargs))
    }

    async fn prepare(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Prepare(arguments)).await
    }

    async fn get(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Get(arguments)).await
    }

    async fn head(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Head(arguments)).await
    }

    async fn post(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Post(arguments)).await
    }

    async fn put(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Put(arguments)).await
    }

    async fn delete(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Delete(arguments)).await
    }

    async fn patch(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Patch(arguments)).await
    }

    async fn options(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Options(arguments)).await
    }

    async fn write_error(call: Call, failure: types::Failure) -> Outcome {
        run_in::<C>(call, Hook::WriteError(failure)).await
    }

    async fn on_connection_close(call: Call) {
        run_in::<C>(call, Hook::OnConnectionClose).await;
    }

    fn on_finish(call: Call) {
        C::Handlers::run_at_once(call.handler, call, Edge::OnFinish);
    }

    async fn cancel(request: RequestId) {
        cancel::cancel(Work::Request(request));
    }

    async fn release(request: RequestId) {
        // Dropped outside of the borrow: a handler's own `drop` runs in here.
        let object = OBJECTS.with_borrow_mut(|objects| objects.remove(&request));
        drop(object);
    }
}

/// A handler with what the SDK keeps beside it.
struct Object<H> {
    handler: H,
    cx: Context,
    /// Why the last call failed, for `write_error`.
    error: Option<crate::Error>,
}

impl<H: Handler> Object<H> {
    fn new(request: RequestId) -> Self {
        logging::install();
        Self {
            handler: H::default(),
            cx: Context::new(request, H::set_default_headers),
            error: None,
        }
    }

    /// Hands the body to a handler that wants it piece by piece.
    async fn receive(&mut self) -> Result {
        let Self { handler, cx, .. } = self;
        while let Some(chunk) = cx.request.body_chunk().await? {
            handler.data_received(cx, chunk.into()).await?;
            if cx.is_finished() {
                break;
            }
        }
        cx.request.is_received();
        Ok(())
    }

    /// Hands the body over, piece by piece, before the method is called.
    async fn receive_and_run(&mut self, hook: Hook) -> Outcome {
        let received = self.receive().await;
        if received.is_err() || self.cx.is_finished() {
            return self.finish(received);
        }
        self.run(hook).await
    }

    /// Asks `has` in each arm, so that a function which is not there costs no code either.
    async fn run(&mut self, hook: Hook) -> Outcome {
        let Self { handler, cx, .. } = self;
        let result = match hook {
            Hook::Prepare(arguments) if H::has(Functions::PREPARE) => {
                let result = handler.prepare(cx.with(arguments)).await;
                if result.is_ok() && !cx.is_finished() {
                    return Outcome::Proceed;
                }
                result
            }
            Hook::Get(arguments) if H::has(Functions::GET) => handler.get(cx.with(arguments)).await,
            Hook::Head(arguments) if H::has(Functions::HEAD) => {
                handler.head(cx.with(arguments)).await
            }
            Hook::Post(arguments) if H::has(Functions::POST) => {
                handler.post(cx.with(arguments)).await
            }
            Hook::Put(arguments) if H::has(Functions::PUT) => handler.put(cx.with(arguments)).await,
            Hook::Delete(arguments) if H::has(Functions::DELETE) => {
                handler.delete(cx.with(arguments)).await
            }
            Hook::Patch(arguments) if H::has(Functions::PATCH) => {
                handler.patch(cx.with(arguments)).await
            }
            Hook::Options(arguments) if H::has(Functions::OPTIONS) => {
                handler.options(cx.with(arguments)).await
            }
            Hook::WriteError(failure) if H::has(Functions::WRITE_ERROR) => {
                let failure = Failure::new(failure, self.error.take());
                handler
                    .write_error(cx.with_failure(&failure), &failure)
                    .await
            }
            Hook::OnConnectionClose if H::has(Functions::ON_CONNECTION_CLOSE) => {
                log_error("on_connection_close", handler.on_connection_close(cx).await);
                return Outcome::Proceed;
            }
            _ => undeclared(),
        };
        let outcome = self.finish(result);
        match is_large(&outcome) {
            false => outcome,
            true => self.cx.send_in_pieces(outcome).await,
        }
    }

    fn run_at_once(&mut self, edge: Edge) -> Outcome {
        let Self { handler, cx, .. } = self;
        match edge {
            Edge::Initialize(kwargs) if H::has(Functions::INITIALIZE) => {
                let result = Kwargs::new(&kwargs).and_then(|kwargs| handler.initialize(cx, kwargs));
                self.go_on(result)
            }
            Edge::OnFinish if H::has(Functions::ON_FINISH) => {
                log_error("on_finish", handler.on_finish(cx));
                Outcome::Proceed
            }
            _ => undeclared(),
        }
    }

    /// The end of a function that others follow.
    fn go_on(&mut self, result: Result) -> Outcome {
        match result {
            Ok(()) if !self.cx.is_finished() => Outcome::Proceed,
            result => self.finish(result),
        }
    }

    /// The end of a function that makes the response.
    fn finish(&mut self, result: Result) -> Outcome {
        let sent = self.cx.response.borrow_mut().take_sent_error();
        if let Some(sent) = sent {
            if let Err(error) = result
                && error.downcast_ref() != Some(&sent)
            {
                log_error("a response that is finished", Err(error));
            }
            return self.fail(sent.into());
        }
        let result = match result {
            Ok(()) if !self.cx.is_finished() => self.cx.finish(),
            // The response is complete, so there is no page to make of this: Tornado logs it.
            Err(error) if self.cx.is_finished() => {
                log_error("a response that is finished", Err(error));
                Ok(())
            }
            result => result,
        };
        match result {
            Ok(()) => Outcome::Finished(self.cx.response.borrow_mut().take()),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: crate::Error) -> Outcome {
        let failure = error::to_wire(&error);
        self.cx.clear();
        // The host's page has no cookies, and Tornado's has those that were set.
        let is_planned = failure.cause == types::FailureCause::HttpError;
        let makes_page = H::has(Functions::WRITE_ERROR);
        if is_planned && !makes_page && self.cx.response.borrow().has_cookies() {
            if failure.message.is_some() {
                log::warn!("{error}");
            }
            return self.page(&Failure::new(failure, None));
        }
        self.error = Some(error);
        Outcome::Failed(failure)
    }

    /// The page of a handler that makes none itself.
    fn page(&self, failure: &Failure) -> Outcome {
        let cx = self.cx.with_failure(failure);
        cx.write(failure.page())
            .expect("a response that was cleared and not finished");
        Outcome::Finished(cx.response.borrow_mut().take())
    }
}

fn undeclared() -> ! {
    panic!("the host called a function that the handler does not declare")
}

impl Context {
    fn with(&mut self, arguments: Arguments) -> &Self {
        self.path_arguments = arguments;
        self
    }

    fn with_failure(&self, failure: &Failure) -> &Self {
        self.clear();
        match failure.asked_reason() {
            Some(reason) => self.set_status_with_reason(failure.status(), reason),
            None => self.set_status(failure.status()),
        }
        self
    }
}

type Objects = HashMap<RequestId, Box<dyn Any>, FxBuildHasher>;

thread_local! {
    /// The objects between two calls. Its hash needs no secret, for which the host would have to be asked: the host
    /// counts the requests, and nobody else chooses their numbers.
    static OBJECTS: RefCell<Objects> = const { RefCell::new(HashMap::with_hasher(FxBuildHasher)) };
}

fn take<H: Handler>(request: RequestId) -> Option<Box<Object<H>>> {
    let object = OBJECTS.with_borrow_mut(|objects| objects.remove(&request))?;
    Some(object.downcast().expect("a request stays with its handler"))
}

fn keep<H: Handler>(request: RequestId, object: Box<Object<H>>) {
    OBJECTS.with_borrow_mut(|objects| objects.insert(request, object));
}

pub(crate) fn log_error(function: &str, result: Result) {
    if let Err(error) = result {
        log::error!("Uncaught error in {function}: {error:#}");
    }
}
