//! Requests that are under way while a test does something else.

use serde_json::Value;

use super::{Client, Running, entry, soon};

/// Sends what these requests wait for, which may be in any order.
pub async fn let_go(held: &mut [Client]) {
    for client in held {
        client.send("x").await;
    }
}

impl Running {
    /// Sends a request without a body over its own connection. Its answer is taken later.
    pub async fn send(&self, line: &str) -> Client {
        let mut client = self.connect().await;
        client
            .send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        client
    }

    /// Sends the same request concurrently, this many times.
    pub async fn send_all(&self, line: &str, count: usize) -> Vec<Client> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.send(line).await);
        }
        clients
    }

    /// Sends this many requests whose body of one byte is still to come. Handlers that read it wait for `let_go`.
    pub async fn hold(&self, line: &str, count: usize) -> Vec<Client> {
        let mut clients = Vec::new();
        for _ in 0..count {
            let mut client = self.connect().await;
            client
                .send(format!(
                    "{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
                ))
                .await;
            clients.push(client);
        }
        clients
    }

    /// Waits until a number in a component's entry of the status is this one.
    pub async fn until_count(&self, file: &str, name: &str, count: u64) {
        let counts = |status: &Value| entry(status, file).is_some_and(|entry| entry[name] == count);
        self.until(counts).await;
    }

    /// Waits until this many requests are with a component, inside or queued.
    pub async fn until_in_flight(&self, file: &str, count: u64) {
        self.until_count(file, "in_flight", count).await;
    }

    /// The body of a GET as JSON.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
    }

    /// Requests the JSON at this path until it is as wanted.
    pub async fn until_json(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut client = self.connect().await;
        soon(async {
            loop {
                let answer = client.get(path).await;
                if let Ok(value) = serde_json::from_str(&answer.body)
                    && wanted(&value)
                {
                    return value;
                }
            }
        })
        .await
    }
}
