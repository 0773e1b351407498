//! The PEM files of certificates, keys and authorities that a configuration names. Knows neither servers nor clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use crate::base::error::{Fault, Faults};
use crate::base::files;
use crate::config::Certificate;

/// The files of one configuration as they are read.
pub struct Files<'a> {
    app: &'a Path,
    hash: Sha256,
}

impl<'a> Files<'a> {
    pub fn of(app: &'a Path) -> Self {
        Self {
            app,
            hash: Sha256::new(),
        }
    }

    /// A digest of all that was read.
    pub fn hash(self) -> [u8; 32] {
        self.hash.finalize().into()
    }

    /// A certificate with its key.
    pub fn key(
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

    /// The authorities in a file. `whose`: what they sign.
    pub fn roots(&mut self, path: &Path, whose: &str) -> Result<(PathBuf, RootCertStore), Faults> {
        let (path, text) = self.read(path)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&path, &text)? {
            roots.add(certificate).map_err(|error| {
                let message =
                    format!("holds no certificate that {whose} could be signed with: {error}");
                Faults::from(Fault::in_file(&path, message))
            })?;
        }
        Ok((path, roots))
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
