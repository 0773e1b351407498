//! `waterspout:sockets/websocket-client`: guests open WebSockets to other servers. Checks what they say;
//! [`crate::services::websocket_client`] speaks to the servers. What `http_client` may reach is granted here, too.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use wasmtime::component::{Accessor, HasSelf, Linker, Resource};

use super::capability::{Capability, MakePart, Setup};
use super::give_way;
use super::http_client::{MAX_FIELDS, is_forbidden};
use crate::guest::bindings::sockets::{Error, Message};
use crate::guest::bindings::websocket_client::{
    self, ConnectError, Handshake, Host, HostConnection, HostConnectionWithStore, HostWithStore,
    Refusal,
};
use crate::guest::resources::Ctx;
use crate::services::http_client::Fault;
use crate::services::sockets::{self as service, ClientLimits, Pings};
use crate::services::websocket_client::{self as client, Connection};

/// Tornado's limit for connecting, and for the size of a message.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_MESSAGE: usize = 10 << 20;

/// The level of compression where none is said, and the highest.
const USUAL_LEVEL: u8 = 6;
const MAX_LEVEL: u8 = 9;

/// How many subprotocols may be offered.
const MAX_SUBPROTOCOLS: usize = 100;

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    // It has none of its own.
    grants: &[],
};

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    websocket_client::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

/// The limits of a component's connections. As the size of messages, each guest may set a smaller one.
struct Limits(ClientLimits);

fn prepare(setup: &Setup<'_>) -> MakePart {
    let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let limits = ClientLimits {
        max_events: setup.settings.max_socket_events,
        max_unsent: bytes(setup.settings.max_socket_unsent),
        max_message: bytes(setup.settings.message_memory),
    };
    Box::new(move |_| Ok(Box::new(Limits(limits))))
}

type Handle = Resource<Connection>;

impl Host for Ctx {}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn connect(
        accessor: &Accessor<Ctx, Self>,
        handshake: Handshake,
    ) -> wasmtime::Result<Result<Handle, ConnectError>> {
        let (access, meter, limits) = accessor.with(|mut access| {
            let ctx = access.get();
            let (access, meter) = ctx.access();
            (access, meter, ctx.parts.get::<Limits>().0)
        });
        let handshake = match read(handshake, limits) {
            Ok(handshake) => handshake,
            Err(why) => {
                give_way(accessor).await;
                return Ok(Err(ConnectError::Invalid(why)));
            }
        };
        let began = Instant::now();
        let connected = client::connect(&access, handshake).await;
        meter.fetched(began.elapsed(), connected.is_ok());
        match connected {
            // Without a wait in between: a guest that drops it would never drop the connection.
            Ok(connection) => accessor.with(|mut access| {
                let table = &mut access.get().table;
                Ok(Ok(table.push(connection)?))
            }),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

/// What a guest asks for, checked.
fn read(handshake: Handshake, limits: ClientLimits) -> Result<client::Handshake, String> {
    if handshake.url.len() > MAX_FIELDS {
        return Err(format!("a URL has {MAX_FIELDS} bytes at most"));
    }
    if handshake.subprotocols.len() > MAX_SUBPROTOCOLS {
        return Err(format!("{MAX_SUBPROTOCOLS} subprotocols may be offered"));
    }
    let level = handshake
        .compression
        .map(|offer| offer.level.unwrap_or(USUAL_LEVEL));
    if let Some(level) = level.filter(|level| *level > MAX_LEVEL) {
        return Err(format!(
            "the level of compression is 0 to {MAX_LEVEL}, not {level}"
        ));
    }
    let most = limits.max_message;
    let max_message = match handshake.max_message_size {
        None => MAX_MESSAGE.min(most),
        Some(size) => {
            let size = usize::try_from(size).ok().filter(|size| *size <= most);
            let too_large = || format!("`message_memory` allows messages of {most} bytes");
            size.ok_or_else(too_large)?
        }
    };
    let timeout = handshake.connect_timeout.map(Duration::from_nanos);
    Ok(client::Handshake {
        url: handshake.url,
        headers: headers(handshake.headers)?,
        subprotocols: handshake.subprotocols,
        compression: level.map(u32::from),
        within: timeout.unwrap_or(CONNECT_TIMEOUT),
        pings: Pings {
            // One of no length is none, as in Tornado.
            interval: handshake
                .ping_interval
                .filter(|interval| *interval > 0)
                .map(Duration::from_nanos),
            timeout: handshake.ping_timeout.map(Duration::from_nanos),
        },
        limits: ClientLimits {
            max_message,
            ..limits
        },
    })
}

fn headers(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, String> {
    let size = fields.iter().map(|(name, value)| name.len() + value.len());
    if size.sum::<usize>() > MAX_FIELDS {
        return Err(format!("the headers have {MAX_FIELDS} bytes at most"));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let Ok(known) = HeaderName::try_from(&name) else {
            return Err(format!("{name:?} is no name of a header"));
        };
        let Ok(value) = HeaderValue::try_from(value) else {
            return Err(format!(
                "the header `{name}` has a value that can't be sent"
            ));
        };
        if is_forbidden(&known) {
            return Err(format!(
                "the header `{name}` can't be set: the connection says it by itself"
            ));
        }
        let appended = headers.try_append(known, value);
        appended.map_err(|_| "too many headers".to_owned())?;
    }
    Ok(headers)
}

/// Headers for a guest.
fn list(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let one = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_owned())
    };
    headers.iter().map(one).collect()
}

impl HostConnection for Ctx {
    fn selected_subprotocol(&mut self, connection: Handle) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&connection)?.subprotocol.clone())
    }

    fn headers(&mut self, connection: Handle) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        Ok(list(&self.table.get(&connection)?.headers))
    }

    fn take(&mut self, connection: Handle) -> wasmtime::Result<Result<Option<Message>, Error>> {
        let taken = self.table.get(&connection)?.take_message();
        let message = |message| match message {
            service::Message::Text(text) => Message::Text(text.into_string()),
            service::Message::Binary(bytes) => Message::Binary(bytes.to_vec()),
        };
        Ok(taken.map(|taken| taken.map(message)).map_err(Error::from))
    }

    fn send(
        &mut self,
        connection: Handle,
        message: Message,
    ) -> wasmtime::Result<Result<(), Error>> {
        let sent = self.table.get(&connection)?.send(message.into());
        Ok(sent.map_err(Error::from))
    }

    fn ping(&mut self, connection: Handle, data: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        let sent = self.table.get(&connection)?.ping(data.into());
        Ok(sent.map_err(Error::from))
    }

    fn close(
        &mut self,
        connection: Handle,
        code: Option<u16>,
        reason: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let closed = self.table.get(&connection)?.close_with(code, reason);
        Ok(closed.map_err(Error::from))
    }

    fn close_code(&mut self, connection: Handle) -> wasmtime::Result<Option<u16>> {
        Ok(self.table.get(&connection)?.closed().code)
    }

    fn close_reason(&mut self, connection: Handle) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&connection)?.closed().reason)
    }

    fn drop(&mut self, connection: Handle) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl HostConnectionWithStore<Ctx> for HasSelf<Ctx> {
    async fn ready(accessor: &Accessor<Ctx, Self>, connection: Handle) -> wasmtime::Result<()> {
        let connection =
            accessor.with(|mut access| access.get().table.get(&connection).cloned())?;
        connection.ready().await;
        give_way(accessor).await;
        Ok(())
    }

    async fn writable(
        accessor: &Accessor<Ctx, Self>,
        connection: Handle,
    ) -> wasmtime::Result<Result<(), Error>> {
        let connection =
            accessor.with(|mut access| access.get().table.get(&connection).cloned())?;
        let writable = connection.writable().await;
        give_way(accessor).await;
        Ok(writable.map_err(Error::from))
    }
}

impl From<client::ConnectError> for ConnectError {
    fn from(error: client::ConnectError) -> Self {
        match error {
            client::ConnectError::Fault(fault) => fault.into(),
            client::ConnectError::Refused(status, headers) => Self::Refused(Refusal {
                status,
                headers: list(&headers),
            }),
            client::ConnectError::Answer(why) => Self::Protocol(why),
            client::ConnectError::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> Self {
        let text = fault.to_string();
        match fault {
            Fault::NotGranted => {
                let why = "`allow = { http = […] }` of the component does not name this origin";
                Self::NotGranted(why.to_owned())
            }
            Fault::Prohibited(address) => Self::NotGranted(format!(
                "the name leads to {address}, where no name may lead"
            )),
            Fault::Uri | Fault::Method | Fault::Host => Self::Invalid(text),
            Fault::Unresolved(_) | Fault::Unreachable(_) | Fault::Proxy(_) => {
                Self::Unreachable(text)
            }
            Fault::ConnectTimeout | Fault::ReadTimeout => Self::Timeout,
            Fault::Tls(_) | Fault::Certificate(_) => Self::Tls(text),
            Fault::Incomplete | Fault::Protocol(_) | Fault::Head => Self::Protocol(text),
            Fault::Coding(_) => Self::Other(text),
        }
    }
}
