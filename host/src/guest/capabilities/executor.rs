//! `waterspout:background/executor`: a call in another instance of the component. `instances` decides in which one,
//! and where.

use wasmtime::component::{Accessor, HasSelf};

use super::capability::Capability;
use crate::guest::bindings::executor::{self, CallError, Host, HostWithStore};
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| executor::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn call(
        accessor: &Accessor<Ctx, Self>,
        name: String,
        arguments: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, CallError>> {
        let executor = accessor.with(|mut access| access.get().executor.clone());
        let executor = executor.and_then(|executor| executor.upgrade());
        Ok(match executor {
            Some(executor) => executor.execute(name, arguments).await,
            None => Err(CallError::Unavailable(format!(
                "`{name}` can't be called from here: only an instance that serves requests can call others"
            ))),
        })
    }
}
