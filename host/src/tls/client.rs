//! What fetches from single origins trust, and what they show, read from files. Opens no connection.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;

use super::files::Files;
use crate::base::error::Faults;
use crate::config;

/// What is other than usual with the TLS of fetches, by origin: `https://db.internal:8443`.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// What is other than usual, by origin.
    pub origins: BTreeMap<String, OriginTls>,
    /// Of all files: equal files make equal clients.
    hash: [u8; 32],
}

/// The same for one origin.
#[derive(Clone, Debug, Default)]
pub struct OriginTls {
    /// The authorities that count, in place of the system's.
    pub roots: Option<Arc<RootCertStore>>,
    /// What is shown to a server that asks.
    pub key: Option<Arc<CertifiedKey>>,
}

impl ClientTls {
    /// Reads the files that a configuration names. `app` is their folder.
    pub fn load(app: &Path, client: &config::HttpClient) -> Result<Self, Faults> {
        let mut files = Files::of(app);
        let mut origins = BTreeMap::<String, OriginTls>::new();
        for (origin, path) in &client.ca_certs {
            let (_, roots) = files.roots(path, "a server's")?;
            origins.entry(origin.clone()).or_default().roots = Some(Arc::new(roots));
        }
        let provider = ring::default_provider();
        for (origin, pair) in &client.client_cert {
            let key = files.key(pair, &provider)?;
            origins.entry(origin.clone()).or_default().key = Some(key);
        }
        Ok(Self {
            origins,
            hash: files.hash(),
        })
    }
}

/// Two are equal when they are of the same origins and files.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.origins.keys().eq(other.origins.keys())
    }
}
