//! One connection to a server: by its name or its address, to that of its addresses that answers first (RFC 8305). What a
//! name leads to is checked where it is dialled.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolve::{Guarded, Mapping, Resolve};

/// Why a server can't be reached.
#[derive(Debug)]
pub enum Unreached {
    /// A name leads to an address that must be named itself, or that nobody may reach.
    Prohibited(IpAddr),
    /// The name has no address.
    Unresolved(String),
    /// It does not answer.
    Unreachable(io::Error),
}

impl Unreached {
    /// The reason behind another error.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(one) = next {
            if let Some(own) = one.downcast_ref::<Self>() {
                return Some(own.again());
            }
            // As its source, an io::Error skips the error that it was made from.
            let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(own) = inner.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(own.again());
            }
            next = one.source();
        }
        None
    }

    fn again(&self) -> Self {
        match self {
            Self::Prohibited(address) => Self::Prohibited(*address),
            Self::Unresolved(why) => Self::Unresolved(why.clone()),
            Self::Unreachable(error) => {
                Self::Unreachable(io::Error::new(error.kind(), error.to_string()))
            }
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prohibited(address) => write!(f, "{address} may not be reached by a name"),
            Self::Unresolved(why) => write!(f, "the name has no address: {why}"),
            Self::Unreachable(error) => write!(f, "can't connect: {error}"),
        }
    }
}

impl Error for Unreached {}

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
