//! One living instance: made, asked what it is, started, filled with requests, stopped. Says how it ended;
//! what follows from that is the seat's.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Fuse, FusedFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Accessor, ComponentNamedList, Lift, ResourceTable, TypedFunc};
use wasmtime::{AsContextMut, CallHook, Store, StoreContextMut, UpdateDeadline, WasmBacktrace};

use super::{Blueprint, Core, LifeEnd};
use crate::bindings::Description;
use crate::capabilities::wasi;
use crate::engine::Guest;
use crate::error::Error;
use crate::resources::{BodyMemory, Ctx, Exchange, MemoryLimit, Requests};
use crate::run::{Overrun, RunClock, Verdict};

/// Where a request's life takes place: inside one instance, while its event loop turns.
pub struct Scene<'a> {
    pub accessor: &'a Accessor<Ctx>,
    pub guest: &'a Guest,
}

impl Scene<'_> {
    fn requests<R>(&self, change: impl FnOnce(&mut Requests) -> R) -> R {
        let accessor = self.accessor;
        accessor.with(|mut access| change(&mut access.data_mut().requests))
    }
}

/// An instance with its store, and its place under the cap.
pub(super) struct Live {
    store: Store<Ctx>,
    guest: Guest,
    run: Arc<RunClock>,
    next_request: u64,
    _permit: OwnedSemaphorePermit,
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
    pub culprit: Culprit,
    /// Whether a run went past `cpu_deadline`; else a trap.
    pub overrun: bool,
    /// What happened, with the guest's stack where there is one.
    pub what: String,
}

/// Whose fault it was: of the request for which the run was in which it happened.
pub(super) enum Culprit {
    Inside(Arc<Exchange>),
    /// A request that had left something running when it was over.
    Over,
    /// No run was under way, or one for no request.
    Unknown,
}

impl Blueprint {
    /// Makes an instance. Waits where as many live as may.
    pub(super) async fn instantiate(&self) -> Result<Live, Error> {
        let rules = &self.rules;
        let permit = self.place().await?;
        let run = self.engine.ticker.clock(rules.run);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles(rules.per_instance()));
        let ctx = Ctx {
            component: self.file.clone(),
            wasi: wasi::context(&self.file, &rules.grants)
                .map_err(|error| Error::component(format!("{error:#}")))?,
            table,
            memory: MemoryLimit::new(rules.memory),
            run: run.clone(),
            requests: Requests::new(),
            tasks: HashMap::new(),
            last_run: None,
            body_memory: BodyMemory::new(rules.body_memory),
        };
        let mut store = Store::new(self.engine.wasmtime(), ctx);
        store.limiter(|ctx| &mut ctx.memory);
        store.set_max_component_handles(handles(rules.per_instance()));
        store.set_hostcall_fuel(usize::try_from(rules.memory).unwrap_or(usize::MAX));
        store.epoch_deadline_callback(on_epoch);
        store.set_epoch_deadline(1);
        store.call_hook(on_call);
        let instantiate = self.pre.instance_pre().instantiate_async(&mut store);
        let made = run.within_limits(instantiate).await;
        let guest = made
            .unwrap_or_else(|overrun| Err(overrun.into()))
            .and_then(|instance| Guest::of(&instance, &mut store))
            .map_err(|error| Error::component(format!("can't be instantiated: {error:#}")))?;
        Ok(Live {
            store,
            guest,
            run,
            next_request: 0,
            _permit: permit,
        })
    }

    /// A place under the cap: one for each memory, which is what mappings are counted by.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let needs = self.pre.instance_pre().component().resources_required();
        let places = needs.map_or(1, |needs| needs.num_memories.max(1));
        let free = self.engine.instances.clone();
        let place = free.acquire_many_owned(places);
        let within = self.rules.deadline.unwrap_or(Duration::MAX);
        match tokio::time::timeout(within, place).await {
            Ok(place) => place.map_err(|error| Error::host("the engine is gone", error)),
            Err(late) => Err(Error::host("as many instances live as may", late)),
        }
    }

    /// Asks a new instance what it is.
    pub(super) async fn describe(&self, live: &mut Live) -> Result<Description, Error> {
        let describe = live.guest.describe;
        let (description,) = live.call("describe", describe, self.rules.deadline).await?;
        Ok(description)
    }

    /// Starts a new instance.
    pub(super) async fn start(&self, live: &mut Live) -> Result<(), Error> {
        let start = live.guest.start;
        let (started,) = live.call("start", start, self.rules.deadline).await?;
        started.map_err(|error| Error::component(format!("`start` failed: {error}")))
    }

    /// Stops an instance that has no request left.
    pub(super) async fn stop(&self, live: &mut Live) -> Result<(), Error> {
        let stop = live.guest.stop;
        live.call("stop", stop, self.rules.deadline).await
    }
}

impl Live {
    /// Serves the queue, beginning with `first`, until the pool is closed or this instance has had its share.
    pub(super) async fn serve(&mut self, core: &Arc<Core>, first: Option<Arc<Exchange>>) -> End {
        let rules = core.rules();
        let at_once = rules.per_instance();
        let mut left = rules.in_all();
        let (guest, next_request) = (&self.guest, &mut self.next_request);
        let turning = self.store.run_concurrent(async |accessor| {
            self.run
                .between_runs(async {
                    let scene = Scene { accessor, guest };
                    let mut lives = FuturesUnordered::new();
                    let mut next = pin!(Fuse::terminated());
                    let mut arrived = first;
                    let mut open = true;
                    loop {
                        if let Some(exchange) = arrived.take() {
                            left -= 1;
                            *next_request += 1;
                            lives.push(core.lead(&scene, *next_request, exchange));
                            if left == 0 {
                                core.replace();
                            }
                        }
                        let taking = open && left > 0 && lives.len() < at_once;
                        if taking && next.is_terminated() {
                            next.set(core.next().fuse());
                        } else if !taking {
                            next.set(Fuse::terminated());
                        }
                        tokio::select! {
                            biased;
                            Some(end) = lives.next() => match end? {
                                LifeEnd::Over => {}
                                LifeEnd::Deaf => {
                                    if left > 0 {
                                        core.replace();
                                    }
                                    left = 0;
                                }
                            },
                            exchange = &mut next, if taking => match exchange {
                                Some(exchange) => arrived = Some(exchange),
                                None => open = false,
                            },
                            else => return Ok(()),
                        }
                    }
                })
                .await
        });
        let ended = match self.run.within_limits(turning).await {
            Ok(ended) => ended.and_then(|ended| ended),
            Err(overrun) => Err(overrun.into()),
        };
        match ended {
            Ok(()) if left == 0 => End::Spent,
            Ok(()) => End::Whole,
            Err(error) => End::Dead(self.death(&error)),
        }
    }

    /// Calls a function that belongs to no request.
    async fn call<R>(
        &mut self,
        name: &str,
        function: TypedFunc<(), R>,
        within: Option<Duration>,
    ) -> Result<R, Error>
    where
        R: ComponentNamedList + Lift + Send + 'static,
    {
        let turning = self.store.run_concurrent(async |accessor| {
            let call = function.call_concurrent(accessor, ());
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

    /// Who died of what.
    fn death(&mut self, error: &wasmtime::Error) -> Death {
        let turn = self.run.turn();
        let ctx = self.store.data_mut();
        // The store can't be asked any more: what it says of the stack may be gone with the stack.
        let guilty = ctx
            .last_run
            .filter(|(_, noted)| *noted == turn)
            .and_then(|(task, _)| ctx.tasks.get(&task));
        let culprit = match guilty {
            Some(request) => match ctx.requests.get(request) {
                Some(exchange) => Culprit::Inside(exchange.clone()),
                None => Culprit::Over,
            },
            None => Culprit::Unknown,
        };
        Death {
            inside: ctx.requests.drain().map(|(_, exchange)| exchange).collect(),
            culprit,
            overrun: error.is::<Overrun>(),
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

impl Core {
    /// Leads one request through this instance, and keeps it where imports and the undertaker find it.
    async fn lead(
        &self,
        scene: &Scene<'_>,
        request: u64,
        exchange: Arc<Exchange>,
    ) -> wasmtime::Result<LifeEnd> {
        let inside = exchange.clone();
        scene.requests(|requests| requests.insert(request, inside));
        let end = (self.life)(scene, request, exchange).await?;
        scene.requests(|requests| requests.remove(&request));
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
    store.data().run.pause();
    Ok(UpdateDeadline::Yield(1))
}

fn act(mut store: StoreContextMut<'_, Ctx>, verdict: Verdict) -> wasmtime::Result<()> {
    match verdict {
        Verdict::Fine => Ok(()),
        Verdict::Began => {
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

/// Handles that one instance may hold: its guest's tasks, waitables, streams and WASI resources.
fn handles(requests: usize) -> usize {
    const PER_REQUEST: usize = 64;
    const FOR_THE_INSTANCE: usize = 1024;
    requests
        .saturating_mul(PER_REQUEST)
        .saturating_add(FOR_THE_INSTANCE)
}
