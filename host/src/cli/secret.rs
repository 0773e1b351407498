//! Secrets for cookies, made where somebody begins: for a new app, and for one under `dev`. Never shows one.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::config::{Config, Secret};

/// The file of a new app's secret.
pub const FILE: &str = "cookie_secret";

/// A secret that nobody can guess.
pub fn random() -> Secret {
    Secret::new(BASE64.encode(rand::random::<[u8; 32]>()))
}

/// Writes a new secret into a file for this user alone, where there is none. `false`: there is one.
pub fn write(file: &Path) -> anyhow::Result<bool> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match opened {
        Ok(mut opened) => {
            let written = writeln!(opened, "{}", random().expose());
            written.with_context(|| format!("{} can't be written", file.display()))?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} can't be written", file.display())),
    }
}

/// Makes the files that an app's configuration names, where they are not there.
pub fn make_missing(app: &Path, config: &Config) -> anyhow::Result<()> {
    for file in config
        .settings
        .cookie_secret
        .iter()
        .flat_map(|secret| secret.files())
    {
        let file = app.join(file);
        if write(&file)? {
            let file = file.display();
            tracing::info!(target: "general", "{file}: made, with a new cookie_secret");
        }
    }
    Ok(())
}
