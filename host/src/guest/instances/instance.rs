//! One instance: it takes requests, is called, and is stopped. Says how it ended; what follows from that is the
//! worker's.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Poll;

use futures_util::future::Either;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::background::Tasks as Jobs;
use super::call_context::CallContext;
use super::death::{Culprit, Death, Forsaken};
use super::handover::Bequest;
use super::rules::Within;
use super::slot::Slot;
use super::sockets::{Departure, Quiet};
use super::streams::Farewell;
use super::task_set::{Line, TaskSet};
use super::{Count, Isolation, LifeEnd, PoolInner};
use crate::base::error::Error;
use crate::guest::capabilities::wasi;
use crate::guest::engine::Guest;
use crate::guest::resources::{
    Background, Ctx, Exchange, Offload, OpenStreams, Requests, Stage, Transit,
};
use crate::guest::run::{Overrun, RunClock};
use crate::guest::stack;
use crate::services::sockets::{Home, Resident};
use crate::services::tcp::Stream;

/// An instance with its store and its place under the cap.
pub(super) struct Instance {
    pub store: Store<Ctx>,
    pub guest: Guest,
    pub run: Arc<RunClock>,
    pub requests: Arc<Requests>,
    /// The streams of clients.
    pub streams: Arc<OpenStreams>,
    pub background: Arc<Background>,
    pub next_request: u64,
    /// Its sockets.
    pub home: Arc<Home>,
    pub _place: OwnedSemaphorePermit,
}

/// Why an instance stopped serving the queue.
pub(super) enum End {
    /// It is to stop, and its worker too: there is no more work.
    Whole,
    /// It took all the requests that it may, or one of them did not react to cancellation.
    Spent,
    /// Its sockets are quiet, and do without it until something comes.
    Asleep,
    /// A fault ended it, with all requests inside.
    Dead(Death),
}

impl Instance {
    /// Serves the queue, beginning with `first`, until the pool is closed or this instance has had its share.
    pub(super) async fn serve(
        &mut self,
        core: &Arc<PoolInner>,
        slot: &Arc<Slot>,
        first: Option<Arc<Exchange>>,
    ) -> End {
        let executor: Arc<dyn Offload> = core.clone();
        self.store.data_mut().executor = Some(Arc::downgrade(&executor));
        core.open_home(&self.home);
        let replaced = AtomicBool::new(false);
        let is_asleep = AtomicBool::new(false);
        let turned = self.turn(core, slot, first, &replaced, &is_asleep).await;
        match turned {
            Ok(()) if replaced.load(Relaxed) => End::Spent,
            Ok(()) if is_asleep.load(Relaxed) && !core.queue.is_closed() => End::Asleep,
            Ok(()) => End::Whole,
            Err(error) => End::Dead(self.death(&error, replaced.load(Relaxed))),
        }
    }

    /// Runs the instance's event loop. `replaced` says that it takes no more requests, because another instance does;
    /// `is_asleep`, that it takes none until its sockets have left it.
    async fn turn(
        &mut self,
        core: &Arc<PoolInner>,
        slot: &Arc<Slot>,
        first: Option<Arc<Exchange>>,
        replaced: &AtomicBool,
        is_asleep: &AtomicBool,
    ) -> wasmtime::Result<()> {
        let at_once = core.rules().per_instance();
        let mut left = core.rules().in_all();
        let mut arrived = first;
        let (guest, run, requests) = (&self.guest, &*self.run, &*self.requests);
        let (background, home, streams) = (&self.background, &self.home, &*self.streams);
        let next_request = &mut self.next_request;
        let budget = core.rules().spawn_budget;
        let is_fresh = core.rules().isolation == Isolation::Fresh;
        let is_shared = core.is_shared();
        let hibernate = core.rules().hibernate;
        let replace = || {
            if !replaced.swap(true, SeqCst) {
                core.replace(slot);
            }
        };
        // Whether there is a call that serves the streams.
        let serving = AtomicUsize::new(0);
        let line = Line::default();
        let transit = Arc::<Transit>::default();
        let last_start = AtomicU64::new(u64::MAX);
        let turning = self.store.run_concurrent(async |accessor| {
            let context = CallContext {
                accessor,
                guest,
                run,
                line: &line,
                transit: &transit,
                last_start: &last_start,
                requests,
                streams,
            };
            let mut requests_inside = TaskSet::new(&line);
            let serves = || serving.load(Relaxed);
            let mut farewell = Farewell::default();
            let mut jobs = Jobs::default();
            let mut departure = Departure::default();
            let mut quiet = Quiet::default();
            let mut bequest = Bequest::default();
            let mut known = None;
            let mut has_states = false;
            let turn = poll_fn(|cx| {
                loop {
                    if replaced.load(Relaxed) {
                        left = 0;
                    }
                    let mut next = None;
                    let has_room = transit.poll_empty(cx).is_ready()
                        // A socket has an instance that is not shared for itself.
                        && (is_shared || home.is_empty() && streams.is_empty());
                    if left > 0 && has_room && requests_inside.len() - serves() < at_once {
                        next = arrived.take().or_else(|| core.queue.take(slot));
                    }
                    if let Some(exchange) = next {
                        quiet.disturb();
                        let is_resumed = matches!(exchange.stage, Stage::Resume);
                        if is_fresh || !is_resumed {
                            // Its request was the handshake. If it counted again, sockets would wear out one instance
                            // after the other without end.
                            left -= 1;
                        }
                        *next_request += 1;
                        has_states |= is_resumed;
                        if let Some(connection) = exchange.connection() {
                            // It is taken only here.
                            if let Some(stream) = connection.take() {
                                farewell.greet(&exchange);
                                core.admit(&context, *next_request, exchange, stream);
                            }
                        } else {
                            let life = core.lead(&context, *next_request, exchange, home);
                            requests_inside.push(Either::Left(Either::Left(life)));
                        }
                        if left == 0 {
                            replace();
                        }
                        // One at each turn: what waits can go elsewhere as long as this run is not over.
                        if requests_inside.len() - serves() < at_once && core.queue.has_work(slot) {
                            cx.waker().wake_by_ref();
                        }
                    }
                    if serves() == 0 && !streams.is_empty() {
                        let served = core.serve_streams(&context, Count::one(&serving));
                        requests_inside.push(Either::Right(Either::Left(served)));
                    }
                    if serves() > 0
                        && let Poll::Ready(number) = streams.poll_unresponsive(cx)
                    {
                        requests.remove(number);
                        replace();
                    }
                    if home.poll_news(&mut known, cx) {
                        for copy in core.take_wanted() {
                            let saved = core.save(&context, Some(copy));
                            requests_inside.push(Either::Right(Either::Right(saved)));
                        }
                    }
                    while requests_inside.len() - serves() < at_once
                        && let Some(resident) = home.next_due()
                    {
                        quiet.disturb();
                        let socket = core.lead_socket(&context, resident, is_asleep);
                        requests_inside.push(Either::Left(Either::Right(socket)));
                    }
                    if core.is_handed_over.load(Relaxed) {
                        let is_over =
                            core.queue.is_closed() && requests_inside.is_empty() && home.is_empty();
                        if bequest.is_due(core, is_over, cx) {
                            let saved = core.save(&context, None);
                            requests_inside.push(Either::Right(Either::Right(saved)));
                        }
                    }
                    let open = !core.queue.is_closed() && !slot.is_dismissed();
                    let is_full = requests_inside.len() - serves() >= at_once;
                    slot.set_open(open && has_room && left > 0 && !is_full);
                    // A fresh instance has only one request, which is inside at first.
                    let is_quiet = requests_inside.is_empty() && home.is_empty();
                    let is_spent = left == 0 && (!is_fresh || is_quiet);
                    if (!open || is_spent) && !(is_quiet && background.is_empty()) {
                        background.drain();
                    }
                    let is_to_end = !open || is_spent || is_asleep.load(Relaxed);
                    let is_left = is_to_end || core.is_handed_over.load(Relaxed);
                    if serves() > 0 && is_left {
                        farewell.poll(core, requests, streams, cx);
                    }
                    if !home.is_empty() {
                        if let Some(long) = hibernate
                            && requests_inside.is_empty()
                            && background.is_empty()
                            && left > 0
                            && quiet.poll(long, cx).is_ready()
                        {
                            quiet.disturb();
                            if core.may_sleep(requests, home) {
                                left = 0;
                                is_asleep.store(true, Relaxed);
                                slot.set_open(false);
                            }
                        }
                        let is_left = is_left || is_asleep.load(Relaxed);
                        if is_left {
                            departure.poll(core, requests, home, cx);
                        }
                        if has_states && !core.sockets_are_moving() {
                            has_states = false;
                            core.forget_states(requests, home);
                        }
                    }
                    if !jobs.is_idle(background, cx.waker()) {
                        match jobs.poll(core, &context, background, cx) {
                            Ok(false) => {}
                            Ok(true) => replace(),
                            Err(error) => return Poll::Ready(Err(error)),
                        }
                    }
                    match requests_inside.poll_next(cx) {
                        Poll::Ready(Some(Ok(LifeEnd::Over | LifeEnd::Stays))) => {}
                        Poll::Ready(Some(Ok(LifeEnd::Deaf))) => replace(),
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                        Poll::Ready(None) if !home.is_empty() => return Poll::Pending,
                        Poll::Ready(None) if is_fresh && left == 0 && !background.is_empty() => {
                            // The last request is over, and only background tasks are left.
                            background.drain();
                            return Poll::Pending;
                        }
                        Poll::Ready(None) if (left == 0 || !open) && background.is_empty() => {
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                    }
                }
            });
            run.between_runs(turn).await
        });
        let mut turning = pin!(run.within_limits(turning));
        let mut asked = None;
        let listening = poll_fn(|cx| {
            let turned = turning.as_mut().poll(cx);
            if turned.is_ready() {
                return turned;
            }
            if !run.is_under_way() {
                // When nothing is left to do, wasmtime's event loop turns once more before it waits. It does not look
                // at what is started in that turn.
                if last_start.load(Relaxed) == run.turn() {
                    cx.waker().wake_by_ref();
                }
                return turned;
            }
            if !requests.hard_of_hearing(&mut asked) && !background.is_overdue(budget) {
                return turned;
            }
            // No request is polled as long as this run lasts, so none can report that cancellation has no effect.
            replace();
            match requests.is_wanted() {
                true => Poll::Pending,
                false => Poll::Ready(Ok(Err(Forsaken.into()))),
            }
        });
        let in_run = || run.is_under_way();
        let is_idle = || background.is_empty() && home.is_empty() && streams.is_empty();
        let may_leave = || core.workers_leave() && is_idle();
        let ended = core.queue.attend(slot, may_leave, in_run, listening).await;
        match ended {
            Ok(ended) => ended.and_then(|ended| ended),
            Err(overrun) => Err(overrun.into()),
        }
    }

    /// Calls a function that belongs to no request.
    pub(super) async fn call_function<P, R>(
        &mut self,
        name: &str,
        function: TypedFunc<P, R>,
        parameters: P,
        within: Within,
    ) -> Result<R, Error>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + 'static,
    {
        let turning = self.store.run_concurrent(async |accessor| {
            let call = function.call_concurrent(accessor, parameters);
            self.run.between_runs(call).await
        });
        let late = async {
            match within.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = self.run.within_limits(turning) => {
                let ended = ended.unwrap_or_else(|overrun| Err(overrun.into()));
                ended.and_then(|ended| ended).map_err(|error| {
                    Error::component(format!("`{name}` failed: {}", error.root_cause()))
                })
            }
            () = late => Err(Error::component(format!("`{name}` did not end within `{}`", within.key))),
        }
    }

    /// Calls one of the component's functions by its name. The outer error is the trap that ended the instance.
    pub(super) async fn execute(
        &mut self,
        name: &str,
        arguments: Vec<u8>,
    ) -> Result<Result<Vec<u8>, String>, String> {
        let Some(work) = &self.guest.work else {
            return Ok(Err("the component has no functions".to_owned()));
        };
        let function = work.call.of(&self.guest.instance, &mut self.store);
        let function = function.map_err(|error| stack::message(&error))?;
        let parameters = (name.to_owned(), arguments);
        let turning = self.store.run_concurrent(async |accessor| {
            let call = function.call_concurrent(accessor, parameters);
            self.run.between_runs(call).await
        });
        let ended = self.run.within_limits(turning).await;
        let ended = ended.unwrap_or_else(|overrun| Err(overrun.into()));
        match ended.and_then(|ended| ended) {
            Ok((result,)) => Ok(result),
            Err(error) => Err(self.end_of(&error)),
        }
    }
}

impl PoolInner {
    /// Runs one request in this instance. Keeps it where imports find it, and the worker if the instance dies.
    async fn lead(
        &self,
        context: &CallContext<'_>,
        request: u64,
        exchange: Arc<Exchange>,
        home: &Arc<Home>,
    ) -> wasmtime::Result<LifeEnd> {
        self.blueprint.meter.entered(exchange.began.elapsed());
        context.requests.insert(request, exchange.clone());
        poll_fn(|cx| {
            exchange.listen(cx.waker());
            Poll::Ready(())
        })
        .await;
        let visitor = exchange.socket.is_some().then(|| exchange.clone());
        let end = (self.lives.request)(context, request, exchange).await?;
        match visitor {
            // Rare, so elsewhere: the future of every request stays small.
            Some(exchange) => self.settle_socket(context.requests, request, &exchange, end, home),
            None => context.requests.remove(request),
        }
        self.over();
        Ok(end)
    }

    /// Lets a stream of a client in. Keeps it where imports find it, and the worker if the instance dies.
    fn admit(
        &self,
        context: &CallContext<'_>,
        number: u64,
        exchange: Arc<Exchange>,
        stream: Stream,
    ) {
        self.blueprint.meter.entered(exchange.began.elapsed());
        context.requests.insert(number, exchange.clone());
        context.streams.arrive(number, exchange, stream);
    }

    /// Has the streams served as long as there are some.
    async fn serve_streams(
        &self,
        context: &CallContext<'_>,
        _serving: Count<'_>,
    ) -> wasmtime::Result<LifeEnd> {
        (self.lives.streams)(context).await
    }
}

impl Instance {
    /// What ended a call, with what the guest has said last.
    fn end_of(&self, error: &wasmtime::Error) -> String {
        let words = wasi::last_words(self.store.data(), self.run.turn());
        stack::text(error, words.as_deref())
    }

    /// What ended the instance, and which request or task is the culprit.
    pub(super) fn death(&mut self, error: &wasmtime::Error, replaced: bool) -> Death {
        let turn = self.run.turn();
        let what = self.end_of(error);
        let ctx = self.store.data_mut();
        // The store can't be asked any more: its stack may be gone.
        let ran = ctx.last_run.filter(|(_, noted)| *noted == turn);
        let guilty = ran.and_then(|(task, _)| ctx.tasks.get(&task).copied());
        let job = ran.and_then(|(task, _)| ctx.jobs.get(&task).cloned());
        let culprit = match guilty {
            Some(request) => match ctx.requests.get(request) {
                Some(exchange) => Culprit::Inside(exchange),
                None => Culprit::Over,
            },
            None => job.map_or(Culprit::Unknown, Culprit::Task),
        };
        let mut residents = Vec::new();
        for Resident { request, .. } in self.home.residents() {
            residents.extend(ctx.requests.get(request));
            ctx.requests.remove(request);
        }
        Death {
            inside: ctx.requests.drain(),
            residents,
            tasks: ctx.background.lose(),
            culprit,
            overrun: error.is::<Overrun>(),
            replaced,
            what,
        }
    }
}
