//! Certificates and keys of a server, read from files, in the form for rustls. Opens no connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use crate::base::error::{Fault, Faults};
use crate::base::files;
use crate::config::{self, Certificate, ClientAuth};

/// The protocols that are offered by ALPN (RFC 7301), the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificates for future connections.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// Of all files: equal files make equal servers.
    hash: [u8; 32],
}

impl Tls {
    /// Reads the files that a configuration names. `app` is their folder.
    ///
    /// A fault names the file that can't be read, or that does not fit the others.
    pub fn load(app: &Path, tls: &config::Tls) -> Result<Self, Faults> {
        let provider = Arc::new(ring::default_provider());
        let mut files = Files {
            app,
            hash: Sha256::new(),
        };
        let keys = tls.certificates.iter().map(|one| files.key(one, &provider));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let verifier = match &tls.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(ca) => files.verifier(ca, tls.client_auth, &provider)?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::in_file(&app.join(config::FILE_NAME), error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Self {
            config: Arc::new(config),
            hash: files.hash.finalize().into(),
        })
    }

    /// The configuration for rustls.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

/// Two are equal when their files are.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// Keys are secret.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The files of one configuration as they are read.
struct Files<'a> {
    app: &'a Path,
    hash: Sha256,
}

impl Files<'_> {
    fn key(
        &mut self,
        certificate: &Certificate,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, Faults> {
        let (path, text) = self.read(&certificate.cert)?;
        let chain = certificates(&path, &text)?;
        let (key_path, text) = self.read(&certificate.key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
            let fault = Fault::in_file(&key_path, format!("holds no private key: {error}"));
            fault.hint("it must be PEM, and not encrypted: `-----BEGIN PRIVATE KEY-----`")
        })?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let cert = path.display();
            let fault = Fault::in_file(&key_path, format!("does not go with {cert}: {error}"));
            fault.hint("the key must be the one that the certificate was made for")
        })?;
        Ok(Arc::new(key))
    }

    /// The verifier of clients' certificates.
    fn verifier(
        &mut self,
        ca: &Path,
        auth: ClientAuth,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Faults> {
        let (path, text) = self.read(ca)?;
        let fault = |error: &dyn fmt::Display| {
            let message =
                format!("holds no certificate that clients' could be signed with: {error}");
            Faults::from(Fault::in_file(&path, message))
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&path, &text)? {
            roots.add(certificate).map_err(|error| fault(&error))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let builder = match auth {
            ClientAuth::Required => builder,
            ClientAuth::Optional => builder.allow_unauthenticated(),
        };
        builder.build().map_err(|error| fault(&error))
    }

    fn read(&mut self, path: &Path) -> Result<(PathBuf, Vec<u8>), Faults> {
        let path = self.app.join(path);
        match files::read(&path, files::MAX_TEXT) {
            Ok(text) => {
                self.hash.update((text.len() as u64).to_le_bytes());
                self.hash.update(&text);
                Ok((path, text))
            }
            Err(error) => Err(Fault::in_file(&path, format!("can't be read: {error}")).into()),
        }
    }
}

/// All certificates of a PEM file.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Faults> {
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| Fault::in_file(path, format!("is broken: {error}")))?;
    if all.is_empty() {
        let fault = Fault::in_file(path, "holds no certificate".to_owned());
        return Err(fault
            .hint("it must be PEM: `-----BEGIN CERTIFICATE-----`")
            .into());
    }
    Ok(all)
}

/// The certificate for the name that a client asks for by SNI (RFC 6066, section 3); else the first.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>, name: &ServerName<'_>| {
            let certificate = key.end_entity_cert().ok();
            let parsed = certificate.and_then(|cert| ParsedCertificate::try_from(cert).ok());
            parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
        };
        let name = hello.server_name();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.0.iter().find(|key| fits(key, &name)));
        named.or(self.0.first()).cloned()
    }
}
