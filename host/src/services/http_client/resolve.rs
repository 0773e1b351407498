//! Resolves names to addresses, once for each connection, and only to those that may be dialled. Keeps nothing.

use std::future::Ready;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::addresses::{Reach, reach};
use super::fault::Fault;
use super::settings::Settings;

/// A source of the addresses of names.
pub trait Resolve: Send + Sync {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, on a thread of its own.
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Returns addresses only if all of a name's addresses may be dialled.
#[derive(Clone)]
pub struct Guarded {
    pub settings: Arc<Settings>,
    pub resolver: Arc<dyn Resolve>,
}

impl Service<Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Self::Response, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let name = name.as_str().to_ascii_lowercase();
        if name == "localhost" {
            // Independent of the system's answer.
            let addresses = [[127, 0, 0, 1].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()];
            return Box::pin(ready(addresses.to_vec()));
        }
        if let Some(address) = self.settings.config.hostname_mapping.get(&name) {
            return Box::pin(std::future::ready(
                checked(vec![*address]).map(with_any_port),
            ));
        }
        let resolving = self.resolver.resolve(name);
        Box::pin(async move {
            let addresses = resolving.await;
            let addresses = addresses.map_err(|error| Fault::Unresolved(error.to_string()))?;
            checked(addresses).map(with_any_port)
        })
    }
}

fn ready(addresses: Vec<IpAddr>) -> Ready<Result<vec::IntoIter<SocketAddr>, Fault>> {
    std::future::ready(Ok(with_any_port(addresses)))
}

/// The addresses of a name, unless one of them is more than a name may lead to.
fn checked(addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Fault> {
    if addresses.is_empty() {
        return Err(Fault::Unresolved("there is none".to_owned()));
    }
    let bad = addresses
        .iter()
        .find(|address| reach(**address) != Reach::Open);
    match bad {
        Some(address) => Err(Fault::Prohibited(*address)),
        None => Ok(addresses),
    }
}

/// The port is the URL's.
fn with_any_port(addresses: Vec<IpAddr>) -> vec::IntoIter<SocketAddr> {
    let sockets = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, 0));
    sockets.collect::<Vec<_>>().into_iter()
}
