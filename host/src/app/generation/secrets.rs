//! What an app signs with: its `cookie_secret`, read from the configuration or from files. Signs nothing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::error::{Fault, Faults};
use crate::base::files;
use crate::config::{CookieSecret, Secret, SecretSource};
use crate::services::signing::Signer;

/// The largest file of a secret, in bytes.
const MOST: u64 = 64 << 10;

/// Reads the secrets. Nothing of them is in a fault.
pub fn load(folder: &Path, secret: &CookieSecret) -> Result<Signer, Faults> {
    match secret {
        CookieSecret::One(source) => {
            let secret = read(folder, source)?;
            Ok(Signer::new(BTreeMap::from([(0, secret)]), None))
        }
        CookieSecret::Versions {
            secrets,
            key_version,
        } => {
            let secrets = secrets.iter();
            let secrets = secrets.map(|(version, source)| Ok((*version, read(folder, source)?)));
            let secrets: Result<_, Faults> = secrets.collect();
            Ok(Signer::new(secrets?, Some(*key_version)))
        }
    }
}

fn read(folder: &Path, source: &SecretSource) -> Result<Secret, Faults> {
    const HINT: &str =
        "`cookie_secret` names it; make one, for example by `openssl rand -base64 32`";
    let file = match source {
        SecretSource::Text(secret) => return Ok(secret.clone()),
        SecretSource::File(file) => folder.join(file),
    };
    let fault = |message: String| Faults::from(Fault::in_file(&file, message).hint(HINT));
    let bytes =
        files::read(&file, MOST).map_err(|error| fault(format!("can't be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| fault("is not UTF-8".to_owned()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(fault("the file is empty".to_owned())),
        text => Ok(Secret::new(text)),
    }
}
