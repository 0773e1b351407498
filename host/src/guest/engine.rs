//! Owns the compiler's process, the cache of its code, the linker and the ticking of epochs: it makes something to
//! instantiate from bytes. Knows no app and no request.

mod binary;
mod cache;
mod compiler;
mod config;
mod guest;
mod image;
mod imports;

use std::path::{Path, PathBuf};
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
use compiler::Compiler;
use config::start;

pub use binary::Binary;
pub use cache::Cache;
pub use compiler::{CompileLimits, compile_for_parent};
pub use config::{Limits, max_instances};
pub use guest::{Exports, Function, Guest, Handler, Reaction, Step, WebSocket};

/// A component that can be instantiated.
pub struct Linked {
    pub pre: InstancePre<Ctx>,
    pub exports: Exports,
}

/// Everything that all components share.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: Linker<Ctx>,
    compiler: Compiler,
    cache: Option<Cache>,
    /// One permit for each live instance.
    pub instances: Arc<Semaphore>,
    /// One permit for each core. A component that is loaded takes much memory, and more threads would not make it faster.
    pub loads: Arc<Semaphore>,
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
            compiler: Compiler::new(limits.debug_info)
                .map_err(|error| Error::host("this program can't be found", error))?,
            cache: cache.and_then(|folder| Cache::open(folder, &wasmtime)),
            instances: Arc::new(Semaphore::new(limits.max_instances as usize)),
            loads: Arc::new(Semaphore::new(shards::cores())),
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

    /// The folder of the cache, for what else is kept there. `None`: there is none that can be trusted.
    pub fn cache_folder(&self) -> Option<&Path> {
        Some(self.cache.as_ref()?.folder())
    }

    /// Compiles a component, or takes it from the cache. Logs with the component's name that it is compiled.
    pub async fn compile(
        self: &Arc<Self>,
        name: &str,
        binary: &Arc<Binary>,
        limits: CompileLimits,
    ) -> Result<Component, Error> {
        let known = self.aside(binary, |engine, binary| Ok(engine.cached(binary)));
        if let Some(component) = known.await? {
            return Ok(component);
        }
        let size = binary.component()?.len() / 1024;
        tracing::info!(target: "general", "compiling {name} ({size} KB) …");
        let code = self.compiler.compile(binary, limits).await?;
        self.aside(binary, move |engine, binary| engine.keep(binary, &code))
            .await
    }

    /// Does what takes long on a thread that does not serve.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        binary: &Arc<Binary>,
        work: impl FnOnce(&Self, &Binary) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (engine, binary) = (self.clone(), binary.clone());
        let done = tokio::task::spawn_blocking(move || {
            shards::give_way();
            work(&engine, &binary)
        });
        done.await
            .map_err(|error| Error::host("loading was interrupted", error))?
    }

    fn cached(&self, binary: &Binary) -> Option<Component> {
        self.cache.as_ref()?.get(binary, &self.wasmtime)
    }

    /// Takes what the compiler has made of a component, and keeps it.
    #[allow(unsafe_code, reason = "compiled code can be loaded in no other way")]
    fn keep(&self, binary: &Binary, code: &[u8]) -> Result<Component, Error> {
        // SAFETY: the code comes through a pipe from the compiler, which is this very program.
        let component = unsafe { image::load(&self.wasmtime, code) };
        let component =
            component.map_err(|error| Error::host("compiled code can't be loaded", error))?;
        if let Some(cache) = &self.cache {
            cache.put(binary, code);
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
