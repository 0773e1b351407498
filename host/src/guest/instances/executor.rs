//! Functions that are called by name. Each runs in an instance that serves no requests, on a thread of `workers`. Owns
//! those instances, and words why a call has no result. Knows no request.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::birth::Purpose;
use super::instance::Instance;
use super::{Count, PoolInner};
use crate::base::error::Error;
use crate::base::shards;
use crate::guest::bindings::executor::CallError;
use crate::guest::resources::Offload;

/// How long an instance waits for its next call before it is stopped.
const IDLE: Duration = Duration::from_secs(10);

/// How long a call waits, at most, for a place under the cap on instances.
const FOR_A_PLACE: Duration = Duration::from_secs(10);

/// The instances of one component for such calls. As many calls run as there are threads. Those of other components
/// run beside them: a thread goes from one to the next with every tick.
#[derive(Default)]
pub(super) struct Executor {
    /// Calls by the component's own requests and tasks.
    called: Turns,
    /// Scheduled calls. They do not wait behind the others.
    scheduled: Turns,
    /// The size of all arguments.
    bytes: AtomicUsize,
    idle: Mutex<Vec<(Instant, Instance)>>,
}

/// How many calls run concurrently, and how many run or wait.
struct Turns {
    calls: AtomicUsize,
    free: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            free: Arc::new(Semaphore::new(shards::cores())),
        }
    }
}

/// The origin of a call.
#[derive(Clone, Copy, Debug)]
enum Caller {
    /// A request or a task of the component.
    Component,
    Schedule,
}

/// Counts this number of bytes, as long as it exists.
struct Counted<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Counted<'a> {
    fn of(all: &'a AtomicUsize, bytes: usize) -> Self {
        all.fetch_add(bytes, SeqCst);
        Self { all, bytes }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, SeqCst);
    }
}

impl Offload for PoolInner {
    fn execute(
        self: Arc<Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, CallError>> {
        async move {
            let caller = Caller::Component;
            self.call_elsewhere(caller, name, arguments).await
        }
        .boxed()
    }
}

impl PoolInner {
    /// Calls a function that is due.
    pub async fn call_scheduled(
        self: Arc<Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        self.call_elsewhere(Caller::Schedule, name, arguments).await
    }

    /// Calls a function of the component in another instance. When the call is dropped, that instance is dropped too.
    async fn call_elsewhere(
        self: Arc<Self>,
        caller: Caller,
        name: String,
        arguments: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        if !self.functions().contains(&name) {
            return Err(CallError::Unknown(self.no_function(&name)));
        }
        let executor = &self.executor;
        let rules = self.rules();
        let workers = &self.blueprint.engine.workers;
        let turns = match caller {
            Caller::Component => &executor.called,
            Caller::Schedule => &executor.scheduled,
        };
        let call = Count::one(&turns.calls);
        let room = shards::cores().saturating_add(rules.executor_queue);
        if turns.calls.load(SeqCst) > room {
            return Err(CallError::Busy(format!(
                "`{name}` was not called: as many calls wait as may (`executor_queue`)"
            )));
        }
        let _bytes = Counted::of(&executor.bytes, arguments.len());
        if executor.bytes.load(SeqCst) as u64 > rules.memory {
            return Err(CallError::Busy(format!(
                "`{name}` was not called: the arguments of all calls take more than `memory`"
            )));
        }
        let done = async {
            let free = turns.free.clone().acquire_owned().await;
            let free = free.map_err(|error| CallError::Other(error.to_string()))?;
            let runtime = workers.runtime();
            let runtime = runtime.map_err(|error| CallError::Other(error.to_string()))?;
            let core = self.clone();
            let (function, what) = (name.clone(), name.clone());
            let working = runtime.spawn(async move {
                let _free = free;
                core.call_here(function, arguments).await
            });
            let ended = AbortOnDropHandle::new(working).await;
            ended.map_err(|_| CallError::Other(format!("`{what}` was interrupted")))?
        };
        let ended = match rules.executor_deadline {
            Some(deadline) => timeout(deadline, done).await,
            None => Ok(done.await),
        };
        drop(call);
        ended.unwrap_or_else(|_| {
            let component = &*self.blueprint.file;
            tracing::warn!(
                target: "general", component,
                "the call of `{name}` was given up with its instance: `executor_deadline` is over"
            );
            Err(CallError::Timeout(format!(
                "`{name}` did not end within `executor_deadline`"
            )))
        })
    }

    /// Takes an instance or makes one, and keeps it if it is still usable.
    async fn call_here(
        self: &Arc<Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let idle = self.idle().pop();
        let mut live = match idle {
            Some((_, live)) => live,
            None => self.make_worker().await.map_err(|error| {
                let why = format!("`{name}` was not called: no instance could be made: {error}");
                CallError::Busy(why)
            })?,
        };
        let component = &*self.blueprint.file;
        match live.execute(&name, arguments).await {
            Ok(result) => {
                self.put_back(live);
                result.map_err(CallError::Failed)
            }
            Err(trap) => {
                self.traps.fetch_add(1, SeqCst);
                self.blueprint.meter.traps.count();
                tracing::error!(target: "app", component, "lost an instance in a call of `{name}`: {trap}");
                let first = trap.lines().next().unwrap_or_default();
                Err(CallError::Trapped(format!("`{name}` trapped: {first}")))
            }
        }
    }

    async fn make_worker(&self) -> Result<Instance, Error> {
        let Some(place) = self.blueprint.place(FOR_A_PLACE).await else {
            return Err(Error::component("as many instances live as may"));
        };
        let blueprint = &self.blueprint;
        let mut live = blueprint.instantiate(place, Purpose::Execute).await?;
        if self.description.lifecycle.start {
            blueprint.start_worker(&mut live).await?;
        }
        Ok(live)
    }

    /// Keeps an instance for the next call, for a while.
    fn put_back(self: &Arc<Self>, live: Instance) {
        self.idle().push((Instant::now(), live));
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            if let Some(core) = core.upgrade() {
                core.stop_idle(IDLE).await;
            }
        });
        if self.queue.is_closed() {
            self.let_workers_go();
        }
    }

    /// Stops the instances that were not called for this long.
    async fn stop_idle(&self, since: Duration) {
        let stale: Vec<_> = {
            let mut idle = self.idle();
            idle.extract_if(.., |(at, _)| at.elapsed() >= since)
                .collect()
        };
        for (_, live) in stale {
            self.stop(live).await;
        }
    }

    /// Stops all idle instances: the component serves no more.
    pub(super) fn let_workers_go(self: &Arc<Self>) {
        if self.idle().is_empty() {
            return;
        }
        let core = self.clone();
        if let Ok(runtime) = self.blueprint.engine.workers.runtime() {
            runtime.spawn(async move { core.stop_idle(Duration::ZERO).await });
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Instance)>> {
        let idle = &self.executor.idle;
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn functions(&self) -> &[String] {
        &self.description.functions
    }

    /// The message that there is no such function, with the names of those that exist.
    fn no_function(&self, name: &str) -> String {
        /// How much of it is shown, in bytes: the guest may have made it of any length.
        const SHOWN: usize = 200;
        let name = &name[..name.floor_char_boundary(SHOWN)];
        let known: Vec<_> = self
            .functions()
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        match known.is_empty() {
            true => format!("there is no function `{name}`: `export!` has no `functions`"),
            false => format!(
                "there is no function `{name}` among the `functions` of `export!`: {}",
                known.join(", ")
            ),
        }
    }
}
