//! `[http_client]` of the configuration, ready for use: which proxy a URL needs, and which versions of HTTP a server
//! is offered. Connects to nothing.

use std::collections::BTreeMap;

use http::header::HeaderValue;
use http::{Uri, uri::Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::origin::Origin;
use super::trust::Special;
use crate::config;
use crate::services::network::{Reach, reach};
use crate::tls::ClientTls;

/// `[http_client]`, ready for use.
pub struct Settings {
    pub config: config::HttpClient,
    pub tls: ClientTls,
    /// The origins that are not like others.
    special: BTreeMap<String, Special>,
    proxy: Option<Matcher>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&config::HttpClient::default(), &ClientTls::default())
    }
}

impl Settings {
    pub fn new(config: &config::HttpClient, tls: &ClientTls) -> Self {
        let matcher = |proxy: &config::Proxy| {
            let rules = Matcher::builder().all(proxy.expose());
            rules.no(config.no_proxy.join(",")).build()
        };
        Self {
            proxy: config.proxy.as_ref().map(matcher),
            config: config.clone(),
            special: tls
                .origins
                .iter()
                .map(|(origin, tls)| (origin.clone(), Special::new(tls.clone())))
                .collect(),
            tls: tls.clone(),
        }
    }

    /// What is special about the TLS of this origin.
    pub fn special(&self, origin: &Origin) -> Option<&Special> {
        match self.special.is_empty() {
            true => None,
            false => self.special.get(&origin.to_string()),
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
