//! `[server] tls`: certificates and keys, by their files. Never reads them.

use std::path::PathBuf;

use super::section::{Section, table};
use super::value::Value;

/// The certificates of connections. Paths are relative to the app's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates, at least one. A client gets the one that is valid for the name it asks for, else the first.
    pub certificates: Vec<Certificate>,
    /// The authority for clients' certificates, as PEM. Without it clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether clients need a certificate.
    pub client_auth: ClientAuth,
}

/// One certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and those between it and its root, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// What happens to clients without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are refused.
    #[default]
    Required,
    /// They are served. A client that shows a certificate must show a valid one.
    Optional,
}

impl Tls {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter();
        pairs
            .flat_map(|pair| [&pair.cert, &pair.key])
            .chain(&self.client_ca)
    }
}

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<Tls> {
    read_with(value, |_| {})
}

/// Reads the table, which has more in it.
pub(super) fn read_with(
    value: Value<'_, '_>,
    more: impl FnOnce(&mut Section<'_, '_>),
) -> Option<Tls> {
    let mut section = table(value, "in `tls`")?;
    more(&mut section);
    let certificates = match section.get("certificates", |value| value.list(certificate)) {
        Some(certificates) if certificates.is_empty() => {
            return value.wrong("`certificates` is empty", Some(EXAMPLE.to_owned()));
        }
        Some(certificates) => Some(certificates),
        None => {
            let cert = section.require("cert", Value::path);
            let key = section.require("key", Value::path);
            cert.zip(key)
                .map(|(cert, key)| vec![Certificate { cert, key }])
        }
    };
    let client_ca = section.get("client_ca", Value::path);
    let auth = section.get("client_auth", |value| {
        let choices = [
            ("required", ClientAuth::Required),
            ("optional", ClientAuth::Optional),
        ];
        let choice = value.choice(&choices)?;
        if client_ca.is_none() {
            let hint = "say with `client_ca` who signs clients' certificates";
            return value.wrong("nobody could be let in by it", Some(hint.to_owned()));
        }
        Some(choice)
    });
    section.finish();
    Some(Tls {
        certificates: certificates?,
        client_ca,
        client_auth: auth.unwrap_or_default(),
    })
}

const EXAMPLE: &str = "for example `certificates = [{ cert = \"cert.pem\", key = \"key.pem\" }]`";

/// A certificate and its key.
pub(super) fn certificate(value: Value<'_, '_>) -> Option<Certificate> {
    let mut section = table(value, "in this certificate")?;
    let cert = section.require("cert", Value::path);
    let key = section.require("key", Value::path);
    section.finish();
    Some(Certificate {
        cert: cert?,
        key: key?,
    })
}
