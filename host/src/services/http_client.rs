//! The requests of guests to other servers: which servers a component may reach, and one client with pooled
//! connections for each shard. Knows no guest, and never holds a body whole.

mod again;
mod body;
mod connect;
mod decompress;
mod exchange;
mod fault;
mod origin;
mod settings;
mod trust;
mod upgrade;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::base::shards;
use crate::config;
use crate::services::network::{System, SystemRoots};
use crate::tls::ClientTls;
use again::Untouched;
use body::Incoming;
use connect::{Connector, Way};
use exchange::{Until, attempt, twice_at_most};
use origin::Origin;
use settings::Settings;
use trust::{Roots, Versions};

pub use fault::Fault;
pub use upgrade::Upgraded;

/// How many idle connections to one origin a shard keeps.
const MAX_IDLE: usize = 256;
/// How long an idle connection is kept. Servers close theirs after some time, too; Tornado's keeps one for an hour.
const IDLE: Duration = Duration::from_secs(60);
/// The longest head of a response, and the most that is read from an HTTP/1 connection before the guest reads it.
const MAX_HEAD: usize = 64 * 1024;
/// How many lines a head may have. hyper has room for 100, and allocates for more with every response, whether the
/// limit is 101 or this.
const MAX_HEADERS: usize = 1024;
/// How much a server may send before the guest reads it: in one stream of HTTP/2, and in all of a connection. A guest
/// that reads nothing blocks no other until that many of its streams are full.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// The time limit for a connection where the guest sets none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const OTHER_TIMEOUT: Duration = Duration::from_secs(600);
/// How many refused origins are logged for one component.
const MAX_TOLD: usize = 100;

/// What its guest says is wrong with a request's body.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A request's body.
pub type Outgoing = UnsyncBoxBody<Bytes, Failure>;
/// A response's body.
pub type Received = UnsyncBoxBody<Bytes, Fault>;

/// The time limits of a fetch, as far as its guest sets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// For a turn under `max_clients`, and then for the connection.
    pub connect: Option<Duration>,
    /// From the connection to the head of the response.
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

/// A server that a component may send requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The app itself.
    Own,
    /// Scheme, host and perhaps port, in the spelling of the URL standard: `https://api.example.com`.
    Origin(String),
}

/// All that fetches share.
pub struct HttpClients {
    settings: ArcSwap<Settings>,
    own: Arc<ArcSwap<Vec<OwnListener>>>,
    roots: Arc<Roots>,
    /// By shard; made when it is first needed.
    clients: Box<[Mutex<Option<Made>>]>,
}

/// The clients of one shard, and the settings that they were made with.
struct Made {
    settings: Arc<Settings>,
    granted: Pooled,
    own: Pooled,
}

type Pooled = Client<Connector, Untouched>;

impl HttpClients {
    /// For this number of shards.
    pub fn new(shards: usize, roots: Arc<SystemRoots>) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::default(),
            own: Arc::default(),
            roots: Arc::new(Roots::new(roots)),
            clients: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
        })
    }

    /// Sets `[http_client]` for future fetches.
    pub fn follow(&self, config: &config::HttpClient, tls: &ClientTls) {
        let current = self.settings.load();
        if current.config != *config || current.tls != *tls {
            self.settings.store(Arc::new(Settings::new(config, tls)));
        }
    }

    /// Sets where the app listens now, which is the meaning of `"self"`.
    pub fn set_own(&self, listeners: Vec<OwnListener>) {
        self.own.store(Arc::new(listeners));
    }

    /// What a component may fetch.
    pub fn access(
        self: &Arc<Self>,
        component: &str,
        grants: &[Grant],
        max_clients: usize,
    ) -> Arc<Access> {
        let origins = grants.iter().filter_map(|grant| match grant {
            Grant::Origin(origin) => Origin::of(&origin.parse().ok()?),
            Grant::Own => None,
        });
        Arc::new(Access {
            clients: self.clone(),
            component: component.into(),
            origins: origins.collect(),
            own: grants.contains(&Grant::Own),
            turns: Arc::new(Semaphore::new(max_clients.min(Semaphore::MAX_PERMITS))),
            told: Mutex::default(),
        })
    }

    fn client(&self, way: Way, settings: &Arc<Settings>) -> Pooled {
        let mut slot = lock(&self.clients[shards::here() % self.clients.len()]);
        if !matches!(&*slot, Some(made) if Arc::ptr_eq(&made.settings, settings)) {
            *slot = None;
        }
        let kept = |way| self.build(settings, way, Versions::All, MAX_IDLE);
        let made = slot.get_or_insert_with(|| Made {
            granted: kept(Way::Granted),
            own: kept(Way::Own),
            settings: settings.clone(),
        });
        match way {
            Way::Granted => made.granted.clone(),
            Way::Own => made.own.clone(),
        }
    }

    /// A client that makes a connection for each request, and keeps none.
    fn unpooled(&self, way: Way, versions: Versions, settings: &Arc<Settings>) -> Pooled {
        self.build(settings, way, versions, 0)
    }

    fn build(
        &self,
        settings: &Arc<Settings>,
        way: Way,
        versions: Versions,
        max_idle: usize,
    ) -> Pooled {
        let (own, roots) = (self.own.clone(), self.roots.clone());
        let system = Arc::new(System);
        let connector = Connector::new(way, versions, settings.clone(), own, roots, system);
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(max_idle)
            .http1_max_buf_size(MAX_HEAD)
            .http1_max_headers(MAX_HEADERS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(MAX_HEAD as u32)
            .build(connector)
    }
}

/// What one component may fetch, and how many of its fetches run concurrently.
pub struct Access {
    clients: Arc<HttpClients>,
    component: Box<str>,
    origins: Vec<Origin>,
    own: bool,
    /// `max_clients`.
    turns: Arc<Semaphore>,
    /// Origins that were refused and are in the log already.
    told: Mutex<BTreeSet<String>>,
}

impl Access {
    /// Waits for a turn, sends a request, and waits for the head of its response.
    pub async fn send(
        self: Arc<Self>,
        request: Request<Outgoing>,
        timeouts: Timeouts,
    ) -> Result<Response<Received>, Fault> {
        let (mut head, body) = request.into_parts();
        // A tunnel could lead anywhere.
        if head.method == Method::CONNECT {
            return Err(Fault::Method);
        }
        let origin = Origin::of(&head.uri).ok_or(Fault::Uri)?;
        let way = self.way(&origin)?;
        // The URI that was checked is the one that is dialled and sent to the server.
        head.uri = origin.uri(head.uri).ok_or(Fault::Uri)?;
        let is_other_host = self.settle_host(&mut head.headers, &origin, way)?;
        let mut until = Until::new(timeouts);
        let turn = timeout_at(until.connected, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Fault::ConnectTimeout)?.ok();
        let decode = decompress::ask(&mut head.headers);
        let is_head = head.method == Method::HEAD;
        // The password is for the proxy of these settings, and for no other server.
        let settings = self.clients.settings.load_full();
        if way == Way::Granted
            && let Some(password) = settings.password_for(&head.uri)
        {
            head.headers.insert(PROXY_AUTHORIZATION, password);
        }
        let unpooled = |versions| self.clients.unpooled(way, versions, &settings);
        let response = match is_other_host && origin.encrypted {
            true => {
                let client = unpooled(Versions::Http1);
                attempt(&client, head, Untouched::last(body), &mut until).await
            }
            false => {
                let client = self.clients.client(way, &settings);
                let afresh = || unpooled(Versions::All);
                twice_at_most(&client, afresh, head, body, &mut until).await
            }
        };
        let response = response.map_err(exchange::Failed::fault)?;
        let between = timeouts.between_bytes.unwrap_or(OTHER_TIMEOUT);
        let response = response.map(|body| Incoming::new(body, between, turn));
        Ok(match decode && !is_head {
            true => decompress::response(response),
            false => response.map(http_body_util::BodyExt::boxed_unsync),
        })
    }

    /// The grant by which a component may reach this origin.
    fn way(&self, origin: &Origin) -> Result<Way, Fault> {
        if self.origins.contains(origin) {
            return Ok(Way::Granted);
        }
        let is_own = connect::own_address(&self.clients.own.load(), origin).is_some();
        if self.own && is_own {
            return Ok(Way::Own);
        }
        self.tell(origin, is_own);
        Err(Fault::NotGranted)
    }

    /// A guest's own `Host` asks the same server for another site, which must be granted as well. `true`: there is
    /// one. The app itself is granted with all its hosts.
    fn settle_host(
        &self,
        headers: &mut HeaderMap,
        origin: &Origin,
        way: Way,
    ) -> Result<bool, Fault> {
        let mut set = headers.get_all(HOST).iter();
        let Some(host) = set.next() else {
            return Ok(false);
        };
        let authority = host.to_str().ok().and_then(|host| host.parse().ok());
        let named = authority.and_then(|host| Origin::at(origin.encrypted, &host));
        let named = named.filter(|_| set.next().is_none()).ok_or(Fault::Host)?;
        if named == *origin {
            headers.remove(HOST);
            return Ok(false);
        }
        if way == Way::Granted && !self.origins.contains(&named) {
            self.tell(&named, false);
            return Err(Fault::NotGranted);
        }
        let host = named.authority().try_into().map_err(|_| Fault::Host)?;
        headers.insert(HOST, host);
        Ok(true)
    }

    /// Logs the grant that is missing, once for each origin.
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
             [component.\"{component}\"]"
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
