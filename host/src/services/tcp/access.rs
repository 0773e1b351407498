//! Which servers a component may reach by TCP, by names or by addresses that its names have led to; and the way to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::server::Server;
use super::stream::{Stream, StreamError};
use super::terms::{Farewell, Terms};
use super::tls::Tls;
use super::transport::Socket;
use crate::services::network::{
    Dialer, Reach, Resolve, System, SystemRoots, Unreached, addresses_of, checked, reach,
};

/// How many refused servers are logged for one component.
const MAX_TOLD: usize = 100;

/// How many addresses of each granted name are known, the latest ones.
const MAX_ADDRESSES: usize = 64;

/// What a guest asks for.
#[derive(Debug)]
pub struct Destination {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// From the turn under `max_clients` on.
    pub within: Duration,
}

/// Why there is no stream.
#[derive(Debug)]
pub enum Fault {
    /// No `allow.tcp` of the component names the server.
    NotGranted,
    Unreached(Unreached),
    Timeout,
    Tls(String),
    /// The guest's request is wrong.
    Invalid(String),
}

impl Fault {
    fn of_tls(error: StreamError) -> Self {
        match error {
            StreamError::Tls(why) | StreamError::Invalid(why) => Self::Tls(why),
            StreamError::Closed(why) => Self::Tls(why.unwrap_or_else(|| "closed".to_owned())),
        }
    }
}

impl From<Unreached> for Fault {
    fn from(why: Unreached) -> Self {
        Self::Unreached(why)
    }
}

/// What all of TCP shares.
pub struct TcpClients {
    tls: Arc<Tls>,
}

impl TcpClients {
    pub fn new(roots: Arc<SystemRoots>) -> Arc<Self> {
        Arc::new(Self {
            tls: Arc::new(Tls::new(roots)),
        })
    }

    /// A stream that a client has opened. `farewell`: when it is closed.
    pub fn accepted(&self, socket: Socket, terms: Arc<Terms>, farewell: Farewell) -> Stream {
        Stream::new(socket, terms, self.tls.clone(), farewell)
    }

    /// What a component may reach, with how many streams in all and to each server.
    pub fn access(
        self: &Arc<Self>,
        component: &str,
        servers: Vec<Server>,
        [max_clients, max_per_server]: [usize; 2],
        terms: Arc<Terms>,
    ) -> Arc<Access> {
        let turns = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Arc::new(Access {
            clients: self.clone(),
            component: component.into(),
            turns: turns(max_clients),
            turns_of_servers: servers.iter().map(|_| turns(max_per_server)).collect(),
            servers,
            terms,
            resolver: Arc::new(System),
            found: Mutex::default(),
            told: Mutex::default(),
        })
    }
}

/// What one component may reach, and how many streams it has.
pub struct Access {
    clients: Arc<TcpClients>,
    component: Box<str>,
    servers: Vec<Server>,
    resolver: Arc<dyn Resolve>,
    /// `max_clients`.
    turns: Arc<Semaphore>,
    /// `max_clients_per_server`, for each of `servers`.
    turns_of_servers: Box<[Arc<Semaphore>]>,
    terms: Arc<Terms>,
    /// The addresses that granted names have led to.
    found: Mutex<BTreeMap<Box<str>, VecDeque<IpAddr>>>,
    /// What was refused and is in the log already.
    told: Mutex<BTreeSet<String>>,
}

/// What is to be looked up.
pub enum Lookup {
    /// Nothing is.
    Address(IpAddr),
    /// In the spelling of its grant.
    Name(Box<str>),
}

impl Access {
    /// Whether anything is granted.
    pub fn is_any(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Opens a stream.
    pub async fn connect(self: Arc<Self>, destination: Destination) -> Result<Stream, Fault> {
        let Destination {
            host,
            port,
            tls,
            within,
        } = destination;
        let Some(server) = Server::at(&host, port) else {
            return Err(Fault::Invalid(no_host(&host)));
        };
        let Some(at) = self.servers.iter().position(|granted| *granted == server) else {
            self.tell(&server.to_string());
            return Err(Fault::NotGranted);
        };
        let connecting = async {
            // One server that is slow takes no turns from the others.
            let of_server = self.turns_of_servers[at].clone().acquire_owned().await.ok();
            let turn = self.turns.clone().acquire_owned().await.ok();
            if let Some(address) = server.address()
                && reach(address) == Reach::Never
            {
                return Err(Unreached::Prohibited(address).into());
            }
            let uri = Uri::try_from(format!("tcp://{server}"));
            let uri = uri.map_err(|error| Fault::Invalid(error.to_string()))?;
            let mut dialer = Dialer::new(Arc::new(|_| None), self.resolver.clone());
            let socket = dialer.dial(uri).await?;
            let stream = Stream::new(
                Socket::Tcp(socket),
                self.terms.clone(),
                self.clients.tls.clone(),
                Box::new(|_| Box::new((of_server, turn))),
            );
            if tls {
                stream.start_tls(&host).await.map_err(Fault::of_tls)?;
            }
            Ok(stream)
        };
        timeout(within, connecting)
            .await
            .unwrap_or(Err(Fault::Timeout))
    }

    /// What a guest may look up: a granted name, or an address, which is its own.
    pub fn lookup(&self, name: &str) -> Result<Lookup, Fault> {
        let Some(server) = Server::at(name, 0) else {
            return Err(Fault::Invalid(no_host(name)));
        };
        if let Some(address) = server.address() {
            return Ok(Lookup::Address(address));
        }
        let name = server.name().unwrap_or_default();
        if !self
            .servers
            .iter()
            .any(|granted| granted.name() == Some(name))
        {
            self.tell(name);
            return Err(Fault::NotGranted);
        }
        Ok(Lookup::Name(name.into()))
    }

    /// The addresses of a name, or of an address, which a guest may dial from now on.
    pub async fn addresses_of(&self, name: &str) -> Result<Vec<IpAddr>, Fault> {
        let name = match self.lookup(name)? {
            Lookup::Address(address) => return Ok(vec![address]),
            Lookup::Name(name) => name,
        };
        let addresses = addresses_of(name.to_string(), self.resolver.clone()).await?;
        self.found(&name, &addresses)?;
        Ok(addresses)
    }

    /// A granted name has led to these addresses, which a guest may dial from now on.
    pub fn found(&self, name: &str, addresses: &[IpAddr]) -> Result<(), Unreached> {
        checked(name, addresses)?;
        let mut found = lock(&self.found);
        let known = found.entry(name.into()).or_default();
        known.retain(|address| !addresses.contains(address));
        known.extend(addresses);
        let many = known.len().saturating_sub(MAX_ADDRESSES);
        known.drain(..many);
        Ok(())
    }

    /// Whether a guest may dial an address by itself: a granted one, or one that it has found by a granted name.
    pub fn permits(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip(), address.port());
        let found = lock(&self.found);
        let is_found = |name: &str| found.get(name).is_some_and(|known| known.contains(&ip));
        let mut granted = self.servers.iter().filter(|server| server.port() == port);
        let is_granted = reach(ip) != Reach::Never
            && granted.any(|server| match server.name() {
                Some(name) => is_found(name),
                None => server.address() == Some(ip),
            });
        drop(found);
        if !is_granted {
            self.tell(&address.to_string());
        }
        is_granted
    }

    /// Logs the grant that is missing, once for each server.
    fn tell(&self, server: &str) {
        let mut told = lock(&self.told);
        if told.len() >= MAX_TOLD || !told.insert(server.to_owned()) {
            return;
        }
        let component = &*self.component;
        tracing::warn!(
            target: "general",
            component,
            "a connection to {server} is refused: `allow = {{ tcp = [\"HOST:PORT\"] }}` in [component.\"{component}\"] grants one"
        );
    }
}

fn no_host(name: &str) -> String {
    /// How much of it is said.
    const SAID: usize = 100;
    format!(
        "{:?} is no name of a host",
        &name[..name.floor_char_boundary(SAID)]
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
