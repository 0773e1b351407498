//! `waterspout:web/background`: what a guest says of its tasks. They are run by `instances`.

use wasmtime::component::{Accessor, HasSelf};

use crate::guest::bindings::background::{Host, HostWithStore, Kind};
use crate::guest::resources::Ctx;

impl Host for Ctx {
    fn register(
        &mut self,
        task: u64,
        name: String,
        kind: Kind,
    ) -> wasmtime::Result<Result<(), String>> {
        Ok(self.background.register(task, name, kind))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn draining(accessor: &Accessor<Ctx, Self>) -> wasmtime::Result<()> {
        let background = accessor.with(|mut access| access.get().background.clone());
        background.drained().await;
        Ok(())
    }
}
