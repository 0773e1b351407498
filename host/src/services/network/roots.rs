//! The authorities that the system trusts. They are read once, when they are first needed, and not on a thread that
//! serves.

use std::sync::Arc;

use rustls::RootCertStore;
use tokio::sync::OnceCell;

/// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
#[derive(Default)]
pub struct SystemRoots(OnceCell<Arc<RootCertStore>>);

impl SystemRoots {
    /// An error says why they can't be read.
    pub async fn get(&self) -> Result<Arc<RootCertStore>, String> {
        let read = || async {
            let read = tokio::task::spawn_blocking(read).await;
            read.map(Arc::new).map_err(|error| error.to_string())
        };
        self.0.get_or_try_init(read).await.cloned()
    }
}

fn read() -> RootCertStore {
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
    roots
}
