//! Which servers are trusted: those whose certificates the system's authorities have signed. Read once, when a fetch
//! first needs it, and not on a thread that serves.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::fault::Fault;
use super::settings::Versions;

/// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
#[derive(Default)]
pub struct Roots(OnceCell<Read>);

/// What was read for handshakes.
struct Read {
    all: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Roots {
    /// The configuration for a handshake that offers these versions.
    pub async fn get(&self, versions: Versions) -> Result<Arc<ClientConfig>, Fault> {
        let read = || async {
            let read = tokio::task::spawn_blocking(read).await;
            read.map_err(|error| Fault::Tls(error.to_string()))?
        };
        let read = self.0.get_or_try_init(read).await?;
        Ok(match versions {
            Versions::All => read.all.clone(),
            Versions::Http1 => read.http1.clone(),
        })
    }
}

fn read() -> Result<Read, Fault> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(target: "general", "an authority's certificate can't be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            target: "general",
            "this system has no authorities' certificates, so no fetch by https can succeed: install them \
             (`ca-certificates`), or name a file by SSL_CERT_FILE"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Tls(error.to_string()))?;
    let mut http1 = config.with_root_certificates(roots).with_no_client_auth();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut all = http1.clone();
    all.alpn_protocols.insert(0, b"h2".to_vec());
    Ok(Read {
        all: Arc::new(all),
        http1: Arc::new(http1),
    })
}
