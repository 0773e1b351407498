//! Pools of instances, one for each component, in three isolations: which request gets which instance, and when an
//! instance is replaced. Decides nothing about HTTP. How a request runs in its guest is a function that the pool was
//! given.

mod asleep;
mod attend;
mod background;
mod birth;
mod call_context;
mod death;
mod executor;
mod handover;
mod hooks;
mod instance;
mod queue;
mod rules;
mod slot;
mod sockets;
mod state;
mod streams;
mod succession;
mod task_set;
mod worker;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::base::error::Error;
use crate::base::metrics::{ComponentMeter, StreamPermit};
use crate::base::shards;
use crate::guest::capabilities::MakePart;
use crate::guest::description::Description;
use crate::guest::engine::{Engine, Linked};
use crate::guest::resources::{AppView, Exchange, ServingWindow};
use crate::services::Services;
use crate::services::sockets::{Family, Handle, Home, SocketLimits, TooMany};

pub use crate::config::Isolation;
use birth::Purpose;
pub use call_context::CallContext;
use executor::Executor;
use handover::Handover;
use instance::Instance;
use queue::Queue;
pub use rules::Rules;
use rules::single;
use slot::Slot;
pub use sockets::SocketEnd;
pub use succession::Succession;

/// How the function that runs a request in its guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeEnd {
    /// Nothing of the request is left in the guest.
    Over,
    /// The request was a handshake, and its object stays for the socket.
    Stays,
    /// The guest was asked to end the request and did not: the instance must be replaced.
    Deaf,
}

/// Runs one request in its guest, and gives its answer. The guest knows the request by the number.
pub type Life =
    for<'a> fn(&'a CallContext<'a>, u64, Arc<Exchange>) -> BoxFuture<'a, wasmtime::Result<LifeEnd>>;

/// Runs what waits for one socket in its guest.
pub type Reactions = for<'a> fn(
    &'a CallContext<'a>,
    u64,
    Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<SocketEnd>>;

/// Serves the streams of clients in a guest until there are none left.
pub type Serving = for<'a> fn(&'a CallContext<'a>) -> BoxFuture<'a, wasmtime::Result<LifeEnd>>;

/// What runs in a guest.
#[derive(Clone, Copy)]
pub struct Lives {
    pub request: Life,
    pub socket: Reactions,
    pub streams: Serving,
}

/// A component that was compiled and fits the WIT, with what an instance of it needs.
pub struct Blueprint {
    pub file: Arc<str>,
    pub linked: Arc<Linked>,
    pub rules: Rules,
    pub engine: Arc<Engine>,
    pub services: Arc<Services>,
    /// What makes the data of capabilities for a store.
    pub parts: Vec<MakePart>,
    pub meter: Arc<ComponentMeter>,
    /// From when to when its instances serve.
    pub window: Arc<ServingWindow>,
    pub app: AppView,
    /// The component's sockets, in all its versions.
    pub family: Arc<Family>,
    pub succession: Arc<dyn Succession>,
}

/// The instances of one component, and the requests that wait for them.
///
/// When its last owner drops it, accepted requests are finished, and every instance is stopped and freed.
pub struct Pool {
    core: Arc<PoolInner>,
}

/// What the owner and the workers share.
pub struct PoolInner {
    blueprint: Blueprint,
    description: Description,
    lives: Lives,
    queue: Queue,
    executor: Executor,
    /// Requests that are accepted and not yet over.
    admitted: AtomicUsize,
    /// Tasks that serve the queue.
    workers: AtomicUsize,
    instances: AtomicUsize,
    traps: AtomicU64,
    /// The instances, as sockets see them.
    homes: Mutex<Vec<Weak<Home>>>,
    /// Sockets that this pool takes over now.
    resuming: AtomicUsize,
    /// Its sockets go to another pool.
    is_handed_over: AtomicBool,
    handover: Handover,
}

impl Blueprint {
    /// The component's description. The instance that gives it is not started.
    pub async fn description(&self) -> Result<Description, Error> {
        let (_, description) = self.first().await?;
        Ok(description)
    }

    /// Starts one instance, and drops it: for a `start` that does all there is to do.
    pub async fn run_start(&self) -> Result<(), Error> {
        let (mut first, _) = self.first().await?;
        self.start(&mut first).await
    }

    /// A first instance, checked, and its component's description.
    async fn first(&self) -> Result<(Instance, Description), Error> {
        let patience = self.rules.deadline.unwrap_or(Duration::MAX);
        let Some(place) = self.place(patience).await else {
            return Err(Error::component(
                "finds no place: as many instances live as may",
            ));
        };
        shards::give_way();
        let mut first = self.instantiate(place, Purpose::Serve).await?;
        shards::give_way();
        first.check()?;
        let description = self.describe(&mut first).await?;
        Ok((first, description))
    }
}

impl Pool {
    /// Instantiates the component once, asks for its description, and opens the pool. `before`: the version that serves.
    pub async fn open(
        blueprint: Blueprint,
        lives: Lives,
        before: Option<Arc<PoolInner>>,
    ) -> Result<Self, Error> {
        let (mut first, description) = blueprint.first().await?;
        let mut blueprint = blueprint;
        if description.lifecycle.single {
            blueprint.rules = single(blueprint.rules)?;
        } else if blueprint.linked.exports.has_state() {
            return Err(Error::component(
                "hands its state over and does not declare itself `single`: which of its instances has the state?",
            ));
        }
        if description.lifecycle.start {
            blueprint.start(&mut first).await?;
        }
        let inherits = blueprint.try_state(&mut first, before.as_ref()).await?;
        let shards = &blueprint.engine.shards;
        let queue = Queue::new(blueprint.rules.workers(), shards.next(), shards.count());
        let core = Arc::new(PoolInner {
            blueprint,
            description,
            lives,
            queue,
            executor: Executor::default(),
            admitted: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            instances: AtomicUsize::new(0),
            traps: AtomicU64::new(0),
            homes: Mutex::default(),
            resuming: AtomicUsize::new(0),
            is_handed_over: AtomicBool::new(false),
            handover: Handover::default(),
        });
        if inherits {
            core.handover.expect();
        }
        core.add_worker(0, Some(first));
        if core.is_shared() {
            let shard_queues = core.queue.shard_queues();
            (1..core.rules().instances)
                .for_each(|number| core.add_worker(number % shard_queues, None));
        }
        Ok(Self { core })
    }

    /// The component's description.
    pub fn description(&self) -> &Description {
        &self.core.description
    }

    /// Whether its `start` has read settings that differ from these.
    pub fn started_with_other_settings(&self, settings: &str) -> bool {
        let app = &self.core.blueprint.app;
        app.start_has_asked.load(Relaxed) && *app.loaded != *settings
    }

    /// From when to when it serves.
    pub fn window(&self) -> &Arc<ServingWindow> {
        self.core.window()
    }

    /// The component itself.
    pub fn component(&self) -> &wasmtime::component::Component {
        self.core.blueprint.linked.pre.component()
    }

    /// A socket for a handshake, unless there are as many as may be.
    pub fn begin_socket(&self, max_message: usize) -> Result<Handle, TooMany> {
        let blueprint = &self.core.blueprint;
        let (file, family) = (&blueprint.file, &blueprint.family);
        let limits = SocketLimits {
            max_message,
            ..blueprint.rules.sockets
        };
        blueprint.services.sockets.begin(file, family, limits)
    }

    /// The right of a client's stream to be there, unless there are as many as may be.
    pub fn begin_stream(&self) -> Option<StreamPermit> {
        let core = &self.core;
        StreamPermit::take(&core.blueprint.meter, core.rules().max_streams)
    }

    /// What is counted of the component.
    pub fn meter(&self) -> &Arc<ComponentMeter> {
        &self.core.blueprint.meter
    }

    /// Lets its sockets, and its state, go to the pool that serves in its place from now on.
    pub fn hand_over(&self, heir: Option<&Self>) {
        self.core.hand_over(heir.map(|heir| &heir.core));
    }

    /// Accepts a request, unless the queue is full.
    pub fn submit(&self, exchange: Arc<Exchange>) -> Result<(), QueueFull> {
        let core = &self.core;
        // Streams have a limit of their own.
        let is_request = exchange.connection().is_none();
        if is_request && core.admitted.fetch_add(1, SeqCst) >= core.rules().room() {
            core.admitted.fetch_sub(1, SeqCst);
            core.blueprint.meter.overloads.count();
            return Err(QueueFull);
        }
        match core.queue.push(core.shard_queue_of(&exchange), exchange) {
            Ok(called) => {
                if !called {
                    core.add_worker_if_needed();
                }
                Ok(())
            }
            // Never happens: the queue is open as long as this pool.
            Err(_) => {
                if is_request {
                    core.over();
                }
                Err(QueueFull)
            }
        }
    }

    /// Removes a request that nobody wants any more from the queue, if it still waits. Its place is free immediately.
    pub fn leave(&self, exchange: &Exchange) {
        let core = &self.core;
        let most = core.rules().max_queue;
        if core
            .queue
            .leave(core.shard_queue_of(exchange), exchange, most)
            && exchange.connection().is_none()
        {
            core.over();
        }
    }

    /// For reports on the pool, also after the pool is dropped.
    pub fn core(&self) -> &Arc<PoolInner> {
        &self.core
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.core.window().end(None);
        // Where it never served, nothing comes.
        self.core.handover.bequeath(None);
        self.core.queue.close();
        self.core.let_workers_go();
    }
}

/// The queue is full.
#[derive(Debug)]
pub struct QueueFull;

/// The numbers of a pool at one moment.
#[derive(Clone, Copy, Debug)]
pub struct PoolStats {
    pub instances: usize,
    pub requests: u64,
    pub in_flight: usize,
    pub traps: u64,
    /// Sockets of all versions of the component.
    pub sockets: usize,
    /// Streams of clients, the same.
    pub streams: usize,
}

impl PoolInner {
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            instances: self.instances.load(SeqCst),
            requests: self.queue.accepted(),
            in_flight: self.admitted.load(SeqCst),
            traps: self.traps.load(SeqCst),
            sockets: self.blueprint.family.open(),
            streams: self.blueprint.meter.streams.open(),
        }
    }

    /// From when to when it serves.
    pub fn window(&self) -> &Arc<ServingWindow> {
        &self.blueprint.window
    }

    fn rules(&self) -> &Rules {
        &self.blueprint.rules
    }

    /// Whether an idle worker gives up its instance after a while.
    fn workers_leave(&self) -> bool {
        !self.is_shared() && !self.description.lifecycle.single
    }

    /// Puts a request back into the queue.
    fn requeue(self: &Arc<Self>, exchange: Arc<Exchange>) -> Result<(), Arc<Exchange>> {
        exchange.wait_again();
        match self.queue.push(self.shard_queue_of(&exchange), exchange) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.add_worker_if_needed();
                Ok(())
            }
            // One that left in the meantime is not counted any more.
            Err(exchange) if exchange.enter() => Err(exchange),
            Err(_) => Ok(()),
        }
    }

    /// The index of the shard queue for the client's shard.
    fn shard_queue_of(&self, exchange: &Exchange) -> usize {
        self.queue.shard_queue_of(exchange.shard)
    }

    /// Counts a request out.
    fn over(&self) {
        self.admitted.fetch_sub(1, SeqCst);
    }

    /// Adds an instance in place of one that takes no more requests but still has some.
    fn replace(self: &Arc<Self>, slot: &Slot) {
        if self.is_shared() {
            self.add_worker(slot.shard_queue, None);
        }
    }

    /// Adds workers for exclusive and fresh instances, which are made when requests come.
    fn add_worker_if_needed(self: &Arc<Self>) {
        if self.is_shared() {
            return;
        }
        let most = self.rules().max_concurrent;
        let one_more = |workers| (workers < most).then_some(workers + 1);
        while let Some(shard_queue) = self.queue.shard_queue_in_need() {
            if self.workers.fetch_update(SeqCst, SeqCst, one_more).is_err() {
                return;
            }
            self.begin_worker(shard_queue, None);
        }
    }

    fn is_shared(&self) -> bool {
        self.rules().isolation == Isolation::Shared
    }

    fn add_worker(self: &Arc<Self>, shard_queue: usize, live: Option<Instance>) {
        self.workers.fetch_add(1, SeqCst);
        self.begin_worker(shard_queue, live);
    }

    /// Begins a worker that is counted already, on the shard of its queue.
    fn begin_worker(self: &Arc<Self>, shard_queue: usize, live: Option<Instance>) {
        let core = self.clone();
        let slot = self.queue.new_slot(shard_queue);
        let shards = &self.blueprint.engine.shards;
        let shard = shards.runtime(self.queue.shard_of(shard_queue));
        shard.spawn(async move {
            let worker = std::panic::AssertUnwindSafe(core.clone().worker(slot.clone(), live));
            let mut worker = pin!(worker.catch_unwind());
            let attentive = poll_fn(|cx| {
                let polled = worker.as_mut().poll(cx);
                if polled.is_pending() && slot.is_busy() && core.queue.has_work(&slot) {
                    core.pass_on(&slot);
                }
                polled
            });
            if attentive.await.is_err() {
                // A fault of the host must not cost the component this place for good.
                let component = &*core.blueprint.file;
                tracing::error!(target: "general", component, "an instance was lost to a fault of the host");
                core.workers.fetch_sub(1, SeqCst);
                core.replace(&slot);
                core.pass_on(&slot);
            }
        });
    }

    /// Calls another worker in place of this one, which has no time.
    fn pass_on(self: &Arc<Self>, slot: &Slot) {
        if !self.queue.pass_on(slot) {
            self.add_worker_if_needed();
        }
    }
}

/// Counts one more, as long as it exists.
struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    fn one(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, SeqCst);
        Self(counter)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
