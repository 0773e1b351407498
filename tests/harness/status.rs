//! What a server's status says, and waiting until it says it. Knows no log.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Client, Running, soon};

impl Running {
    /// `/api/status`.
    pub async fn status(&self) -> Value {
        let answer = soon(Client::connect(self.admin).await.get("/api/status")).await;
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        soon(Client::connect(self.admin).await.get("/metrics"))
            .await
            .body
    }

    /// The status' entry of a component that serves.
    pub async fn component(&self, file: &str) -> Value {
        let status = self.status().await;
        entry(&status, file).unwrap_or_else(|| panic!("{file} is not in {status}"))
    }

    /// Reads the status again and again until it is as wanted.
    pub async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut admin = Client::connect(self.admin).await;
        soon(async {
            loop {
                let answer = admin.get("/api/status").await;
                let status = serde_json::from_str(&answer.body).expect("JSON");
                if wanted(&status) {
                    return status;
                }
                // So that the time is not spent on this loop.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// Waits until the status shows that these bytes serve under this file's name.
    pub async fn until_serving(&self, file: &str, bytes: &[u8]) -> Value {
        let sha256 = format!("{:x}", Sha256::digest(bytes));
        self.until(|status| entry(status, file).is_some_and(|entry| entry["sha256"] == *sha256))
            .await
    }

    /// Waits until a change was refused, or none is any more.
    pub async fn until_swap_is(&self, ok: bool) -> Value {
        self.until(|status| status["last_swap"]["ok"] == ok).await
    }

    /// Waits until this generation serves.
    pub async fn until_generation(&self, number: u64) -> Value {
        self.until(|status| status["generation"].as_u64() >= Some(number))
            .await
    }
}

/// The entry of a component in a status, without its draining copies.
pub fn entry(status: &Value, file: &str) -> Option<Value> {
    let components = status["components"].as_array()?;
    let found = components
        .iter()
        .find(|entry| entry["file"] == file && entry["state"] != "draining");
    found.cloned()
}
