//! Fetches of guests: who may fetch from where, and one pooled client for each shard that does it. Knows no guest, and
//! never holds a body whole.

mod addresses;
mod body;
mod connect;
mod decompress;
mod fault;
mod origin;
mod resolve;
mod trust;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{self, HttpGrant};
use crate::shards;
use body::Incoming;
use connect::{Connector, Settings, Way};
use origin::Origin;
use resolve::System;
use trust::Roots;

pub use fault::Fault;

/// Connections to one origin that are kept for later, of one shard.
const MAX_IDLE: usize = 256;
/// How long one is kept. Servers close theirs after some time, too; Tornado's keeps one for an hour.
const IDLE: Duration = Duration::from_secs(60);
/// The longest head of a response, and the most that is read ahead of a guest from one HTTP/1 connection.
const MAX_HEAD: usize = 64 * 1024;
/// What a server may send ahead of a guest in one stream of HTTP/2, and in all of a connection: a guest that reads
/// nothing holds up no other until that many of its streams are full.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// What is waited for where the guest does not say how long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const OTHER_TIMEOUT: Duration = Duration::from_secs(600);
/// How many refused origins one component is told of in the log.
const MAX_TOLD: usize = 100;

/// A request's body.
pub type Outgoing = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
/// A response's body.
pub type Received = UnsyncBoxBody<Bytes, Fault>;

/// How long a fetch waits, as far as its guest says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// For a turn under `max_clients`, and then for the connection.
    pub connect: Option<Duration>,
    /// From there to the head of the response.
    pub first_byte: Option<Duration>,
    /// From one piece of the body to the next.
    pub between_bytes: Option<Duration>,
}

/// A listener of the app itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnListener {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub encrypted: bool,
}

/// All that fetches have in common.
pub struct HttpClients {
    settings: ArcSwap<Settings>,
    own: Arc<ArcSwap<Vec<OwnListener>>>,
    roots: Arc<Roots>,
    /// By shard; made where one is first needed.
    clients: Box<[Mutex<Option<Made>>]>,
}

/// The clients of one shard, and the settings that they were made with.
struct Made {
    settings: Arc<Settings>,
    granted: Client<Connector, Outgoing>,
    own: Client<Connector, Outgoing>,
}

impl HttpClients {
    /// For so many shards.
    pub fn new(shards: usize) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::default(),
            own: Arc::default(),
            roots: Arc::default(),
            clients: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
        })
    }

    /// Takes up `[http_client]`, for the fetches to come.
    pub fn follow(&self, config: &config::HttpClient) {
        if self.settings.load().config != *config {
            self.settings.store(Arc::new(Settings::new(config)));
        }
    }

    /// Says where the app listens now: what `"self"` means.
    pub fn set_own(&self, listeners: Vec<OwnListener>) {
        self.own.store(Arc::new(listeners));
    }

    /// What a component may fetch.
    pub fn access(
        self: &Arc<Self>,
        component: &str,
        grants: &[HttpGrant],
        max_clients: usize,
    ) -> Arc<Access> {
        let origins = grants.iter().filter_map(|grant| match grant {
            HttpGrant::Origin(origin) => Origin::of(&origin.parse().ok()?),
            HttpGrant::Own => None,
        });
        Arc::new(Access {
            clients: self.clone(),
            component: component.into(),
            origins: origins.collect(),
            own: grants.contains(&HttpGrant::Own),
            turns: Arc::new(Semaphore::new(max_clients.min(Semaphore::MAX_PERMITS))),
            told: Mutex::default(),
        })
    }

    fn client(&self, way: Way, settings: &Arc<Settings>) -> Client<Connector, Outgoing> {
        let mut slot = lock(&self.clients[shards::here() % self.clients.len()]);
        if !matches!(&*slot, Some(made) if Arc::ptr_eq(&made.settings, settings)) {
            *slot = None;
        }
        let made = slot.get_or_insert_with(|| Made {
            granted: self.build(settings, Way::Granted),
            own: self.build(settings, Way::Own),
            settings: settings.clone(),
        });
        match way {
            Way::Granted => made.granted.clone(),
            Way::Own => made.own.clone(),
        }
    }

    fn build(&self, settings: &Arc<Settings>, way: Way) -> Client<Connector, Outgoing> {
        let (own, roots) = (self.own.clone(), self.roots.clone());
        let connector = Connector::new(way, settings.clone(), own, roots, Arc::new(System));
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(MAX_HEAD as u32)
            .build(connector)
    }
}

/// What one component may fetch, and how much of it at once.
pub struct Access {
    clients: Arc<HttpClients>,
    component: Box<str>,
    origins: Vec<Origin>,
    own: bool,
    /// `max_clients`.
    turns: Arc<Semaphore>,
    /// Origins that were refused, and the log knows it.
    told: Mutex<BTreeSet<String>>,
}

impl Access {
    /// Sends a request, once it has its turn, and waits for the head of its response.
    pub async fn send(
        self: Arc<Self>,
        mut request: Request<Outgoing>,
        timeouts: Timeouts,
    ) -> Result<Response<Received>, Fault> {
        // A tunnel would lead anywhere.
        if *request.method() == Method::CONNECT {
            return Err(Fault::Method);
        }
        let way = self.way(request.uri())?;
        let connect_by = Instant::now() + timeouts.connect.unwrap_or(CONNECT_TIMEOUT);
        let turn = timeout_at(connect_by, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Fault::ConnectTimeout)?.ok();
        let decode = decompress::ask(request.headers_mut());
        let is_head = *request.method() == Method::HEAD;
        // The password is for the proxy of these settings, and for no other server.
        let settings = self.clients.settings.load_full();
        if way == Way::Granted
            && let Some(password) = settings.password_for(request.uri())
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, password);
        }
        let mut connected = capture_connection(&mut request);
        let client = self.clients.client(way, &settings);
        let mut responding = std::pin::pin!(client.request(request));
        let early = {
            let connecting = async {
                tokio::select! {
                    biased;
                    response = &mut responding => Some(response),
                    _ = connected.wait_for_connection_metadata() => None,
                }
            };
            let connecting = timeout_at(connect_by, connecting).await;
            connecting.map_err(|_| Fault::ConnectTimeout)?
        };
        let response = match early {
            Some(response) => response,
            None => {
                let first_byte = timeouts.first_byte.unwrap_or(OTHER_TIMEOUT);
                let response = timeout(first_byte, responding).await;
                response.map_err(|_| Fault::ReadTimeout)?
            }
        };
        let response = response.map_err(Fault::of_client)?;
        let between = timeouts.between_bytes.unwrap_or(OTHER_TIMEOUT);
        let response = response.map(|body| Incoming::new(body, between, turn));
        Ok(match decode && !is_head {
            true => decompress::response(response),
            false => response.map(http_body_util::BodyExt::boxed_unsync),
        })
    }

    /// By which of its grants a component may have this.
    fn way(&self, uri: &Uri) -> Result<Way, Fault> {
        let origin = Origin::of(uri).ok_or(Fault::Uri)?;
        if self.origins.contains(&origin) {
            return Ok(Way::Granted);
        }
        let is_own = connect::own_address(&self.clients.own.load(), &origin).is_some();
        if self.own && is_own {
            return Ok(Way::Own);
        }
        self.tell(&origin, is_own);
        Err(Fault::NotGranted)
    }

    /// Says in the log what would grant it, once for each origin.
    fn tell(&self, origin: &Origin, is_own: bool) {
        let mut told = lock(&self.told);
        let origin = origin.to_string();
        if told.len() >= MAX_TOLD || !told.insert(origin.clone()) {
            return;
        }
        let component = &*self.component;
        let grant = if is_own { "self" } else { &origin };
        tracing::warn!(
            target: "general",
            component,
            "a fetch from {origin} is refused: to grant it, add \"{grant}\" to `allow = {{ http = […] }}` in \
             [handler.\"{component}\"]"
        );
    }
}

/// `Accept-Encoding` of the codings that are taken off.
const DECODED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
