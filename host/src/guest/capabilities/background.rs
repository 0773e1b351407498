//! `waterspout:background/background`: a guest registers its tasks. `instances` runs them.

use wasmtime::component::{Accessor, HasSelf};

use super::capability::Capability;
use crate::guest::bindings::background::{self, Host, HostWithStore, RegisterError};
use crate::guest::resources::{Ctx, Kind};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| background::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

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
