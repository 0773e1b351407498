//! `[http_client]` of the configuration, ready for use: which proxy a URL needs, and which versions of HTTP a server
//! is offered. Connects to nothing.

use http::header::HeaderValue;
use http::{Uri, uri::Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::addresses::{Reach, reach};
use super::origin::Origin;
use crate::config;

/// The versions of HTTP that a TLS server is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2, or else HTTP/1.1.
    All,
    /// HTTP/1.1 only: HTTP/2 has no place for a `Host` that is not the URL's (RFC 9113, section 8.3.1).
    Http1,
}

/// `[http_client]`, ready for use.
pub struct Settings {
    pub config: config::HttpClient,
    proxy: Option<Matcher>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&config::HttpClient::default())
    }
}

impl Settings {
    pub fn new(config: &config::HttpClient) -> Self {
        let matcher = |proxy: &config::Proxy| {
            let rules = Matcher::builder().all(proxy.expose());
            rules.no(config.no_proxy.join(",")).build()
        };
        Self {
            proxy: config.proxy.as_ref().map(matcher),
            config: config.clone(),
        }
    }

    /// The proxy for this URL. This machine is reached without one.
    pub fn proxy_for(&self, uri: &Uri) -> Option<Intercept> {
        let origin = Origin::of(uri)?;
        let address = origin.bare_host().parse().ok();
        let is_here = origin.host == "localhost" || address.map(reach) == Some(Reach::Loopback);
        match is_here {
            true => None,
            false => self.proxy.as_ref()?.intercept(uri),
        }
    }

    /// The password for a request that the proxy forwards. Tunnels get theirs elsewhere.
    pub fn password_for(&self, uri: &Uri) -> Option<HeaderValue> {
        match uri.scheme() == Some(&Scheme::HTTP) {
            true => self.proxy_for(uri)?.basic_auth().cloned(),
            false => None,
        }
    }
}
