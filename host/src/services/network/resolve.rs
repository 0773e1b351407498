//! Resolves names to addresses, once for each connection, and only to those that may be dialled. Keeps nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::addresses::{Reach, reach};
use super::unreached::Unreached;

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

/// Names whose address is given.
pub type Mapping = Arc<dyn Fn(&str) -> Option<IpAddr> + Send + Sync>;

/// Returns addresses only if all of a name's addresses may be dialled.
#[derive(Clone)]
pub struct Guarded {
    pub mapping: Mapping,
    pub resolver: Arc<dyn Resolve>,
}

impl Service<Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unreached;
    type Future = BoxFuture<'static, Result<Self::Response, Unreached>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreached>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let name = name.as_str().to_ascii_lowercase();
        if let Some(address) = (self.mapping)(&name).filter(|_| name != LOCALHOST) {
            let mapped = checked(&name, &[address]);
            let mapped = mapped.map(|()| with_any_port(vec![address]));
            return Box::pin(std::future::ready(mapped));
        }
        let found = addresses_of(name, self.resolver.clone());
        Box::pin(async move { found.await.map(with_any_port) })
    }
}

/// The name of this machine. What it leads to is independent of the system's answer.
const LOCALHOST: &str = "localhost";

/// The addresses of a name, if all of them may be dialled. The name is in lower case.
pub async fn addresses_of(
    name: String,
    resolver: Arc<dyn Resolve>,
) -> Result<Vec<IpAddr>, Unreached> {
    if name == LOCALHOST {
        return Ok(vec![[127, 0, 0, 1].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()]);
    }
    let addresses = resolver.resolve(name.clone()).await;
    let addresses = addresses.map_err(|error| Unreached::Unresolved(error.to_string()))?;
    checked(&name, &addresses)?;
    Ok(addresses)
}

/// Whether a name may lead to these addresses, which are all that it has.
pub fn checked(name: &str, addresses: &[IpAddr]) -> Result<(), Unreached> {
    if addresses.is_empty() {
        return Err(Unreached::Unresolved("there is none".to_owned()));
    }
    let good = match name == LOCALHOST {
        true => Reach::Loopback,
        false => Reach::Open,
    };
    let mut addresses = addresses.iter();
    match addresses.find(|address| reach(**address) != good) {
        Some(address) => Err(Unreached::Prohibited(*address)),
        None => Ok(()),
    }
}

/// The port is the URL's.
fn with_any_port(addresses: Vec<IpAddr>) -> vec::IntoIter<SocketAddr> {
    let sockets = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, 0));
    sockets.collect::<Vec<_>>().into_iter()
}
