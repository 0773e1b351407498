//! Threads for long computations, one for each core, started when they are first needed. Does not know what runs
//! there.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::base::shards;

/// Threads for long computations.
#[derive(Default)]
pub struct Workers {
    runtime: OnceLock<Option<Runtime>>,
}

impl Workers {
    /// The runtime of the threads.
    pub fn runtime(&self) -> io::Result<&Handle> {
        let runtime = self.runtime.get_or_init(|| start().ok());
        runtime
            .as_ref()
            .map(Runtime::handle)
            .ok_or_else(|| io::Error::other("the threads of the executor can't start"))
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
        .on_thread_start(shards::step_back)
        .enable_all()
        .build()
}
