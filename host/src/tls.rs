//! Certificates and keys of a server, read from files, in the form for rustls. Opens no connection.

mod client;
mod files;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use self::files::Files;
use crate::base::error::{Fault, Faults};
use crate::config::{self, ClientAuth};

pub use self::client::{ClientTls, OriginTls};

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
        let mut files = Files::of(app);
        let keys = tls.certificates.iter().map(|one| files.key(one, &provider));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let verifier = match &tls.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(ca) => verifier(&mut files, ca, tls.client_auth, &provider)?,
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
            hash: files.hash(),
        })
    }

    /// The same for what is not HTTP.
    pub fn without_alpn(mut self) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols.clear();
        self
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

/// The verifier of clients' certificates.
fn verifier(
    files: &mut Files<'_>,
    ca: &Path,
    auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Faults> {
    let (path, roots) = files.roots(ca, "clients'")?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| {
        let message = format!("holds no certificate that clients' could be signed with: {error}");
        Fault::in_file(&path, message).into()
    })
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
