//! One request inside an instance: the order of its functions, their cancellation, its error page, its end. Words no
//! response.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};
use tokio::time::timeout;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::base::backlog::FREE;
use crate::guest::bindings::handler::MessageHead;
use crate::guest::bindings::{Call, Failure, FailureCause, Outcome, Response};
use crate::guest::capabilities::wasi;
use crate::guest::description::Hooks;
use crate::guest::engine::{Function, Handler, Step};
use crate::guest::instances::{CallContext, LifeEnd};
use crate::guest::resources::{Answer, Exchange, LET_GO, ShownId, Stage, Stream};

/// How long `on_connection_close` and `on_finish` may take each, and up to a sweep of the task set more.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// Runs a request in an instance. Every pool uses this function.
pub fn life<'a>(
    context: &'a CallContext<'a>,
    request: u64,
    exchange: Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<LifeEnd>> {
    async move { Life::of(context, request, exchange)?.lead().await }.boxed()
}

pub(super) struct Life<'a> {
    pub(super) context: &'a CallContext<'a>,
    pub(super) handler: &'a Handler,
    pub(super) request: u64,
    pub(super) hooks: Hooks,
    pub(super) exchange: Arc<Exchange>,
}

/// How one call ended.
pub(super) enum Ended<R> {
    With(R),
    /// It was asked to end and did not.
    Deaf,
}

impl<'a> Life<'a> {
    pub(super) fn of(
        context: &'a CallContext<'a>,
        request: u64,
        exchange: Arc<Exchange>,
    ) -> wasmtime::Result<Self> {
        // Routes lead only to handlers that a component describes. Without this interface it describes none.
        let Some(handler) = &context.guest.handler else {
            wasmtime::bail!("the component has no handlers");
        };
        Ok(Self {
            context,
            handler,
            request,
            hooks: exchange.target.class.hooks,
            exchange,
        })
    }
}

impl Life<'_> {
    async fn lead(&self) -> wasmtime::Result<LifeEnd> {
        if self.exchange.is_cancelled() {
            return Ok(LifeEnd::Over);
        }
        // All but the first are rare, so in a box: the future of every request stays small.
        let ended = match (&self.exchange.stage, &self.exchange.socket) {
            (Stage::Whole, None) => self.run_functions().await?,
            (Stage::ErrorPage(failure), _) => Box::pin(self.make_error_page(failure)).await?,
            (Stage::Whole, Some(visitor)) => match Box::pin(self.shake_hands(visitor)).await? {
                Ended::With(None) => return Ok(LifeEnd::Stays),
                Ended::With(Some(outcome)) => Ended::With((outcome, false)),
                Ended::Deaf => Ended::Deaf,
            },
            (Stage::Resume, visitor) => return Box::pin(self.resume(visitor.as_ref())).await,
            // They go another way.
            (Stage::Connection(_), _) => return Ok(LifeEnd::Over),
        };
        let (outcome, freed) = match ended {
            Ended::With(ended) => ended,
            Ended::Deaf => return Ok(LifeEnd::Deaf),
        };
        let freed = match self.settle(outcome, freed).await? {
            Ended::With(freed) => freed,
            Ended::Deaf => return Ok(LifeEnd::Deaf),
        };
        self.leave(freed).await
    }

    /// Calls `initialize`, `prepare` and the method, as far as the handler declares them. A handler that names
    /// `execute` is entered once for all three. Returns the last outcome, and whether that call was the object's last.
    async fn run_functions(&self) -> wasmtime::Result<Ended<(Outcome, bool)>> {
        let (target, method) = (&self.exchange.target, &self.exchange.head.method);
        let arguments = || self.exchange.arguments.clone();
        let position = target.class.position(method);
        // Without a method, a `prepare` that does not finish is an error. The object may make the page for it.
        let last = !self.hooks.on_finish && position.is_some();
        if self.hooks.execute {
            let at = position.and_then(|at| u32::try_from(at).ok());
            let kwargs = target.kwargs.clone();
            let head = self.hooks.head.then(|| head_of(&self.exchange));
            let parameters = (self.call(last), kwargs, at, arguments(), head);
            let ended = self.step(&self.handler.execute, parameters).await?;
            return Ok(match ended {
                Ended::With(Outcome::Proceed) if position.is_none() => {
                    Ended::With((Outcome::Failed(not_allowed()), last))
                }
                Ended::With(outcome) => Ended::With((outcome, last)),
                Ended::Deaf => Ended::Deaf,
            });
        }
        if self.hooks.initialize || self.hooks.prepare {
            match self.before_method().await? {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(outcome) => return Ok(Ended::With((outcome, false))),
                Ended::Deaf => return Ok(Ended::Deaf),
            }
        }
        let Some(position) = position else {
            return Ok(Ended::With((Outcome::Failed(not_allowed()), false)));
        };
        let ended = match self.handler.function_of(method) {
            Some(function) => self.step(function, (self.call(last), arguments())).await?,
            // Rare, so in a box: the future of every request stays small.
            None => {
                let at = u32::try_from(position).unwrap_or(u32::MAX);
                let parameters = (self.call(last), at, arguments());
                Box::pin(self.step(&self.handler.method, parameters)).await?
            }
        };
        Ok(match ended {
            Ended::With(outcome) => Ended::With((outcome, last)),
            Ended::Deaf => Ended::Deaf,
        })
    }

    /// Calls `initialize` and `prepare`, as far as the handler declares them.
    pub(super) async fn before_method(&self) -> wasmtime::Result<Ended<Outcome>> {
        if self.hooks.initialize {
            let ended = self.initialize().await?;
            if !matches!(ended, Ended::With(Outcome::Proceed)) {
                return Ok(ended);
            }
        }
        if self.hooks.prepare {
            let parameters = (self.call(false), self.exchange.arguments.clone());
            return self.step(&self.handler.prepare, parameters).await;
        }
        Ok(Ended::With(Outcome::Proceed))
    }

    pub(super) async fn initialize(&self) -> wasmtime::Result<Ended<Outcome>> {
        let kwargs = self.exchange.target.kwargs.clone();
        self.step(&self.handler.initialize, (self.call(false), kwargs))
            .await
    }

    /// The same for an object that only makes an error page.
    async fn make_error_page(&self, failure: &Failure) -> wasmtime::Result<Ended<(Outcome, bool)>> {
        if self.hooks.initialize {
            match self.initialize().await? {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(_) => {
                    return Ok(Ended::With((Outcome::Failed(failure.clone()), false)));
                }
                Ended::Deaf => return Ok(Ended::Deaf),
            }
        }
        self.write_error(failure).await
    }

    /// Gives the answer, with the guest's own error page where it has one. Returns whether the object is freed.
    async fn settle(&self, outcome: Outcome, last: bool) -> wasmtime::Result<Ended<bool>> {
        if self.exchange.broke_off() && matches!(outcome, Outcome::Failed(_) | Outcome::Cancelled) {
            // The failure is the client's leaving.
            self.exchange.answer(Answer::Gone);
            return Ok(Ended::With(false));
        }
        let failure = match outcome {
            Outcome::Proceed => {
                self.give(empty(200)).await;
                return Ok(Ended::With(last));
            }
            Outcome::Finished(response) => {
                self.give(response).await;
                return Ok(Ended::With(last));
            }
            Outcome::Cancelled if self.exchange.is_cancelled() => {
                if let Some(stream) = self.exchange.stream() {
                    stream.cut();
                }
                return Ok(Ended::With(false));
            }
            Outcome::Cancelled => uncaught("the guest says `cancelled`, and nobody asked for that"),
            Outcome::Failed(failure) if failure.status == 408 && self.exchange.lacked_room() => {
                without_room()
            }
            Outcome::Failed(failure) => self.explained(short(failure)),
        };
        self.log(&failure);
        if let Some(stream) = self.exchange.stream() {
            self.break_off(stream);
            return Ok(Ended::With(false));
        }
        let first_failure = matches!(self.exchange.stage, Stage::Whole);
        if !(first_failure && self.hooks.write_error) {
            self.exchange.answer(Answer::Failed(failure));
            return Ok(Ended::With(false));
        }
        let (outcome, last) = match Box::pin(self.write_error(&failure)).await? {
            Ended::With(ended) => ended,
            Ended::Deaf => return Ok(Ended::Deaf),
        };
        let response = match outcome {
            Outcome::Proceed => empty(failure.status),
            Outcome::Finished(response) => response,
            Outcome::Failed(_) | Outcome::Cancelled => {
                if let Outcome::Failed(again) = outcome {
                    self.log(&again);
                }
                if let Some(stream) = self.exchange.stream() {
                    self.break_off(stream);
                }
                self.exchange.answer(Answer::Failed(failure));
                return Ok(Ended::With(false));
            }
        };
        self.give(response).await;
        Ok(Ended::With(last))
    }

    /// A failure with what to do about it, where that is known.
    fn explained(&self, mut failure: Failure) -> Failure {
        if let (FailureCause::Uncaught, Some(message)) = (&failure.cause, &mut failure.message) {
            let hint = |message: &str| {
                let accessor = self.context.accessor;
                accessor.with(|mut store| wasi::hint(store.data_mut(), message))
            };
            if let Some(hint) = hint(message) {
                message.push_str("\n  hint: ");
                message.push_str(&hint);
            }
        }
        failure
    }

    /// Gives the answer, or the rest of it.
    fn give(&self, response: Response) -> impl Future<Output = ()> {
        let rest = match self.exchange.stream() {
            None => {
                let is_large = response.body.len() as u64 > FREE;
                let transit = is_large.then(|| self.context.transit.begin());
                let answer = Answer::Response(response);
                self.exchange.answer_in_transit(answer, transit);
                None
            }
            // Rare, so in a box: the future of every request stays small.
            Some(stream) => Some(Box::pin(self.end(stream, response.body))),
        };
        OptionFuture::from(rest).map(drop)
    }

    /// Sends the last of a response that has begun.
    async fn end(&self, stream: &Stream, last: Vec<u8>) {
        if let Err(wrong) = stream.end(last.into()).await {
            let request = self.exchange.summary();
            let request_id = tracing::field::display(ShownId(&self.exchange));
            tracing::error!(target: "app", request_id, "{request}: {wrong}");
        }
    }

    /// Breaks off a response that has begun: it is too late for an error page.
    fn break_off(&self, stream: &Stream) {
        if stream.cut() && !self.exchange.is_client_gone() {
            let request = self.exchange.summary();
            let request_id = tracing::field::display(ShownId(&self.exchange));
            tracing::error!(
                target: "general",
                request_id,
                "{request}: Cannot send error response after headers written"
            );
        }
    }

    /// Logs what Tornado's `log_exception` logs: every unexpected error, and other errors where they say more than
    /// their status.
    fn log(&self, failure: &Failure) {
        if self.exchange.is_client_gone() {
            // Most likely the client's leaving is what failed.
            return;
        }
        let request = self.exchange.summary();
        let request_id = tracing::field::display(ShownId(&self.exchange));
        match (&failure.message, &failure.cause) {
            (message, FailureCause::Uncaught) => {
                let message = message.as_deref().unwrap_or("no message");
                tracing::error!(target: "app", request_id, "uncaught error in {request}: {message}");
            }
            (Some(message), _) => {
                tracing::warn!(target: "general", request_id, "{} {request}: {message}", failure.status);
            }
            (None, _) => {}
        }
    }

    async fn write_error(&self, failure: &Failure) -> wasmtime::Result<Ended<(Outcome, bool)>> {
        let last = !self.hooks.on_finish;
        let parameters = (self.call(last), failure.clone());
        Ok(
            match self.step(&self.handler.write_error, parameters).await? {
                Ended::With(outcome) => Ended::With((outcome, last)),
                Ended::Deaf => Ended::Deaf,
            },
        )
    }

    /// What comes after the answer: `on_connection_close`, `on_finish`, and the end of the object.
    async fn leave(&self, freed: bool) -> wasmtime::Result<LifeEnd> {
        if freed {
            return Ok(LifeEnd::Over);
        }
        if self.hooks.on_finish && !self.exchange.is_cancelled() {
            self.exchange.until_sent().await;
        }
        let finishes = self.hooks.on_finish;
        if self.exchange.is_client_gone() && self.hooks.on_connection_close {
            let call = self.call(!finishes);
            if self
                .afterwards(&self.handler.on_connection_close, (call,))
                .await?
                == LifeEnd::Deaf
            {
                return Ok(LifeEnd::Deaf);
            }
            if !finishes {
                return Ok(LifeEnd::Over);
            }
        }
        if finishes {
            self.afterwards(&self.handler.on_finish, (self.call(true),))
                .await
        } else {
            self.afterwards(&self.handler.release, (self.request,))
                .await
        }
    }

    /// A call that can be cancelled.
    pub(super) async fn step<P>(
        &self,
        function: &Step<P>,
        parameters: P,
    ) -> wasmtime::Result<Ended<Outcome>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        if self.exchange.is_cancelled() {
            return Ok(Ended::With(Outcome::Cancelled));
        }
        let ended = self.start(function, parameters)?;
        tokio::pin!(ended);
        let outcome = tokio::select! {
            biased;
            outcome = &mut ended => outcome?,
            () = self.exchange.cancelled() => {
                let cancel = self.start(&self.handler.cancel, (self.request,))?;
                let both = async { tokio::try_join!(ended, cancel) };
                // Rare, so in a box: the future of every request stays small.
                match Box::pin(timeout(LET_GO, both)).await {
                    Ok(both) => both?.0,
                    Err(_) => return Ok(Ended::Deaf),
                }
            }
        };
        Ok(Ended::With(outcome.0))
    }

    /// A call after the answer.
    pub(super) async fn afterwards<P>(
        &self,
        function: &Function<P, ()>,
        parameters: P,
    ) -> wasmtime::Result<LifeEnd>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        let mut ended = pin!(self.start(function, parameters)?);
        let run = self.context.run;
        let began = run.now();
        // Every future of a task set is polled often enough to see by itself that the time is over.
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map(|()| LifeEnd::Over)),
            Poll::Pending if run.has_passed(AFTERWARDS, began) => Poll::Ready(Ok(LifeEnd::Deaf)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Starts a call for this request.
    pub(super) fn start<P, R>(
        &self,
        function: &Function<P, R>,
        parameters: P,
    ) -> wasmtime::Result<impl Future<Output = wasmtime::Result<R>>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let ended = self.context.start(function, parameters, |ctx, call| {
            ctx.tasks.insert(call, self.request);
        })?;
        // Most calls are over at that turn, and need no wake.
        let turn = self.context.line.wait();
        Ok(async move {
            turn.await;
            ended.await
        })
    }

    fn call(&self, last: bool) -> Call {
        Call {
            request: self.request,
            handler: self.exchange.target.handler,
            last,
        }
    }
}

/// The request's head, for a handler whose `execute` asks for it.
fn head_of(exchange: &Exchange) -> MessageHead {
    let head = &exchange.head;
    let headers = head.headers.iter();
    MessageHead {
        uri: exchange.uri().to_string(),
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
    }
}

/// A failure of a guest, whose texts the host keeps until it has answered.
fn short(mut failure: Failure) -> Failure {
    /// The longest message, in bytes. A guest's stack is much shorter.
    const MAX_MESSAGE: usize = 64 * 1024;
    const MAX_REASON: usize = 1024;
    let cut = |text: &mut Option<String>, most: usize| {
        if let Some(text) = text.as_mut().filter(|text| text.len() > most) {
            text.truncate(text.floor_char_boundary(most));
            text.shrink_to_fit();
        }
    };
    cut(&mut failure.message, MAX_MESSAGE);
    cut(&mut failure.reason, MAX_REASON);
    failure
}

/// The failure where `prepare` has not finished and there is no method.
fn not_allowed() -> Failure {
    Failure {
        status: 405,
        reason: None,
        message: None,
        cause: FailureCause::Host,
    }
}

pub(super) fn uncaught(message: &str) -> Failure {
    Failure {
        status: 500,
        reason: None,
        message: Some(message.to_owned()),
        cause: FailureCause::Uncaught,
    }
}

/// The failure where a body was late because there was no room for it.
fn without_room() -> Failure {
    Failure {
        status: 503,
        reason: None,
        message: Some("no room for the request's body within `body_timeout`".to_owned()),
        cause: FailureCause::Host,
    }
}

fn empty(status: u16) -> Response {
    Response {
        status,
        reason: None,
        headers: Vec::new(),
        body: Vec::new(),
    }
}
