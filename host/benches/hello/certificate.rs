//! The certificate of servers that encrypt, and the clients that trust it. Opens no connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name in the certificate.
pub const NAME: &str = "localhost";

/// The protocol that is offered by ALPN.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A self-signed certificate of the usual kind: ECDSA with P-256.
pub struct Certificate {
    /// The certificate and its key, as PEM.
    folder: TempDir,
    connector: TlsConnector,
}

impl Certificate {
    /// A new one each time.
    pub fn new() -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()])?;
        let folder = tempfile::tempdir()?;
        fs::write(cert_file(folder.path()), cert.pem())?;
        fs::write(key_file(folder.path()), signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Self {
            folder,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client that trusts it, and speaks only HTTP/2.
    pub fn connector(&self) -> TlsConnector {
        self.connector.clone()
    }
}

/// The certificate of such a folder.
pub fn cert_file(folder: &Path) -> PathBuf {
    folder.join("cert.pem")
}

/// Its key.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join("key.pem")
}

/// A server with the certificate of such a folder, with Waterspout's settings.
pub fn acceptor(folder: &Path) -> anyhow::Result<TlsAcceptor> {
    let cert = CertificateDer::from_pem_file(cert_file(folder))?;
    let key = PrivateKeyDer::from_pem_file(key_file(folder))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
