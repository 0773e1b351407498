//! `waterspout:tcp/tcpclient`: guests open streams to other servers. Checks what they say; [`crate::services::tcp`] speaks to the
//! servers. What `allow.tcp` grants holds for a guest's own sockets by WASI as well.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Accessor, HasSelf, Linker, Resource};

use super::capability::{Capability, Grant, MakePart, Setup};
use super::give_way;
use crate::config::GrantKey;
use crate::guest::bindings::tcpclient::{self, ConnectError, Host, HostWithStore};
use crate::guest::imports::Import;
use crate::guest::resources::Ctx;
use crate::services::network::Unreached;
use crate::services::tcp::{Access, Destination, Fault, Server, Stream, Terms};

/// How long a connection may take where the guest does not say it, as with fetches.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The list of servers in `allow`.
const KEY: &str = "tcp";

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    grants: &[Grant {
        keys: &[GrantKey {
            name: KEY,
            text: "host and port",
            example: "[\"db.internal:5432\"]",
            is_valid: |text| Server::parse(text).is_some(),
        }],
        used_by: |imports| {
            Import::first(imports, |import| {
                // `start-connect` in WASI 0.2.
                let connects =
                    |name: &str| name.contains("tcp-socket") && name.ends_with("connect");
                import.is("waterspout:tcp/tcpclient@") && import.calls(|_| true)
                    || import.is("wasi:sockets/") && import.calls(connects)
            })
        },
        does: "opens streams by TCP",
        lacks: Some("server"),
    }],
};

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    tcpclient::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

/// What a component may reach, for what its guest dials by itself.
pub(super) fn access(setup: &Setup<'_>) -> Arc<Access> {
    let settings = setup.settings;
    let servers = settings
        .allow
        .texts(KEY)
        .filter_map(Server::parse)
        .collect();
    let terms = Terms {
        limits: settings.stream_limits(),
        certificates: None,
        meter: setup.meter.clone(),
        lingers: false,
        side: |meter| &meter.streams_to_servers,
    };
    let most = [settings.max_clients, settings.max_clients_per_server];
    let clients = &setup.services.tcp;
    clients.access(setup.file, servers, most, Arc::new(terms))
}

/// The data in a store.
struct State(Arc<Access>);

fn prepare(setup: &Setup<'_>) -> MakePart {
    let access = access(setup);
    Box::new(move |_| Ok(Box::new(State(access.clone()))))
}

type Handle = Resource<Stream>;

impl Host for Ctx {}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn connect(
        accessor: &Accessor<Ctx, Self>,
        destination: tcpclient::Destination,
    ) -> wasmtime::Result<Result<Handle, ConnectError>> {
        let access = accessor.with(|mut access| access.get().parts.get::<State>().0.clone());
        let within = destination.timeout.map(Duration::from_nanos);
        let connected = access.connect(Destination {
            host: destination.host,
            port: destination.port,
            tls: destination.tls,
            within: within.unwrap_or(CONNECT_TIMEOUT),
        });
        match connected.await {
            // Without a wait in between: a guest that drops it would never drop the stream.
            Ok(stream) => accessor.with(|mut access| {
                let table = &mut access.get().table;
                Ok(Ok(table.push(stream)?))
            }),
            Err(fault) => {
                give_way(accessor).await;
                Ok(Err(fault.into()))
            }
        }
    }
}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotGranted => {
                let why = "`allow = { tcp = […] }` of the component does not name this server";
                Self::NotGranted(why.to_owned())
            }
            Fault::Unreached(Unreached::Prohibited(address)) => Self::NotGranted(format!(
                "{address} is nowhere where a stream may lead, or not by a name"
            )),
            Fault::Unreached(why) => Self::Unreachable(why.to_string()),
            Fault::Timeout => Self::Timeout,
            Fault::Tls(why) => Self::Tls(why),
            Fault::Invalid(why) => Self::Invalid(why),
        }
    }
}
