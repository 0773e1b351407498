//! The body of a request, as a handler writes it while it is sent.

use std::fmt;

use anyhow::anyhow;
use wit_bindgen::StreamWriter;

use crate::result::Result;

/// Where a body is written while it is sent.
pub struct BodyWriter(pub(super) StreamWriter<u8>);

impl BodyWriter {
    /// Sends some bytes, and waits until the host has them. An error where the server takes no more.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result {
        let left = self.0.write_all(bytes.into()).await;
        match left.is_empty() {
            true => Ok(()),
            false => Err(anyhow!("the server takes no more of the body")),
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWriter(…)")
    }
}
