//! TLS of a stream, as the client of a server that the system trusts.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::services::network::SystemRoots;

/// What all handshakes share.
pub struct Tls {
    roots: Arc<SystemRoots>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub fn new(roots: Arc<SystemRoots>) -> Self {
        Self {
            roots,
            config: OnceCell::new(),
        }
    }

    /// For the server of this name or address. The error says why there is none.
    pub async fn with(&self, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let make = || async {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(self.roots.get().await?)
                .with_no_client_auth();
            Ok::<_, String>(Arc::new(config))
        };
        let config = self.config.get_or_try_init(make).await?;
        Ok((TlsConnector::from(config.clone()), name))
    }
}
