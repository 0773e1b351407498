//! A value with its version.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use crate::result::Result;
use crate::runtime::bindings::waterspout::kv::kv as host;

/// A value, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Each change makes a version that the store never had before.
    pub version: u64,
}

impl Entry {
    /// The value whose JSON it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.value).context("a value as JSON")
    }
}

impl From<host::Entry> for Entry {
    fn from(host::Entry { value, version }: host::Entry) -> Self {
        Self { value, version }
    }
}
