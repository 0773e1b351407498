//! What guests may call, one file per WIT interface. Owns the answers to guests; trusts no argument of theirs.

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

/// Ends the run of a guest that has gone on for a tick. Awaited where an answer is there without a wait: who asks again
/// and again, and awaits each answer, holds up nobody of his instance. What changes something is done before that, and
/// so in the order in which it was asked for.
async fn give_way(accessor: &Accessor<Ctx, HasSelf<Ctx>>) {
    if accessor.with(|mut access| access.get().run.is_old()) {
        tokio::task::yield_now().await;
    }
}
