//! One connection to a server: by its name or its address, to that of its addresses that answers first (RFC 8305). What a
//! name leads to is checked where it is dialled.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolve::{Guarded, Mapping, Resolve};
use super::unreached::Unreached;

/// Dials servers.
#[derive(Clone)]
pub struct Dialer(HttpConnector<Guarded>);

impl Dialer {
    pub fn new(mapping: Mapping, resolver: Arc<dyn Resolve>) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Guarded { mapping, resolver });
        connector.enforce_http(false);
        connector.set_nodelay(true);
        Self(connector)
    }

    /// Dials the server of this URI. An address in it was checked before.
    pub async fn dial(&mut self, uri: Uri) -> Result<TcpStream, Unreached> {
        let socket = self.0.call(uri).await.map_err(|error| {
            let deepest = || {
                let mut deepest: &(dyn Error + 'static) = &error;
                while let Some(next) = deepest.source() {
                    deepest = next;
                }
                let io = deepest.downcast_ref::<io::Error>();
                let kind = io.map_or(io::ErrorKind::Other, io::Error::kind);
                Unreached::Unreachable(io::Error::new(kind, deepest.to_string()))
            };
            Unreached::behind(&error).unwrap_or_else(deepest)
        })?;
        Ok(socket.into_inner())
    }
}
