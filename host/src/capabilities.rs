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
mod types;
pub mod wasi;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::WebWithJobs;
use crate::resources::Ctx;

/// Puts every interface that a component may import into the linker.
pub fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    http_client::link(linker)?;
    WebWithJobs::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}
