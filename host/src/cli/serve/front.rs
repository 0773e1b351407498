//! The servers of an app, for requests, for streams and for the admin: their services, and where they listen. Loads
//! nothing.

use std::path::Path;
use std::sync::Arc;

use http::{Request, Response};

use crate::app::admin;
use crate::app::dispatch::dev::{self, Workbench};
use crate::app::dispatch::{Reply, connection, dispatch};
use crate::app::generation::{Generation, Site};
use crate::base::client::Client;
use crate::base::error::{Faults, Position};
use crate::base::shards::Shards;
use crate::config::{self, Listen};
use crate::edge::connection::{IncomingBody, Service};
use crate::edge::server::{Bound, Server, Unbound};
use crate::edge::stream::{Opened, StreamService, Streams};
use crate::services::http_client::{HttpClients, OwnListener};

/// The service that answers an app's requests.
#[derive(Clone)]
pub struct SiteService(pub Arc<Site>);

impl Service for SiteService {
    type Body = Reply;

    fn call(
        &self,
        request: Request<IncomingBody>,
        client: Client,
    ) -> impl Future<Output = Response<Reply>> + Send {
        dispatch(&self.0, request, client)
    }

    fn refused(&self, status: u16) {
        self.0.metrics().refused(status);
    }
}

/// The same under `dev`.
#[derive(Clone)]
pub struct DevService(pub Arc<Site>, pub Arc<Workbench>);

impl Service for DevService {
    type Body = Reply;

    fn call(
        &self,
        request: Request<IncomingBody>,
        client: Client,
    ) -> impl Future<Output = Response<Reply>> + Send {
        dev::answer(self.1.clone(), self.0.clone(), request, client)
    }

    fn refused(&self, status: u16) {
        self.0.metrics().refused(status);
    }
}

/// The service for streams.
#[derive(Clone)]
pub struct SiteStreams(Arc<Site>);

impl StreamService for SiteStreams {
    fn serve(&self, opened: Opened) -> impl Future<Output = ()> + Send + 'static {
        let Opened {
            socket,
            peer,
            place,
            slot,
        } = opened;
        let accepted = connection::Accepted {
            socket,
            peer,
            listen: place.listen.clone(),
            nth: place.nth,
            handshake: slot.limits().header_timeout,
            slot: Box::new(slot),
        };
        connection::serve(self.0.clone(), accepted)
    }
}

/// The servers of an app.
pub struct Front<A, B> {
    pub app: Server<A>,
    pub admin: Server<B>,
    pub streams: Server<Streams<SiteStreams>>,
    /// The clients of fetches, which must know where the app listens.
    http: Arc<HttpClients>,
}

impl Front<(), ()> {
    /// Listens where the site says, with the service that answers for the app.
    pub async fn open<A: Service>(
        site: &Arc<Site>,
        shards: Arc<Shards>,
        http: &Arc<HttpClients>,
        service: A,
    ) -> anyhow::Result<Front<A, impl Service + use<A>>> {
        let limits = || site.current().config.limits();
        let shown = site.clone();
        let app = Server::new(shards, limits(), service);
        let front = Front {
            streams: app.beside(Streams(SiteStreams(site.clone()))),
            app,
            // A server of its own, so that it can report whatever happens in the other.
            admin: Server::new(
                Shards::here(),
                limits(),
                move |request: Request<IncomingBody>, client: Client| {
                    let site = shown.clone();
                    async move { admin::answer(&site, &request, client) }
                },
            ),
            http: http.clone(),
        };
        let first = site.current();
        let new = front.follow(&first, site.folder()).await?;
        front.take_streams(&first, new).await;
        Ok(front)
    }
}

impl<A: Service, B: Service> Front<A, B> {
    /// Listens where this generation says, and logs new addresses.
    ///
    /// An address that can't be bound is a fault, and then nothing changes.
    ///
    /// What is returned is for [`Front::take_streams`], once the generation serves.
    pub async fn follow(&self, generation: &Generation, folder: &Path) -> Result<Bound, Faults> {
        let server = &generation.config.server;
        let fault = |at, unbound: Unbound| refused(generation, folder, at, &unbound.error);
        let (app, admin) = (self.app.local_addrs().await, self.admin.local_addrs().await);
        let shown: Vec<Listen> = server.admin.iter().cloned().collect();
        let new_admin = self.admin.bind(&shown).await;
        let new_admin = new_admin.map_err(|error| fault(server.admin_at, error))?;
        let new_app = self.app.bind(&server.listen).await;
        let new_app = new_app.map_err(|error| fault(server.listen_at, error))?;
        let new_streams = self.bind_streams(generation, folder).await?;
        // Before any connection is accepted: these limits hold for all.
        self.app.set_limits(generation.config.limits());
        self.admin.set_limits(generation.config.limits());
        self.app.set_tls(generation.tls.clone());
        let new_admin = self.admin.listen(new_admin).await;
        let new_app = self.app.listen(new_app).await;
        self.http
            .follow(&generation.config.http_client, &generation.client_tls);
        let own = |listen: &Listen| own(listen, generation.tls.is_some());
        self.http.set_own(new_app.iter().filter_map(own).collect());
        let scheme = match generation.tls {
            Some(_) => "https",
            None => "http",
        };
        for address in new_app.iter().filter(|address| !app.contains(address)) {
            tracing::info!(target: "general", "serving on {}", Shown(scheme, address));
        }
        for address in new_admin.iter().filter(|address| !admin.contains(address)) {
            tracing::info!(target: "general", "status on {}/api/status", Shown("http", address));
        }
        Ok(new_streams)
    }

    async fn bind_streams(&self, generation: &Generation, folder: &Path) -> Result<Bound, Faults> {
        let all = generation.config.tcp.iter().flat_map(|entry| &entry.listen);
        let wanted: Vec<Listen> = all.cloned().collect();
        self.streams.bind(&wanted).await.map_err(|unbound| {
            let listen = &wanted[unbound.at];
            let mut entries = generation.config.tcp.iter();
            let blamed = entries.find(|entry| entry.listen.contains(listen));
            let at = blamed.map_or(Position::WHOLE_FILE, |entry| entry.listen_at);
            refused(generation, folder, at, &unbound.error)
        })
    }

    /// Accepts streams where this generation, which serves, has handlers for them.
    pub async fn take_streams(&self, generation: &Generation, new: Bound) {
        let before = self.streams.local_addrs().await;
        let now = self.streams.listen(new).await;
        let handlers = generation.streams.iter().flat_map(|streams| {
            let handler = streams.lead.to_string();
            streams.listen.iter().map(move |_| handler.clone())
        });
        for (address, handler) in now.iter().zip(handlers) {
            if !before.contains(address) {
                tracing::info!(target: "general", "streams on {address} for {handler}");
            }
        }
    }
}

/// The fault of an address that can't be bound.
fn refused(generation: &Generation, folder: &Path, at: Position, error: &std::io::Error) -> Faults {
    let file = folder.join(config::FILE_NAME);
    let fault = generation.config.fault(&file, at, error.to_string());
    Faults::from(match error.kind() {
        std::io::ErrorKind::AddrInUse => fault.hint("does another server run there already?"),
        _ => fault,
    })
}

/// A listener that fetches can reach: Unix sockets have no URL.
fn own(listen: &Listen, is_encrypted: bool) -> Option<OwnListener> {
    match listen {
        Listen::Tcp(address) => Some(OwnListener {
            address: *address,
            encrypted: is_encrypted,
        }),
        Listen::Http(address) => Some(OwnListener {
            address: *address,
            encrypted: false,
        }),
        Listen::Unix { .. } | Listen::Systemd(_) => None,
    }
}

/// An address as a browser takes it.
struct Shown<'a>(&'static str, &'a Listen);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1 {
            Listen::Tcp(address) => write!(f, "{}://{address}", self.0),
            listen => listen.fmt(f),
        }
    }
}
