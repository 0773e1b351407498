//! One client thread: sockets that send a message, wait until it has come back, and send the next. Measures only time.

use std::net;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::messages::{Check, Messages};
use crate::client::{Window, run};

/// Talks on these sockets from this core, and returns how long each answer took. One failure ends all.
pub fn talk(
    core: usize,
    sockets: Vec<net::TcpStream>,
    messages: &Arc<Messages>,
    window: Window,
) -> anyhow::Result<Vec<Duration>> {
    /// So that no two sockets send the same at the same time.
    const APART: usize = 7;
    run(core, window, async {
        let mut clients = JoinSet::new();
        for (number, stream) in sockets.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let client = Client {
                stream: TcpStream::from_std(stream)?,
                check: messages.check(),
                messages: messages.clone(),
                next: number * APART,
            };
            clients.spawn(client.talk(window));
        }
        let mut latencies = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        Ok(latencies)
    })
}

/// A client on one socket.
struct Client {
    stream: TcpStream,
    messages: Arc<Messages>,
    check: Check,
    next: usize,
}

impl Client {
    /// Sends messages and checks the answers until the end. Returns how long each answer took that counts.
    async fn talk(mut self, window: Window) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        loop {
            let sent = Instant::now();
            self.echo().await?;
            let answered = Instant::now();
            if answered >= window.end {
                return Ok(latencies);
            }
            if answered >= window.begin {
                latencies.push(answered - sent);
            }
        }
    }

    async fn echo(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(self.messages.sent(self.next)).await?;
        let mut length = 0;
        while !self.check.is_whole(length)? {
            let more = self.stream.read(&mut self.check.read[length..]).await?;
            ensure!(more > 0, "closed by the server");
            length += more;
        }
        self.check.compare(length, &self.messages, self.next)?;
        self.next += 1;
        Ok(())
    }
}
