//! A client of streams, line by line.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::Running;
use super::client::soon;

/// Where a server takes streams for this handler: the `nth` that its log names, counted from 1.
pub async fn place_of(server: &Running, nth: usize, handler: &str) -> SocketAddr {
    let words = format!("for {handler}");
    let line = server.log.nth_line_with(nth, &words).await;
    let (_, rest) = line.split_once("streams on ").expect("an address");
    let (address, _) = rest.split_once(' ').expect("an address");
    address.parse().expect("an address")
}

/// A stream, line by line.
pub struct Lines<S = TcpStream>(pub BufStream<S>);

impl Lines {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"))
    }

    /// What is at the other side of the system's call, for what needs it.
    pub fn socket(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Lines<S> {
    pub fn over(stream: S) -> Self {
        Self(BufStream::new(stream))
    }

    pub async fn say(&mut self, line: &str) {
        self.0.write_all(line.as_bytes()).await.expect("written");
        self.0.write_all(b"\n").await.expect("written");
        self.0.flush().await.expect("written");
    }

    /// The next line; empty at the end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.expect("a line");
        line.trim_end().to_owned()
    }

    pub async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.line().await
    }

    /// All that comes until the end. A reset is none.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        soon(self.0.read_to_end(&mut rest)).await.expect("an end");
        rest
    }
}
