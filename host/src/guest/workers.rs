//! Threads for long computations, one for each core, started when they are first needed. Does not know what runs
//! there.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

use crate::base::shards;

/// Threads for long computations.
pub struct Workers {
    runtime: OnceLock<Option<Runtime>>,
    /// One permit for each thread. A computation without a permit waits.
    pub free: Arc<Semaphore>,
}

impl Workers {
    /// The number of threads.
    pub fn count(&self) -> usize {
        shards::cores()
    }

    /// The runtime of the threads.
    pub fn runtime(&self) -> io::Result<&Handle> {
        let runtime = self.runtime.get_or_init(|| start().ok());
        runtime
            .as_ref()
            .map(Runtime::handle)
            .ok_or_else(|| io::Error::other("the threads of the executor can't start"))
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            runtime: OnceLock::new(),
            free: Arc::new(Semaphore::new(shards::cores())),
        }
    }
}

/// Does not wait for computations that still run: the drop may happen inside one of them.
impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(shards::cores())
        .thread_name("executor")
        .enable_all()
        .build()
}
