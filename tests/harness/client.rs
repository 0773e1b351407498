//! A client that sends bytes over one connection, so that a test decides exactly what is sent.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything in a test should take.
pub const LONG: Duration = Duration::from_secs(30);

/// Waits, with a time limit.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("in time")
}

pub struct Client {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The first value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers.find_map(|(other, value)| (other == name).then_some(value))
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// The next response; it must have a length.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let body = self
            .until(|unread| (unread.len() >= length).then_some(length))
            .await;
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    /// The head of the next response.
    pub async fn head(&mut self) -> String {
        let head = self.until(|unread| {
            unread
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .map(|at| at + 4)
        });
        String::from_utf8(head.await).unwrap()
    }

    /// The next chunk of a body in chunks; empty at its end. What follows that is left.
    pub async fn chunk(&mut self) -> String {
        String::from_utf8(self.chunk_of_bytes().await).unwrap()
    }

    /// The same for bytes that are not text.
    pub async fn chunk_of_bytes(&mut self) -> Vec<u8> {
        let line = self.until(|unread| Some(unread.iter().position(|byte| *byte == b'\n')? + 1));
        let line = String::from_utf8(line.await).unwrap();
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        if length == 0 {
            return Vec::new();
        }
        let chunk = self.until(|unread| (unread.len() >= length + 2).then_some(length + 2));
        let mut chunk = chunk.await;
        chunk.truncate(length);
        chunk
    }

    /// Waits for the end of the connection, and returns what came before.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    async fn until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(end) = end(&self.unread) {
                return self.unread.drain(..end).collect();
            }
            let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert!(
                read > 0,
                "closed after {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }
}
