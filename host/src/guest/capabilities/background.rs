//! `waterspout:background/background`: a guest registers its tasks. `instances` runs them.

use wasmtime::component::{Accessor, HasSelf};

use crate::guest::bindings::background::{Host, HostWithStore, RegisterError};
use crate::guest::resources::{Ctx, Kind};

impl Host for Ctx {
    fn spawn(&mut self, task: u64, name: String) -> wasmtime::Result<Result<(), RegisterError>> {
        Ok(self.background.register(task, name, Kind::Spawned))
    }

    fn spawn_loop(
        &mut self,
        task: u64,
        name: String,
    ) -> wasmtime::Result<Result<(), RegisterError>> {
        Ok(self.background.register(task, name, Kind::Loop))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn draining(accessor: &Accessor<Ctx, Self>) -> wasmtime::Result<()> {
        let background = accessor.with(|mut access| access.get().background.clone());
        background.drained().await;
        Ok(())
    }
}
