//! The plain host types behind what guests hold: a request that is being answered (`exchange`), and the data of one
//! store. Owns state; runs no guest.

mod account;
mod app;
mod background;
mod body_memory;
mod connection;
mod exchange;
mod forms;
mod head;
mod open_streams;
mod parts;
mod stream;
mod transit;
mod visitor;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use wasmtime::ResourceLimiter;
use wasmtime::component::{GuestTaskId, ResourceTable};

use crate::config::Guard;
use crate::guest::bindings::executor::CallError;
use crate::guest::description::Class;
use crate::guest::run::RunClock;
use crate::services::Services;
use crate::services::pubsub::Quota;

pub use account::Account;
pub use app::{App, AppView, Meters, Newest};
pub use background::{Background, Kind, Room, ServingWindow, Task};
pub use body_memory::{BodyMemory, BodyShare};
pub use connection::Connection;
pub use exchange::{Answer, Cancel, Exchange, ShownId, Stage, host};
pub use forms::Forms;
pub use head::{Head, fields, phrase};
pub use open_streams::{News, OpenStreams};
pub use parts::{Part, Parts};
pub use stream::{Piece, Stream, StreamedResponse, Wrong};
pub use transit::{InTransit, Transit};
pub use visitor::{Accepted, Homeless, PackedHead, Visitor};

/// Where a route leads inside a component.
#[derive(Debug)]
pub struct Target {
    /// Index into the component's handlers.
    pub handler: u32,
    pub class: Arc<Class>,
    /// A JSON object; absent where it is empty.
    pub kwargs: Option<Arc<str>>,
    /// The beginning of the path that the handler does not see.
    pub strip_prefix: Option<Arc<str>>,
    /// What its requests need before the guest is entered.
    pub guard: Guard,
}

/// The requests inside one instance, by the numbers that its guest uses for them.
#[derive(Default)]
pub struct Requests(Mutex<FxHashMap<u64, Arc<Exchange>>>);

/// How long a cancelled request may take to end before its instance is given up.
pub const LET_GO: Duration = Duration::from_secs(5);

impl Requests {
    pub fn get(&self, request: u64) -> Option<Arc<Exchange>> {
        lock(&self.0).get(&request).cloned()
    }

    pub fn insert(&self, request: u64, exchange: Arc<Exchange>) {
        lock(&self.0).insert(request, exchange);
    }

    pub fn remove(&self, request: u64) {
        lock(&self.0).remove(&request);
    }

    /// Takes all of them out.
    pub fn drain(&self) -> Vec<Arc<Exchange>> {
        lock(&self.0)
            .drain()
            .map(|(_, exchange)| exchange)
            .collect()
    }

    /// The streams of clients among them.
    pub fn connections(&self) -> Vec<Arc<Exchange>> {
        let requests = lock(&self.0);
        let streams = requests.values().filter(|one| one.connection().is_some());
        streams.cloned().collect()
    }

    /// Whether one of them was cancelled so long ago that it will not end by itself. `asked` is when that was first
    /// seen.
    pub fn hard_of_hearing(&self, asked: &mut Option<Instant>) -> bool {
        if !lock(&self.0)
            .values()
            .any(|exchange| exchange.is_cancelled())
        {
            *asked = None;
            return false;
        }
        asked.get_or_insert_with(Instant::now).elapsed() > LET_GO
    }

    /// Whether a client still waits for one of them.
    pub fn is_wanted(&self) -> bool {
        let requests = lock(&self.0);
        requests
            .values()
            .any(|exchange| !exchange.is_cancelled() && exchange.is_wanted())
    }
}

/// The request that each guest task was last started for. A task's number is used again when the task is gone.
pub type Tasks = FxHashMap<GuestTaskId, u64>;

/// The data of one store: one instance and the requests inside it.
pub struct Ctx {
    pub component: Arc<str>,
    pub table: ResourceTable,
    pub memory: MemoryLimit,
    pub account: Account,
    pub run: Arc<RunClock>,
    pub requests: Arc<Requests>,
    pub tasks: Tasks,
    /// The streams of clients in this instance.
    pub streams: Arc<OpenStreams>,
    /// The guest task that serves them.
    pub serving: Option<GuestTaskId>,
    /// The guest task of the run that began last, and the turn of the event loop when it began.
    pub last_run: Option<(GuestTaskId, u64)>,
    pub body_memory: BodyMemory,
    /// What the guest can ask of the app without a request.
    pub app: AppView,
    pub services: Arc<Services>,
    /// The quota of this instance for messages.
    pub quota: Arc<Quota>,
    /// The background tasks of this instance.
    pub background: Arc<Background>,
    /// The background task that each guest task was last started for. `tasks` comes first where both have an entry.
    pub jobs: FxHashMap<GuestTaskId, Box<str>>,
    /// What capabilities have in this store.
    pub parts: Parts,
    /// What calls functions in other instances. `None`: this instance may not call any.
    pub executor: Option<Weak<dyn Offload>>,
}

/// Calls functions in instances that serve no requests.
pub trait Offload: Send + Sync {
    /// Calls a function by its name.
    fn execute(
        self: Arc<Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, CallError>>;
}

impl Ctx {
    /// The request for which the guest is running while it calls the host, as far as that is known.
    pub fn running(&self) -> Option<Arc<Exchange>> {
        let (task, _) = self.last_run?;
        self.requests.get(*self.tasks.get(&task)?)
    }

    /// The guest handles this stream from now on, if it is what serves them that runs.
    pub fn turn_to_stream(&mut self, number: u64) {
        let running = self.last_run.map(|(task, _)| task);
        if let Some(task) = self.serving.filter(|task| Some(*task) == running) {
            self.tasks.insert(task, number);
        }
    }
}

/// The linear memory that one instance may have, in all its memories together.
pub struct MemoryLimit {
    left: usize,
}

impl MemoryLimit {
    pub fn new(bytes: u64) -> Self {
        Self {
            left: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let left = self.left.checked_sub(desired.saturating_sub(current));
        self.left = left.unwrap_or(self.left);
        Ok(left.is_some())
    }

    /// The engine's pool limits tables.
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// Under these locks state is only ever replaced whole, so the state of a poisoned lock is valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
