//! What guests may call, one file per capability: its interfaces, its data in a store, its grants. Owns the answers to
//! guests; trusts none of their arguments.

mod application;
mod background;
mod capability;
mod executor;
mod http_client;
mod iostream;
mod kv;
mod logging;
mod protection;
mod pubsub;
mod request;
mod request_body;
mod response;
mod settings;
mod signing;
mod sockets;
mod static_files;
mod streams;
mod tcpclient;
mod types;
mod values;
pub mod wasi;
mod websocket_client;

use std::sync::Arc;

use wasmtime::component::{Accessor, HasSelf, Linker};

use crate::config::GrantKey;
use crate::guest::resources::{Ctx, Part};
use crate::guest::run::RunClock;

pub use capability::{Capability, Grant, MakePart, Setup};

/// All capabilities. The data of the first ones is found first.
static ALL: [Capability; 22] = [
    wasi::CAPABILITY,
    http_client::CAPABILITY,
    kv::CAPABILITY,
    application::CAPABILITY,
    background::CAPABILITY,
    executor::CAPABILITY,
    iostream::CAPABILITY,
    logging::CAPABILITY,
    protection::CAPABILITY,
    pubsub::CAPABILITY,
    request::CAPABILITY,
    request_body::CAPABILITY,
    response::CAPABILITY,
    settings::CAPABILITY,
    signing::CAPABILITY,
    sockets::CAPABILITY,
    static_files::CAPABILITY,
    streams::CAPABILITY,
    tcpclient::CAPABILITY,
    types::CAPABILITY,
    values::CAPABILITY,
    websocket_client::CAPABILITY,
];

/// Puts every interface that a component may import into the linker.
pub fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    ALL.iter()
        .try_for_each(|capability| (capability.link)(linker))
}

/// What makes the data of all capabilities for the stores of one component.
pub fn prepare(setup: &Setup<'_>) -> Vec<MakePart> {
    let prepare = ALL.iter().filter_map(|capability| capability.prepare);
    prepare.map(|prepare| prepare(setup)).collect()
}

/// The data of all capabilities for one store.
pub fn parts(make: &[MakePart], run: &Arc<RunClock>) -> wasmtime::Result<Box<[Part]>> {
    make.iter().map(|make| make(run)).collect()
}

/// Everything that `allow` may grant.
pub fn grants() -> impl Iterator<Item = &'static Grant> {
    ALL.iter().flat_map(|capability| capability.grants)
}

/// The lists that `allow` may have.
pub fn grant_keys() -> Vec<&'static GrantKey> {
    grants().flat_map(|grant| grant.keys).collect()
}

/// Ends the run of a guest that has lasted for a tick. Calls that can answer without a wait await this, so that a
/// guest that calls again and again does not block the other requests of its instance. Changes are made before that,
/// so they happen in the order of the calls.
async fn give_way(accessor: &Accessor<Ctx, HasSelf<Ctx>>) {
    if accessor.with(|mut access| access.get().run.is_old()) {
        tokio::task::yield_now().await;
    }
}
