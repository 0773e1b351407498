//! Owns the compiler, its cache, the linker and the ticking of epochs: it makes something to instantiate from bytes.
//! Knows no app and no request.

mod binary;
mod cache;
mod code_cache;
mod config;
mod guest;
mod imports;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::base::error::Error;
use crate::base::shards::{self, Shards};
use crate::guest::capabilities;
use crate::guest::resources::Ctx;
use crate::guest::run::{TICK, Ticker};
use crate::guest::stack;
use crate::guest::workers::Workers;
use binary::check_functions;
use config::start;

pub use binary::Binary;
pub use cache::Cache;
pub use config::{Limits, max_instances};
pub use guest::{Exports, Function, Guest, Handler, Step};

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
    pub limits: Limits,
}

impl Engine {
    /// Starts the engine and the thread that ticks for it. The thread ends with the engine.
    pub fn new(
        limits: Limits,
        cache: Option<PathBuf>,
        shards: Arc<Shards>,
    ) -> Result<Arc<Self>, Error> {
        let (wasmtime, limits) = start(limits)?;
        let mut linker = Linker::new(&wasmtime);
        capabilities::link(&mut linker)
            .map_err(|error| Error::host("the host's interfaces can't be linked", error))?;
        let engine = Arc::new(Self {
            cache: cache.and_then(|folder| Cache::open(folder, &wasmtime)),
            instances: Arc::new(Semaphore::new(limits.max_instances as usize)),
            compilers: Arc::new(Semaphore::new(shards::cores())),
            ticker: Arc::default(),
            workers: Workers::default(),
            wasmtime,
            linker,
            shards,
            limits,
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
        check_functions(bytes)?;
        tracing::info!(target: "general", "compiling {name} ({} KB) …", bytes.len() / 1024);
        let component = Component::from_binary(&self.wasmtime, bytes).map_err(|error| {
            Error::component(format!("not a valid component: {}", stack::message(&error)))
        })?;
        if let Some(cache) = cached {
            cache.put(binary, &component);
        }
        Ok(component)
    }

    /// Checks imports against the WIT, so that they can't fail an instantiation, and checks that every export is
    /// there.
    pub fn link(&self, component: &Component) -> Result<Linked, Error> {
        let pre = self.linker.instantiate_pre(component).map_err(|error| {
            let why = stack::message(&error);
            Error::component(format!("imports what Waterspout does not offer: {why}"))
        })?;
        let exports = exports(component)?;
        Ok(Linked { pre, exports })
    }
}

/// Where a component has its functions. An error if it has none that can be called here.
pub fn exports(component: &Component) -> Result<Exports, Error> {
    Exports::of(component).map_err(|error| {
        let why = stack::message(&error);
        Error::component(format!("not a component for Waterspout: {why}"))
    })
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
