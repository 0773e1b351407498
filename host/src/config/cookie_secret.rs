//! `cookie_secret`: what cookies are signed with, here or in files. Never prints a secret, neither in faults nor in
//! `Debug`, and reads no file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::de::DeValue;

use super::section::{Section, table};
use super::value::{MOST, Value};

/// The secret for signed cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieSecret {
    /// One secret for all.
    One(SecretSource),
    /// Secrets by version: all of them verify, one signs.
    Versions {
        /// The secrets.
        secrets: BTreeMap<u32, SecretSource>,
        /// The version that signs, `key_version`; it is in `secrets`.
        key_version: u32,
    },
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration.
    Text(Secret),
    /// In a file: all of its text but the end of its last line. The path is relative to the app's folder.
    File(PathBuf),
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl CookieSecret {
    /// The files that it names.
    pub fn files(&self) -> Vec<&PathBuf> {
        let sources: Vec<&SecretSource> = match self {
            Self::One(source) => vec![source],
            Self::Versions { secrets, .. } => secrets.values().collect(),
        };
        let files = sources.into_iter().filter_map(|source| match source {
            SecretSource::File(file) => Some(file),
            SecretSource::Text(_) => None,
        });
        files.collect()
    }
}

/// Reads `cookie_secret` and `key_version`.
pub(super) fn read(section: &mut Section<'_, '_>) -> Option<CookieSecret> {
    let value = section.take("cookie_secret");
    let version = section.take("key_version");
    let Some(value) = value else {
        let alone = "`key_version` needs a table of secrets in `cookie_secret`";
        return version?.wrong(alone, None);
    };
    if let DeValue::Table(secrets) = value.item()
        && secrets.get("file").is_none()
    {
        return versions(value, version);
    }
    if let Some(version) = version {
        let hint = "for versions write `cookie_secret = { 1 = \"…\" }`";
        return version.wrong(
            "`key_version` is for more than one cookie secret",
            Some(hint.to_owned()),
        );
    }
    source(value).map(CookieSecret::One)
}

fn versions(value: Value<'_, '_>, version: Option<Value<'_, '_>>) -> Option<CookieSecret> {
    let mut secrets = BTreeMap::new();
    for (key, value) in table(value, "in `cookie_secret`")?.entries() {
        match key.text().parse::<u32>() {
            Ok(version) => secrets.extend(source(value).map(|secret| (version, secret))),
            Err(_) => {
                let message = format!(
                    "a cookie secret's version is a number, not `{}`",
                    key.text()
                );
                key.wrong::<()>(message, None);
            }
        }
    }
    let Some(version) = version else {
        let hint = "say which one signs, for example `key_version = 1`";
        return value.wrong("`key_version` is missing", Some(hint.to_owned()));
    };
    let key_version = u32::try_from(version.count(0..=MOST)?).ok()?;
    if !secrets.contains_key(&key_version) {
        return version.wrong(format!("no cookie secret has version {key_version}"), None);
    }
    Some(CookieSecret::Versions {
        secrets,
        key_version,
    })
}

/// Reads a secret, or `{ file = "…" }`.
fn source(value: Value<'_, '_>) -> Option<SecretSource> {
    if let DeValue::Table(_) = value.item() {
        let mut section = table(value, "in `cookie_secret`")?;
        let file = section.require("file", Value::path);
        section.finish();
        return file.map(SecretSource::File);
    }
    match value.as_text() {
        Some(text) if !text.is_empty() => Some(SecretSource::Text(Secret::new(text))),
        _ => value.wrong(
            "a cookie secret must be a string that isn't empty, or `{ file = \"…\" }`",
            Some("a long random one, for example of `openssl rand -base64 32`".to_owned()),
        ),
    }
}
