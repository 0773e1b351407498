//! One request's life inside a guest: the order of its functions, its deadline, its end when it is cancelled.
//! Turns every way in which that can end into an `Answer`; words no response.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, OptionFuture};
use tokio::time::{Instant, timeout};
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::base::timer::until;
use crate::guest::bindings::{Call, Failure, FailureCause, Functions, Outcome, Response};
use crate::guest::engine::{Function, Step, method_index};
use crate::guest::instances::{LifeEnd, Pool, QueueFull, Scene};
use crate::guest::resources::{Answer, Cancel, Exchange, LET_GO, ShownId, Stage, Stream};

/// How long `on_connection_close` and `on_finish` may take each, and up to a roll call more.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// How soon to look again whether a handler that waits for its client's body still does.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Leads a request through an instance of the pool and waits for its answer until the deadline.
///
/// Dropped before that, it tells the guest that the client is gone.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn has its arguments in it twice"
)]
pub fn invoke(
    pool: &Pool,
    exchange: &Arc<Exchange>,
    deadline: Option<Instant>,
) -> impl Future<Output = (Answer, Sent)> + Send {
    async move {
        let (answer, sent) = attempt(pool, exchange, deadline).await;
        let has_page = exchange.target.functions.contains(Functions::WRITE_ERROR);
        let Answer::Trapped(trap) = &answer else {
            return (answer, sent);
        };
        if !has_page || matches!(exchange.stage, Stage::ErrorPage(_)) {
            return (answer, sent);
        }
        let page = exchange.error_page(Failure {
            status: 500,
            reason: None,
            message: Some(trap.clone()),
            cause: FailureCause::Trap,
        });
        // Rare, and so not to be carried about by every request.
        match Box::pin(attempt(pool, &page, deadline)).await {
            (page @ (Answer::Response(_) | Answer::Begun(_)), sent) => (page, sent),
            _ => (answer, sent),
        }
    }
}

/// Belongs to a response: when it is dropped, the last byte was handed over or never will be.
pub struct Sent(Arc<Exchange>);

impl Sent {
    /// The client left before it had the whole of a response. A handler that goes on all the same has as long as this.
    pub fn client_gone(&self, deadline: Option<Duration>) {
        self.0.cancel(Cancel::ClientGone);
        if !self.0.is_cancelled() {
            self.nobody_waits(deadline);
        }
    }

    /// The client has all that it gets, and the handler goes on: it has as long as this.
    pub fn nobody_waits(&self, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            end_at(Instant::now() + deadline, &self.0);
        }
    }
}

/// Ends a request for which nobody waits any more.
fn end_at(deadline: Instant, exchange: &Arc<Exchange>) {
    let exchange: Weak<Exchange> = Arc::downgrade(exchange);
    tokio::spawn(async move {
        tokio::time::sleep_until(deadline).await;
        if let Some(exchange) = exchange.upgrade() {
            exchange.cancel(Cancel::Deadline);
        }
    });
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.sent();
    }
}

fn attempt<'a>(
    pool: &'a Pool,
    exchange: &'a Arc<Exchange>,
    deadline: Option<Instant>,
) -> impl Future<Output = (Answer, Sent)> + Send + use<'a> {
    let mut client = Client {
        pool,
        deadline,
        exchange,
        waits: true,
    };
    async move {
        let client = &mut client;
        let answer = match pool.submit(exchange.clone()) {
            Err(QueueFull) => Answer::Busy,
            Ok(()) => match answer_until(deadline, exchange).await {
                Some(answer) => answer,
                None => {
                    exchange.shut();
                    exchange.cancel(Cancel::Deadline);
                    pool.leave(exchange);
                    Answer::Late
                }
            },
        };
        client.waits = false;
        (answer, Sent(exchange.clone()))
    }
}

/// Waits for the answer until the deadline, which does not count the time in which the handler waits for its client's
/// body: that has a time of its own.
fn answer_until(
    deadline: Option<Instant>,
    exchange: &Exchange,
) -> impl Future<Output = Option<Answer>> + Send {
    let Some(deadline) = deadline else {
        return Either::Right(exchange.answered().map(Some));
    };
    Either::Left(async move {
        let mut end = deadline;
        loop {
            if let Some(answer) = until(end, exchange.answered()).await {
                return Some(answer);
            }
            let (waited, waits) = exchange.waited_for_body();
            let now = Instant::now();
            end = deadline + waited;
            if waits {
                end = end.max(now + LOOK_AGAIN);
            } else if end <= now {
                return None;
            }
        }
    })
}

/// Somebody who waits for the answer; gone when this is dropped while it does.
struct Client<'a> {
    pool: &'a Pool,
    deadline: Option<Instant>,
    exchange: &'a Arc<Exchange>,
    waits: bool,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let exchange = self.exchange;
        if self.waits {
            exchange.shut();
            exchange.cancel(Cancel::ClientGone);
            if exchange.is_cancelled() {
                self.pool.leave(exchange);
            } else if let Some(deadline) = self.deadline {
                // It runs on without its client, but not without its deadline.
                end_at(deadline, exchange);
            }
        }
    }
}

/// The life that every pool leads its requests through.
pub fn life<'a>(
    scene: &'a Scene<'a>,
    request: u64,
    exchange: Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<LifeEnd>> {
    let life = Life {
        scene,
        request,
        functions: exchange.target.functions,
        exchange,
    };
    async move { life.lead().await }.boxed()
}

struct Life<'a> {
    scene: &'a Scene<'a>,
    request: u64,
    functions: Functions,
    exchange: Arc<Exchange>,
}

/// How one call ended.
enum Ended<R> {
    With(R),
    /// It was asked to end and did not.
    Deaf,
}

impl Life<'_> {
    async fn lead(&self) -> wasmtime::Result<LifeEnd> {
        if self.exchange.is_cancelled() {
            return Ok(LifeEnd::Over);
        }
        let ended = match &self.exchange.stage {
            Stage::Whole => self.run_functions().await?,
            // Rare, and so not to be carried about by every request.
            Stage::ErrorPage(failure) => Box::pin(self.make_error_page(failure)).await?,
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

    /// `initialize` → `prepare` → the method, as far as they are declared and wanted. Tells the last outcome, and
    /// whether the call that had it was the object's last.
    async fn run_functions(&self) -> wasmtime::Result<Ended<(Outcome, bool)>> {
        let guest = self.scene.guest;
        let arguments = || self.exchange.arguments.clone();
        if self.has(Functions::INITIALIZE) {
            let kwargs = self.exchange.target.kwargs.clone();
            match self
                .step(&guest.initialize, (self.call(false), kwargs))
                .await?
            {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(outcome) => return Ok(Ended::With((outcome, false))),
                Ended::Deaf => return Ok(Ended::Deaf),
            }
        }
        if self.has(Functions::PREPARE) {
            match self
                .step(&guest.prepare, (self.call(false), arguments()))
                .await?
            {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(outcome) => return Ok(Ended::With((outcome, false))),
                Ended::Deaf => return Ok(Ended::Deaf),
            }
        }
        let Some(method) = method_index(&self.exchange.head.method) else {
            return Ok(Ended::With((Outcome::Proceed, false)));
        };
        let last = !self.has(Functions::ON_FINISH);
        let ended = self
            .step(&guest.methods[method], (self.call(last), arguments()))
            .await?;
        Ok(match ended {
            Ended::With(outcome) => Ended::With((outcome, last)),
            Ended::Deaf => Ended::Deaf,
        })
    }

    /// The same for an object that is made for an error page alone.
    async fn make_error_page(&self, failure: &Failure) -> wasmtime::Result<Ended<(Outcome, bool)>> {
        if self.has(Functions::INITIALIZE) {
            let kwargs = self.exchange.target.kwargs.clone();
            match self
                .step(&self.scene.guest.initialize, (self.call(false), kwargs))
                .await?
            {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(_) => {
                    return Ok(Ended::With((Outcome::Failed(failure.clone()), false)));
                }
                Ended::Deaf => return Ok(Ended::Deaf),
            }
        }
        self.write_error(failure).await
    }

    /// Gives the answer, with the guest's own error page where it has one. Tells whether the object is freed.
    async fn settle(&self, outcome: Outcome, last: bool) -> wasmtime::Result<Ended<bool>> {
        if self.exchange.broke_off() && matches!(outcome, Outcome::Failed(_) | Outcome::Cancelled) {
            // What failed is its client's leaving.
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
            Outcome::Failed(failure) => failure,
        };
        self.log(&failure);
        if let Some(stream) = self.exchange.stream() {
            self.break_off(stream);
            return Ok(Ended::With(false));
        }
        let first_failure = matches!(self.exchange.stage, Stage::Whole);
        if !(first_failure && self.has(Functions::WRITE_ERROR)) {
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

    /// Gives the answer, or what is left of it.
    fn give(&self, response: Response) -> impl Future<Output = ()> {
        let rest = match self.exchange.stream() {
            None => {
                self.exchange.answer(Answer::Response(response));
                None
            }
            // Rare, and so not to be carried about by every request.
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

    /// Ends a response that has begun, and for which there is no page any more.
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

    /// What Tornado's `log_exception` logs: every error that was not planned, and the others where they say more than
    /// their status.
    fn log(&self, failure: &Failure) {
        if self.exchange.is_client_gone() {
            // Most likely what failed is its leaving.
            return;
        }
        let request = self.exchange.summary();
        let request_id = tracing::field::display(ShownId(&self.exchange));
        match (&failure.message, failure.cause) {
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
        let last = !self.has(Functions::ON_FINISH);
        let parameters = (self.call(last), failure.clone());
        Ok(
            match self.step(&self.scene.guest.write_error, parameters).await? {
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
        let guest = self.scene.guest;
        if self.has(Functions::ON_FINISH) && !self.exchange.is_cancelled() {
            self.exchange.until_sent().await;
        }
        let finishes = self.has(Functions::ON_FINISH);
        if self.exchange.is_client_gone() && self.has(Functions::ON_CONNECTION_CLOSE) {
            let call = self.call(!finishes);
            if self.afterwards(&guest.on_connection_close, (call,)).await? == LifeEnd::Deaf {
                return Ok(LifeEnd::Deaf);
            }
            if !finishes {
                return Ok(LifeEnd::Over);
            }
        }
        if finishes {
            self.afterwards(&guest.on_finish, (self.call(true),)).await
        } else {
            self.afterwards(&guest.release, (self.request,)).await
        }
    }

    /// One call that can be cancelled.
    async fn step<P>(&self, function: &Step<P>, parameters: P) -> wasmtime::Result<Ended<Outcome>>
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
                let cancel = self.start(&self.scene.guest.cancel, (self.request,))?;
                let both = async { tokio::try_join!(ended, cancel) };
                // Rare, and so not to be carried about by every request.
                match Box::pin(timeout(LET_GO, both)).await {
                    Ok(both) => both?.0,
                    Err(_) => return Ok(Ended::Deaf),
                }
            }
        };
        Ok(Ended::With(outcome.0))
    }

    /// One call of those that follow the answer.
    async fn afterwards<P>(
        &self,
        function: &Function<P, ()>,
        parameters: P,
    ) -> wasmtime::Result<LifeEnd>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        let mut ended = pin!(self.start(function, parameters)?);
        let run = self.scene.run;
        let began = run.now();
        // Every life is polled often enough to see by itself that the time is over.
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map(|()| LifeEnd::Over)),
            Poll::Pending if run.has_passed(AFTERWARDS, began) => Poll::Ready(Ok(LifeEnd::Deaf)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Starts a call of this request.
    fn start<P, R>(
        &self,
        function: &Function<P, R>,
        parameters: P,
    ) -> wasmtime::Result<impl Future<Output = wasmtime::Result<R>>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let ended = self.scene.start(function, parameters, |ctx, call| {
            ctx.tasks.insert(call, self.request);
        })?;
        // Most calls are over at that turn, and wake nobody.
        let turn = self.scene.line.wait();
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

    fn has(&self, function: Functions) -> bool {
        self.functions.contains(function)
    }
}

fn uncaught(message: &str) -> Failure {
    Failure {
        status: 500,
        reason: None,
        message: Some(message.to_owned()),
        cause: FailureCause::Uncaught,
    }
}

/// A body was late, and that was not its client's fault.
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
