//! Names that a guest looks up by WASI: only granted ones, and only what they lead to may be dialled. wasmtime-wasi knows
//! only all names or none.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use wasmtime::component::{Accessor, HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as p2;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as p3;
use wasmtime_wasi::p3::bindings::sockets::types as p3_types;
use wasmtime_wasi::sockets::WasiSocketsView;

use super::Wasi;
use crate::guest::resources::Ctx;
use crate::services::network::Unreached;
use crate::services::tcp::{Access, Fault, Lookup};

/// What one store looks up.
pub(super) struct Lookups {
    network: Arc<Access>,
    /// The names of those under way in WASI 0.2, by handle.
    names: FxHashMap<u32, Box<str>>,
}

impl Lookups {
    pub(super) fn new(network: &Arc<Access>) -> Self {
        Self {
            network: network.clone(),
            names: FxHashMap::default(),
        }
    }
}

/// In place of what wasmtime-wasi has linked.
pub(super) fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    p2::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    p3::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Ctx {
    fn lookups(&mut self) -> &mut Lookups {
        &mut self.parts.get_mut::<Wasi>().lookups
    }
}

// What errors are, as for all of its sockets.
impl network::Host for Ctx {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.sockets(), error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets(), error)
    }
}

impl network::HostNetwork for Ctx {
    fn drop(&mut self, network: Resource<network::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets(), network)
    }
}

type Handle = Resource<p2::ResolveAddressStream>;

impl p2::Host for Ctx {
    fn resolve_addresses(
        &mut self,
        network: Resource<network::Network>,
        name: String,
    ) -> Result<Handle, SocketError> {
        let lookup = self.lookups().network.lookup(&name);
        let lookup = lookup.map_err(|fault| match fault {
            Fault::Invalid(_) => ErrorCode::InvalidArgument,
            _ => ErrorCode::AccessDenied,
        })?;
        let stream = p2::Host::resolve_addresses(&mut self.sockets(), network, name)?;
        if let Lookup::Name(name) = lookup {
            self.lookups().names.insert(stream.rep(), name);
        }
        Ok(stream)
    }
}

impl p2::HostResolveAddressStream for Ctx {
    fn resolve_next_address(
        &mut self,
        stream: Handle,
    ) -> Result<Option<network::IpAddress>, SocketError> {
        let rep = stream.rep();
        let next = p2::HostResolveAddressStream::resolve_next_address(&mut self.sockets(), stream)?;
        let lookups = self.lookups();
        if let (Some(address), Some(name)) = (&next, lookups.names.get(&rep)) {
            let address = match *address {
                network::IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
                network::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                    IpAddr::from([a, b, c, d, e, f, g, h])
                }
            };
            let found = lookups.network.found(name, &[address]);
            found.map_err(|_| ErrorCode::AccessDenied)?;
        }
        Ok(next)
    }

    fn subscribe(&mut self, stream: Handle) -> wasmtime::Result<Resource<DynPollable>> {
        p2::HostResolveAddressStream::subscribe(&mut self.sockets(), stream)
    }

    fn drop(&mut self, stream: Handle) -> wasmtime::Result<()> {
        self.lookups().names.remove(&stream.rep());
        p2::HostResolveAddressStream::drop(&mut self.sockets(), stream)
    }
}

impl p3::Host for Ctx {}

impl p3::HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn resolve_addresses(
        accessor: &Accessor<Ctx, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<p3_types::IpAddress>, p3::ErrorCode>> {
        let network = accessor.with(|mut access| access.get().lookups().network.clone());
        let addresses = network.addresses_of(&name).await;
        Ok(match addresses {
            Ok(addresses) => Ok(addresses.into_iter().map(Into::into).collect()),
            Err(Fault::NotGranted | Fault::Unreached(Unreached::Prohibited(_))) => {
                Err(p3::ErrorCode::AccessDenied)
            }
            Err(Fault::Invalid(_)) => Err(p3::ErrorCode::InvalidArgument),
            Err(_) => Err(p3::ErrorCode::NameUnresolvable),
        })
    }
}
