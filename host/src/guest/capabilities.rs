//! What guests may call, one file per WIT interface. Owns the answers to guests; trusts none of their arguments.

mod application;
mod background;
mod executor;
mod http_client;
mod kv;
mod logging;
mod pubsub;
mod request;
mod request_body;
mod response;
mod settings;
mod types;
mod values;
pub mod wasi;

use wasmtime::component::{Accessor, HasSelf, Linker};

use crate::guest::bindings::Everything;
use crate::guest::resources::Ctx;

/// Puts every interface that a component may import into the linker.
pub fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    http_client::link(linker)?;
    Everything::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

/// Ends the run of a guest that has lasted for a tick. Calls that can answer without a wait await this, so that a
/// guest that calls again and again does not block the other requests of its instance. Changes are made before that,
/// so they happen in the order of the calls.
async fn give_way(accessor: &Accessor<Ctx, HasSelf<Ctx>>) {
    if accessor.with(|mut access| access.get().run.is_old()) {
        tokio::task::yield_now().await;
    }
}
