//! The threads that compute for those that serve, one for each core, begun when they are first wanted. Knows nothing of
//! what runs there.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

use crate::base::shards;

/// Threads of their own for what takes long.
pub struct Workers {
    runtime: OnceLock<Option<Runtime>>,
    /// One permit for each thread: what has none waits.
    pub free: Arc<Semaphore>,
}

impl Workers {
    /// How many may work at once.
    pub fn count(&self) -> usize {
        shards::cores()
    }

    /// Where they work.
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

/// Without waiting for what still runs: whoever lets go of them may be a task itself.
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
