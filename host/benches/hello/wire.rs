//! The protocols between client and server: HTTP/1.1 with its own bytes, or HTTP/2 over TLS. Measures nothing.

use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::answer::Answer;
use crate::certificate::NAME;
use crate::http2;

/// How many concurrent requests each HTTP/2 connection has.
pub const STREAMS: usize = 16;

/// One of the two.
pub enum Wire {
    /// Unencrypted, one request after the other.
    Http1,
    /// Over TLS, several concurrent requests.
    Http2(TlsConnector),
}

/// A request in both forms.
pub struct Request {
    /// All its bytes.
    pub http1: Vec<u8>,
    /// A GET of the same path: there are no other requests over HTTP/2.
    pub http2: http::Request<()>,
}

impl Request {
    /// With these bytes, which request `path`.
    pub fn new(bytes: Vec<u8>, path: &str) -> anyhow::Result<Self> {
        let get = http::Request::get(format!("https://{NAME}{path}"));
        Ok(Self {
            http1: bytes,
            http2: get.body(())?,
        })
    }
}

/// One request after the other: a connection, or a part of one.
pub enum Line {
    /// All of a connection, and a buffer for answers.
    Http1(TcpStream, Vec<u8>),
    /// One stream of it at a time.
    Http2(http2::Client),
}

impl Wire {
    /// How many concurrent requests a connection has.
    pub fn at_once(&self) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2(_) => STREAMS,
        }
    }

    /// Asks once, on its own connection, and checks status and body of the answer.
    pub fn learn(
        &self,
        address: SocketAddr,
        request: &Request,
        check: impl FnOnce(&str, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Answer> {
        match self {
            Self::Http1 => Answer::learn(&mut connect(address)?, &request.http1, check),
            Self::Http2(tls) => {
                let bytes = http2::ask_once(tls, address, &request.http2)?;
                Answer::of(bytes, check)
            }
        }
    }

    /// Opens this number of lines on this connection, with room for answers of this length.
    pub async fn open(
        &self,
        stream: net::TcpStream,
        lines: usize,
        buffer: Vec<u8>,
    ) -> anyhow::Result<Vec<Line>> {
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        match self {
            Self::Http1 => Ok(vec![Line::Http1(stream, buffer)]),
            Self::Http2(tls) => {
                let client = http2::Client::open(tls, stream).await?;
                Ok((0..lines).map(|_| Line::Http2(client.clone())).collect())
            }
        }
    }
}

impl Line {
    /// Sends a request, and compares the answer with the right one.
    pub async fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        match self {
            Self::Http1(stream, buffer) => {
                stream.write_all(&question.request.http1).await?;
                question.answer.read(stream, buffer).await
            }
            Self::Http2(client) => {
                let answer = client.ask(&question.request.http2).await?;
                question.answer.compare(answer)
            }
        }
    }
}

/// A connection with a time limit.
pub fn connect(address: SocketAddr) -> anyhow::Result<net::TcpStream> {
    let stream = net::TcpStream::connect(address).context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// One request and its answer.
pub struct Question {
    /// What is sent.
    pub request: Request,
    /// Learned from the same server.
    pub answer: Arc<Answer>,
}
