//! One living instance: made, asked what it is, started, filled with requests, stopped. Says how it ended;
//! what follows from that is the seat's.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{
    Accessor, ComponentNamedList, GuestTaskId, Lift, Lower, ResourceTable, TypedFunc,
};
use wasmtime::{AsContextMut, CallHook, Store, StoreContextMut, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi_http::WasiHttpCtx;

use super::background::Tasks as Jobs;
use super::post::Post;
use super::{Blueprint, Core, Isolation, LifeEnd};
use crate::bindings::{Description, JobDescription};
use crate::capabilities::wasi;
use crate::engine::{Function, Guest};
use crate::error::Error;
use crate::kv::Cursors;
use crate::pubsub::Share;
use crate::resources::{
    Background, BodyMemory, Ctx, Exchange, Fetches, Http, MemoryLimit, Offload, Requests, Task,
    Tasks,
};
use crate::run::{Overrun, RunClock, RunLimits, Verdict};

/// Where a request's life takes place: inside one instance, while its event loop turns.
pub struct Scene<'a> {
    pub accessor: &'a Accessor<Ctx>,
    pub guest: &'a Guest,
    requests: &'a Requests,
}

impl Scene<'_> {
    /// Starts a call, and has it noted whose it is, so that a trap finds its culprit.
    pub fn start<P, R>(
        &self,
        function: &Function<P, R>,
        parameters: P,
        note: impl FnOnce(&mut Ctx, GuestTaskId),
    ) -> wasmtime::Result<impl Future<Output = wasmtime::Result<R>>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let (function, call) = self.accessor.with(|mut store| {
            let function = function.of(&self.guest.instance, &mut store)?;
            let call = function.start_call_concurrent(&mut store, parameters)?;
            note(store.data_mut(), call.task());
            Ok::<_, wasmtime::Error>((function, call))
        })?;
        Ok(function.finish_call_concurrent(self.accessor, call))
    }
}

/// An instance with its store, and its place under the cap.
pub(super) struct Live {
    store: Store<Ctx>,
    guest: Guest,
    run: Arc<RunClock>,
    requests: Arc<Requests>,
    background: Arc<Background>,
    next_request: u64,
    _permit: OwnedSemaphorePermit,
}

/// What an instance is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests, and tasks beside them.
    Serve,
    /// Functions that are called by name, one at a time.
    Execute,
}

/// How an instance's time with the queue ended.
pub(super) enum End {
    /// It is to stop, and its seat with it: there is no more work.
    Whole,
    /// It took all the requests that it may, or one of them was deaf.
    Spent,
    /// A fault took it, with all that was in it.
    Dead(Death),
}

/// A fault that took an instance, and who was inside.
pub(super) struct Death {
    /// The requests that were inside, the culprit among them if it was.
    pub inside: Vec<Arc<Exchange>>,
    /// The background tasks that are lost with it.
    pub tasks: Vec<Arc<Task>>,
    pub culprit: Culprit,
    /// Whether a run went past `cpu_deadline`; else a trap.
    pub overrun: bool,
    /// Whether another instance has its place already.
    pub replaced: bool,
    /// What happened, with the guest's stack where there is one.
    pub what: String,
}

/// Whose fault it was: of the request for which the run was in which it happened.
pub(super) enum Culprit {
    Inside(Arc<Exchange>),
    /// A background task, by its name.
    Task(Box<str>),
    /// A request that had left something running when it was over.
    Over,
    /// No run was under way, or one for no request.
    Unknown,
}

impl Blueprint {
    /// Makes an instance.
    pub(super) async fn instantiate(
        &self,
        place: OwnedSemaphorePermit,
        purpose: Purpose,
    ) -> Result<Live, Error> {
        let rules = &self.rules;
        let serves = purpose == Purpose::Serve;
        let limits = match serves {
            true => rules.run,
            // It is there for what takes long.
            false => RunLimits {
                cpu_deadline: None,
                block_log: None,
            },
        };
        let beats = self.meter.beats.clone();
        let run = self.engine.ticker.clock(limits, beats);
        let most = (serves && self.linked.exports.has_jobs()).then_some(rules.max_tasks);
        let background = Background::new(self.tenure.clone(), most);
        let handles = handles(rules.per_instance().saturating_add(rules.max_tasks));
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let requests = Arc::new(Requests::default());
        let ctx = Ctx {
            component: self.file.clone(),
            wasi: wasi::context(&self.file, &rules.grants)
                .map_err(|error| Error::component(format!("{error:#}")))?,
            table,
            memory: MemoryLimit::new(rules.memory),
            run: run.clone(),
            requests: requests.clone(),
            tasks: Tasks::default(),
            last_run: None,
            body_memory: BodyMemory::new(rules.body_memory),
            commons: self.engine.commons.clone(),
            share: Share::new(rules.message_memory, subscriptions(rules.per_instance())),
            buckets: rules.grants.kv.clone(),
            cursors: Cursors::default(),
            background: background.clone(),
            jobs: Default::default(),
            executor: None,
            http: Http {
                ctx: WasiHttpCtx::new(),
                fetches: Fetches {
                    access: self.http.clone(),
                    meter: self.meter.clone(),
                },
            },
        };
        let mut store = Store::new(self.engine.wasmtime(), ctx);
        store.limiter(|ctx| &mut ctx.memory);
        store.set_max_component_handles(handles);
        store.set_hostcall_fuel(usize::try_from(rules.memory).unwrap_or(usize::MAX));
        store.epoch_deadline_callback(on_epoch);
        store.set_epoch_deadline(1);
        store.call_hook(on_call);
        let instantiate = self.linked.pre.instantiate_async(&mut store);
        let made = run.within_limits(instantiate).await;
        let instance = made
            .unwrap_or_else(|overrun| Err(overrun.into()))
            .map_err(|error| Error::component(format!("can't be instantiated: {error:#}")))?;
        self.meter.instantiations.count();
        Ok(Live {
            store,
            guest: Guest::of(instance, &self.linked.exports),
            run,
            requests,
            background,
            next_request: 0,
            _permit: place,
        })
    }

    /// A place under the cap: one for each memory, which is what mappings are counted by. `None`: as many instances
    /// live as may, and none went within this time.
    pub(super) async fn place(&self, within: Duration) -> Option<OwnedSemaphorePermit> {
        let needs = self.linked.pre.component().resources_required();
        let places = needs.map_or(1, |needs| needs.num_memories.max(1));
        let free = self.engine.instances.clone();
        if let Ok(place) = free.clone().try_acquire_many_owned(places) {
            return Some(place);
        }
        let place = free.acquire_many_owned(places);
        tokio::time::timeout(within, place).await.ok()?.ok()
    }

    /// Asks a new instance what it is.
    pub(super) async fn describe(&self, live: &mut Live) -> Result<Description, Error> {
        let within = self.rules.deadline;
        let (description,) = live
            .call("describe", |guest| &guest.describe, within)
            .await?;
        Ok(description)
    }

    /// Asks it what it does beside its requests.
    pub(super) async fn describe_jobs(&self, live: &mut Live) -> Result<JobDescription, Error> {
        let Some(jobs) = &live.guest.jobs else {
            return Ok(JobDescription {
                functions: Vec::new(),
                schedules: Vec::new(),
            });
        };
        let describe = jobs.describe.of(&live.guest.instance, &mut live.store);
        let describe =
            describe.map_err(|error| Error::component(format!("`jobs: describe`: {error:#}")))?;
        let within = self.rules.deadline;
        let (described,) = live
            .call_function("jobs: describe", describe, (), within)
            .await?;
        Ok(described)
    }

    /// Starts a new instance.
    pub(super) async fn start(&self, live: &mut Live) -> Result<(), Error> {
        let within = self.rules.deadline;
        let (started,) = live.call("start", |guest| &guest.start, within).await?;
        started.map_err(|error| Error::component(format!("`start` failed: {error}")))
    }

    /// Starts a new instance that serves no requests.
    pub(super) async fn start_worker(&self, live: &mut Live) -> Result<(), Error> {
        live.background.disregard(true);
        let started = self.start(live).await;
        live.background.disregard(false);
        started
    }

    /// Stops an instance that has no request left.
    pub(super) async fn stop(&self, live: &mut Live) -> Result<(), Error> {
        live.call("stop", |guest| &guest.stop, self.rules.deadline)
            .await
    }
}

impl Live {
    /// Checks that the component's functions have the types that the WIT gives them.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let checked = self.guest.check(&mut self.store);
        checked.map_err(|error| {
            Error::component(format!(
                "not a component of the world `waterspout:web/web@0.1.0`: {error:#}"
            ))
        })
    }

    /// Serves the queue, beginning with `first`, until the pool is closed or this instance has had its share.
    pub(super) async fn serve(
        &mut self,
        core: &Arc<Core>,
        post: &Arc<Post>,
        first: Option<Arc<Exchange>>,
    ) -> End {
        let executor: Arc<dyn Offload> = core.clone();
        self.store.data_mut().executor = Some(Arc::downgrade(&executor));
        let replaced = AtomicBool::new(false);
        match self.turn(core, post, first, &replaced).await {
            Ok(()) if replaced.load(Relaxed) => End::Spent,
            Ok(()) => End::Whole,
            Err(error) => End::Dead(self.death(&error, replaced.load(Relaxed))),
        }
    }

    /// Turns the instance's event loop. `replaced` says that it takes no more requests, and that another does.
    async fn turn(
        &mut self,
        core: &Arc<Core>,
        post: &Arc<Post>,
        first: Option<Arc<Exchange>>,
        replaced: &AtomicBool,
    ) -> wasmtime::Result<()> {
        let at_once = core.rules().per_instance();
        let mut left = core.rules().in_all();
        let mut arrived = first;
        let (guest, run, requests) = (&self.guest, &*self.run, &*self.requests);
        let background = &self.background;
        let next_request = &mut self.next_request;
        let budget = core.rules().spawn_budget;
        let is_fresh = core.rules().isolation == Isolation::Fresh;
        let replace = || {
            if !replaced.swap(true, SeqCst) {
                core.replace(post);
            }
        };
        let turning = self.store.run_concurrent(async |accessor| {
            let scene = Scene {
                accessor,
                guest,
                requests,
            };
            let mut lives = FuturesUnordered::new();
            let mut jobs = Jobs::default();
            let turn = poll_fn(|cx| {
                loop {
                    if replaced.load(Relaxed) {
                        left = 0;
                    }
                    let mut next = None;
                    if left > 0 && lives.len() < at_once {
                        next = arrived.take().or_else(|| core.queue.take(post));
                    }
                    if let Some(exchange) = next {
                        left -= 1;
                        *next_request += 1;
                        lives.push(core.lead(&scene, *next_request, exchange));
                        if left == 0 {
                            replace();
                        }
                        // One in a turn: what waits can go elsewhere as long as its run is not over.
                        if lives.len() < at_once && core.queue.has_work(post) {
                            cx.waker().wake_by_ref();
                        }
                    }
                    let open = !core.queue.is_closed() && !post.is_dismissed();
                    post.set_open(open && left > 0 && lives.len() < at_once);
                    // A fresh one has its only request inside at first.
                    let is_spent = left == 0 && (!is_fresh || lives.is_empty());
                    if (!open || is_spent) && !(lives.is_empty() && background.is_empty()) {
                        background.drain();
                    }
                    if !jobs.is_idle(background, cx.waker()) {
                        match jobs.poll(core, &scene, background, cx) {
                            Ok(false) => {}
                            Ok(true) => replace(),
                            Err(error) => return Poll::Ready(Err(error)),
                        }
                    }
                    match lives.poll_next_unpin(cx) {
                        Poll::Ready(Some(Ok(LifeEnd::Over))) => {}
                        Poll::Ready(Some(Ok(LifeEnd::Deaf))) => replace(),
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                        Poll::Ready(None) if is_fresh && left == 0 && !background.is_empty() => {
                            // The last request is over, and so is nearly everything.
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
            if turned.is_ready() || !run.is_under_way() {
                return turned;
            }
            if !requests.hard_of_hearing(&mut asked) && !background.is_overdue(budget) {
                return turned;
            }
            // No life gets its turn as long as this run lasts, so none of them can say that it is deaf.
            replace();
            match requests.is_wanted() {
                true => Poll::Pending,
                false => Poll::Ready(Ok(Err(Forsaken.into()))),
            }
        });
        let in_run = || run.is_under_way();
        let may_leave = || core.seats_leave() && background.is_empty();
        let ended = core.queue.attend(post, may_leave, in_run, listening).await;
        match ended {
            Ok(ended) => ended.and_then(|ended| ended),
            Err(overrun) => Err(overrun.into()),
        }
    }

    /// Calls a function that belongs to no request.
    async fn call<R>(
        &mut self,
        name: &str,
        function: impl Fn(&Guest) -> &Function<(), R>,
        within: Option<Duration>,
    ) -> Result<R, Error>
    where
        R: ComponentNamedList + Lift + Send + 'static,
    {
        let function = function(&self.guest)
            .of(&self.guest.instance, &mut self.store)
            .map_err(|error| Error::component(format!("`{name}`: {error:#}")))?;
        self.call_function(name, function, (), within).await
    }

    async fn call_function<P, R>(
        &mut self,
        name: &str,
        function: TypedFunc<P, R>,
        parameters: P,
        within: Option<Duration>,
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
            match within {
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
            () = late => Err(Error::component(format!("`{name}` did not end within `deadline`"))),
        }
    }

    /// Calls one of the component's functions by its name. The outer error is the trap that took the instance.
    pub(super) async fn execute(
        &mut self,
        name: &str,
        arguments: Vec<u8>,
    ) -> Result<Result<Vec<u8>, String>, String> {
        let Some(jobs) = &self.guest.jobs else {
            return Ok(Err("the component has no functions".to_owned()));
        };
        let function = jobs.call.of(&self.guest.instance, &mut self.store);
        let function = function.map_err(|error| format!("{error:#}"))?;
        let parameters = (name.to_owned(), arguments);
        let turning = self.store.run_concurrent(async |accessor| {
            let call = function.call_concurrent(accessor, parameters);
            self.run.between_runs(call).await
        });
        let ended = self.run.within_limits(turning).await;
        let ended = ended.unwrap_or_else(|overrun| Err(overrun.into()));
        match ended.and_then(|ended| ended) {
            Ok((result,)) => Ok(result),
            Err(error) => Err(trap_text(&error)),
        }
    }

    /// Who died of what.
    fn death(&mut self, error: &wasmtime::Error, replaced: bool) -> Death {
        let turn = self.run.turn();
        let ctx = self.store.data_mut();
        // The store can't be asked any more: what it says of the stack may be gone with the stack.
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
        Death {
            inside: ctx.requests.drain(),
            tasks: ctx.background.lose(),
            culprit,
            overrun: error.is::<Overrun>(),
            replaced,
            what: trap_text(error),
        }
    }
}

/// The trap, and where the guest was.
fn trap_text(error: &wasmtime::Error) -> String {
    let trap = error.root_cause();
    match error.downcast_ref::<WasmBacktrace>() {
        Some(stack) => format!("{trap}\n{}", frames(stack)),
        None => format!("{error:#}"),
    }
}

/// Why an instance ends in which every request was given up, while its guest runs on.
#[derive(Debug)]
struct Forsaken;

impl std::fmt::Display for Forsaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was asked to end a request, and ran on without a wait")
    }
}

impl std::error::Error for Forsaken {}

impl Core {
    /// Leads one request through this instance, and keeps it where imports and the undertaker find it.
    async fn lead(
        &self,
        scene: &Scene<'_>,
        request: u64,
        exchange: Arc<Exchange>,
    ) -> wasmtime::Result<LifeEnd> {
        self.blueprint.meter.entered(exchange.began.elapsed());
        scene.requests.insert(request, exchange.clone());
        let end = (self.life)(scene, request, exchange).await?;
        scene.requests.remove(request);
        self.over();
        Ok(end)
    }
}

/// A guest's stack without wasmtime's heading.
fn frames(stack: &WasmBacktrace) -> String {
    let text = stack.to_string();
    let frames: Vec<&str> = text.lines().skip(1).collect();
    frames.join("\n")
}

/// The store's word at every crossing.
fn on_call(store: StoreContextMut<'_, Ctx>, hook: CallHook) -> wasmtime::Result<()> {
    match store.data().run.on(hook) {
        Verdict::Fine => Ok(()),
        verdict => act(store, verdict),
    }
}

/// The engine's word at every tick while guest code runs.
fn on_epoch(mut store: StoreContextMut<'_, Ctx>) -> wasmtime::Result<UpdateDeadline> {
    let verdict = store.data().run.verdict();
    act(store.as_context_mut(), verdict)?;
    let run = store.data().run.clone();
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way(run))))
}

/// Lets everything else of this thread have its turns: as many as a request takes from the socket to an instance and
/// back.
async fn give_way(run: Arc<RunClock>) {
    const TURNS: usize = 4;
    for _ in 0..TURNS {
        run.pause();
        tokio::task::yield_now().await;
    }
}

fn act(mut store: StoreContextMut<'_, Ctx>, verdict: Verdict) -> wasmtime::Result<()> {
    match verdict {
        Verdict::Fine => Ok(()),
        Verdict::Began => {
            // Ticks that went by between two runs are none of its own: it would yield at once.
            store.set_epoch_deadline(1);
            let root = store.async_call_stack()?.last();
            let ctx = store.data_mut();
            ctx.last_run = root.map(|task| (task, ctx.run.turn()));
            Ok(())
        }
        Verdict::End => Err(Overrun.into()),
        Verdict::Log => {
            let component = &*store.data().component;
            let stack = frames(&WasmBacktrace::force_capture(&store));
            tracing::warn!(target: "general", component, "a run is past `block_log`; the guest is at\n{stack}");
            Ok(())
        }
    }
}

/// Subscriptions that one instance may have, watchers among them. They take less than a quarter of its handles.
fn subscriptions(requests: usize) -> u32 {
    const PER_REQUEST: usize = 8;
    const FOR_THE_INSTANCE: usize = 128;
    let most = requests
        .saturating_mul(PER_REQUEST)
        .saturating_add(FOR_THE_INSTANCE);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// Handles that one instance may hold: its guest's tasks, waitables, streams and WASI resources.
fn handles(requests: usize) -> usize {
    const PER_REQUEST: usize = 64;
    const FOR_THE_INSTANCE: usize = 1024;
    requests
        .saturating_mul(PER_REQUEST)
        .saturating_add(FOR_THE_INSTANCE)
}
