//! Which servers are trusted: those whose certificates the system's authorities have signed, or those that the
//! configuration names for an origin; and what a handshake offers them.

use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::fault::Fault;
use crate::services::network::SystemRoots;
use crate::tls::OriginTls;

/// The versions of HTTP that a TLS server is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2, or else HTTP/1.1.
    All,
    /// HTTP/1.1 only: HTTP/2 has no place for a `Host` that is not the URL's (RFC 9113, section 8.3.1).
    Http1,
    /// HTTP/1.1 only, for a connection that is to speak another protocol after it.
    Upgraded,
}

/// The authorities of all origins that are like others.
pub struct Roots {
    system: Arc<SystemRoots>,
    made: OnceCell<Handshakes>,
}

/// An origin that is not like others.
pub struct Special {
    tls: OriginTls,
    made: OnceCell<Handshakes>,
}

/// The configurations of handshakes, by the versions that they offer.
struct Handshakes {
    all: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Roots {
    pub fn new(system: Arc<SystemRoots>) -> Self {
        Self {
            system,
            made: OnceCell::new(),
        }
    }

    /// The configuration for a handshake that offers these versions.
    pub async fn get(
        &self,
        versions: Versions,
        special: Option<&Special>,
    ) -> Result<Arc<ClientConfig>, Fault> {
        let handshakes = match special {
            None => {
                let make = || async { Handshakes::new(self.system().await?, None) };
                self.made.get_or_try_init(make).await?
            }
            Some(special) => {
                let make = || async {
                    let roots = match &special.tls.roots {
                        Some(roots) => roots.clone(),
                        None => self.system().await?,
                    };
                    Handshakes::new(roots, special.tls.key.clone())
                };
                special.made.get_or_try_init(make).await?
            }
        };
        Ok(match versions {
            Versions::All => handshakes.all.clone(),
            Versions::Http1 | Versions::Upgraded => handshakes.http1.clone(),
        })
    }

    async fn system(&self) -> Result<Arc<RootCertStore>, Fault> {
        self.system.get().await.map_err(Fault::Tls)
    }
}

impl Special {
    pub fn new(tls: OriginTls) -> Self {
        Self {
            tls,
            made: OnceCell::new(),
        }
    }
}

impl Handshakes {
    fn new(roots: Arc<RootCertStore>, key: Option<Arc<CertifiedKey>>) -> Result<Self, Fault> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::Tls(error.to_string()))?
            .with_root_certificates(roots);
        let mut http1 = match key {
            None => config.with_no_client_auth(),
            Some(key) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut all = http1.clone();
        all.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Self {
            all: Arc::new(all),
            http1: Arc::new(http1),
        })
    }
}
