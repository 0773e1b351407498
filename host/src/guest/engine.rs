//! Owns the compiler, its cache, the linker and the ticking of epochs: it makes something to instantiate from bytes.
//! Knows no app and no request.

mod binary;
mod cache;
mod code_cache;
mod guest;
mod imports;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use crate::base::error::Error;
use crate::base::metrics::Metrics;
use crate::base::shards::{self, Shards};
use crate::guest::capabilities;
use crate::guest::resources::{Ctx, Loops, SharedState};
use crate::guest::run::{TICK, Ticker};
use crate::guest::workers::Workers;
use crate::services::http_client::HttpClients;
use code_cache::CodeCache;

pub use binary::Binary;
pub use cache::Cache;
pub use guest::{Exports, Function, Guest, Handler, Step};
pub use imports::Import;

/// The settings of the engine. None of them can change later.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest memory that one instance may be allowed, in bytes.
    pub max_instance_memory: u64,
    /// The largest number of live instances.
    pub max_instances: u32,
}

/// A component that can be instantiated.
pub struct Linked {
    pub pre: InstancePre<Ctx>,
    pub exports: Exports,
}

/// Everything that all components share.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: Linker<Ctx>,
    cache: Option<Cache>,
    /// One permit for each live instance.
    pub instances: Arc<Semaphore>,
    /// One permit for each core. Compiling takes much memory, and more threads would not make it faster.
    pub compilers: Arc<Semaphore>,
    pub ticker: Arc<Ticker>,
    /// The threads where instances run.
    pub shards: Arc<Shards>,
    /// The threads for functions that take long.
    pub workers: Workers,
    /// The locks of loops.
    pub loops: Loops,
    pub limits: Limits,
    pub metrics: Metrics,
    /// Messages and state, shared by all instances.
    pub shared: Arc<SharedState>,
    /// The clients that send the requests of guests.
    pub http: Arc<HttpClients>,
}

impl Engine {
    /// Starts the engine and the thread that ticks for it. The thread ends with the engine.
    pub fn new(
        limits: Limits,
        cache: Option<PathBuf>,
        shards: Arc<Shards>,
        shared: Arc<SharedState>,
    ) -> Result<Arc<Self>, Error> {
        let (wasmtime, limits) = start(limits)?;
        let mut linker = Linker::new(&wasmtime);
        capabilities::link(&mut linker)
            .map_err(|error| Error::host("the host's interfaces can't be linked", error))?;
        let engine = Arc::new(Self {
            metrics: Metrics::default(),
            http: HttpClients::new(shards.count()),
            cache: cache.and_then(|folder| Cache::open(folder, &wasmtime)),
            instances: Arc::new(Semaphore::new(limits.max_instances as usize)),
            compilers: Arc::new(Semaphore::new(shards::cores())),
            ticker: Arc::default(),
            workers: Workers::default(),
            loops: Loops::default(),
            wasmtime,
            linker,
            shards,
            limits,
            shared,
        });
        let ticking = Arc::downgrade(&engine);
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || tick(&ticking))
            .map_err(|error| Error::host("the epoch thread can't start", error))?;
        Ok(engine)
    }

    /// The engine itself, for making stores.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// Compiles a component, or takes it from the cache. It takes long, so it is not for a thread that serves. Logs
    /// the time with the component's name.
    pub fn compile(&self, name: &str, binary: &Binary) -> Result<Component, Error> {
        let bytes = binary.component()?;
        let cached = self.cache.as_ref();
        if let Some(component) = cached.and_then(|cache| cache.get(binary, &self.wasmtime)) {
            return Ok(component);
        }
        tracing::info!(target: "general", "compiling {name} ({} KB) …", bytes.len() / 1024);
        let component = Component::from_binary(&self.wasmtime, bytes)
            .map_err(|error| Error::component(format!("not a valid component: {error:#}")))?;
        if let Some(cache) = cached {
            cache.put(binary, &component);
        }
        Ok(component)
    }

    /// Checks imports against the WIT, so that they can't fail an instantiation, and checks that every export is
    /// there.
    pub fn link(&self, component: &Component) -> Result<Linked, Error> {
        let pre = self.linker.instantiate_pre(component).map_err(|error| {
            Error::component(format!("imports what Waterspout does not offer: {error:#}"))
        })?;
        let exports = exports(component)?;
        Ok(Linked { pre, exports })
    }
}

/// Where a component has its functions. An error if it has none that can be called here.
pub fn exports(component: &Component) -> Result<Exports, Error> {
    Exports::of(component)
        .map_err(|error| Error::component(format!("not a component for Waterspout: {error:#}")))
}

/// The largest number of live instances within the kernel's limit on memory mappings. A process that runs out of
/// mappings dies.
pub fn max_instances() -> u32 {
    /// A pooled instance's memory and tables take about six.
    const PER_INSTANCE: u64 = 6;
    /// A stack and its guard, which are mapped from the start.
    const PER_STACK: u64 = 2;
    /// Kept back for the allocator, threads and compiled code.
    const KEPT_BACK: u64 = 8_000;
    /// Linux's default, for systems that do not tell.
    const DEFAULT_MAPPINGS: u64 = 65_530;
    const MOST: u64 = 6_500;
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(DEFAULT_MAPPINGS);
    // In quarters of an instance, because it has five quarters of a stack.
    let room =
        mappings.min(1 << 32).saturating_sub(KEPT_BACK) * 4 / (PER_INSTANCE * 4 + PER_STACK * 5);
    u32::try_from(room.clamp(64, MOST)).unwrap_or(64)
}

/// The number of stacks for this number of instances: one each, and more for those whose calls block.
fn stacks(instances: u32) -> u32 {
    instances + instances / 4
}

fn config(limits: &Limits, code_cache: Arc<CodeCache>) -> wasmtime::Result<Config> {
    let slots = limits.max_instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        // A count takes no memory: components of linked modules have dozens.
        .total_core_instances(slots.saturating_mul(64))
        .total_memories(slots)
        .total_tables(slots * 3)
        .total_stacks(stacks(slots))
        .max_memory_size(usize::try_from(limits.max_instance_memory).unwrap_or(usize::MAX))
        .pagemap_scan(Enabled::Auto)
        // Memory that a guest wrote stays mapped up to here and is zeroed by hand, which is cheaper than page faults.
        .linear_memory_keep_resident(256 * 1024)
        .table_keep_resident(64 * 1024);
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .memory_init_cow(true)
        .enable_incremental_compilation(code_cache)?;
    Ok(config)
}

/// Starts wasmtime with as many instances as there is address space for. Some systems grant less than Linux does.
fn start(mut limits: Limits) -> Result<(wasmtime::Engine, Limits), Error> {
    const FEWEST: u32 = 8;
    loop {
        let config = config(&limits, Arc::default());
        match config.and_then(|config| wasmtime::Engine::new(&config)) {
            Ok(engine) => return Ok((engine, limits)),
            Err(_) if limits.max_instances > FEWEST => limits.max_instances /= 2,
            Err(error) => return Err(Error::host("the WebAssembly engine can't start", error)),
        }
    }
}

/// Advances the epoch as long as the engine exists.
fn tick(engine: &Weak<Engine>) {
    loop {
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.ticker.advance();
        engine.wasmtime.increment_epoch();
    }
}
