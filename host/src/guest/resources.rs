//! The plain host types behind what guests hold: a request that is being answered (`exchange`), and the data of one
//! store. Owns state; runs no guest.

mod background;
mod body_memory;
mod commons;
mod exchange;
mod head;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use wasmtime::ResourceLimiter;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::base::metrics::{ComponentMeter, Counter, RouteMeter};
use crate::base::router::Router;
use crate::guest::bindings::Functions;
use crate::guest::run::RunClock;
use crate::services::http_client::Access;
use crate::services::kv::Cursors;
use crate::services::pubsub::Share;

pub use background::{Background, Loops, Room, Task, Tenure};
pub use body_memory::{BodyMemory, BodyShare};
pub use commons::Commons;
pub use exchange::{Answer, Cancel, Exchange, ShownId, Stage, host};
pub use head::{Head, fields, phrase};
pub use stream::{Begun, Piece, Stream, Wrong};

/// What a request may ask of the app it belongs to.
pub struct App {
    /// The payload of a route is its index in the generation's list of targets.
    pub router: Router<usize>,
    /// `[settings] app`, as JSON.
    pub settings: String,
    /// The generation's number.
    pub generation: u64,
    pub meters: Meters,
}

/// Who counts the requests of a generation.
pub struct Meters {
    /// By route.
    pub routes: Vec<Arc<RouteMeter>>,
    /// Of requests that no route takes.
    pub none: Arc<RouteMeter>,
    /// Requests that have met the routes.
    pub requests: Arc<Counter>,
}

impl Meters {
    /// Who counts for a route, or for none.
    pub fn of(&self, route: Option<usize>) -> &RouteMeter {
        let known = route.and_then(|route| self.routes.get(route));
        known.unwrap_or(&self.none)
    }
}

/// Where a route leads inside a component.
#[derive(Clone, Debug)]
pub struct Target {
    /// Index into the component's handlers.
    pub handler: u32,
    pub functions: Functions,
    /// A JSON object.
    pub kwargs: Arc<str>,
}

/// The requests inside one instance, by the numbers that its guest knows them by.
#[derive(Default)]
pub struct Requests(Mutex<FxHashMap<u64, Arc<Exchange>>>);

/// How long a request that was asked to end may take over it before its instance is given up.
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

    /// Whether one of them was asked to end so long ago that it won't. `asked` is when that was first seen.
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

    /// Whether anybody still waits for one of them.
    pub fn is_wanted(&self) -> bool {
        let requests = lock(&self.0);
        requests
            .values()
            .any(|exchange| !exchange.is_cancelled() && exchange.is_wanted())
    }
}

/// The request that each guest task was last started for. A number is given again when its task is gone.
pub type Tasks = FxHashMap<GuestTaskId, u64>;

/// The data of one store: one instance and the requests inside it.
pub struct Ctx {
    pub component: Arc<str>,
    pub wasi: WasiCtx,
    pub table: ResourceTable,
    pub memory: MemoryLimit,
    pub run: Arc<RunClock>,
    pub requests: Arc<Requests>,
    pub tasks: Tasks,
    /// The guest task behind the run that began last, and in which turn of the event loop.
    pub last_run: Option<(GuestTaskId, u64)>,
    pub body_memory: BodyMemory,
    pub commons: Arc<Commons>,
    /// What this instance has of it.
    pub share: Arc<Share>,
    /// The buckets that the component may use. `None`: all.
    pub buckets: Option<Arc<[String]>>,
    pub cursors: Cursors,
    /// What goes on beside the requests.
    pub background: Arc<Background>,
    /// The background task that each guest task was last started for, unless `tasks` knows better.
    pub jobs: FxHashMap<GuestTaskId, Box<str>>,
    pub http: Http,
    /// Who calls functions in other instances. `None`: this one has none called.
    pub executor: Option<Weak<dyn Offload>>,
}

/// Has functions called in instances that serve no requests.
pub trait Offload: Send + Sync {
    /// Calls one by its name. The error is for the author of the guest.
    fn execute(
        self: Arc<Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, String>>;
}

/// The `wasi:http` of one store.
pub struct Http {
    pub ctx: WasiHttpCtx,
    pub fetches: Fetches,
}

/// What a store may fetch, and who counts it.
pub struct Fetches {
    pub access: Arc<Access>,
    pub meter: Arc<ComponentMeter>,
}

impl Ctx {
    /// The request for which the guest is running, as far as that can be told, while it calls the host.
    pub fn running(&self) -> Option<Arc<Exchange>> {
        let (task, _) = self.last_run?;
        self.requests.get(*self.tasks.get(&task)?)
    }
}

/// The linear memory that one instance may have, all its memories together.
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

    /// The engine's pool has a limit on tables.
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// State is only ever replaced whole under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
