//! The client's side of HTTP/2 over TLS, by the crate `h2`. hyper's client is the same with more layers, which would
//! cost the client's core time. Knows no right answer.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{SendRequest, handshake};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::certificate::NAME;

/// Sends one request after the other on a connection that others may use concurrently.
#[derive(Clone)]
pub struct Client {
    sender: SendRequest<Bytes>,
    answer: Vec<u8>,
}

impl Client {
    /// Begins HTTP/2, and leaves the connection to its own task.
    pub async fn open(tls: &TlsConnector, stream: TcpStream) -> anyhow::Result<Self> {
        let stream = tls.connect(ServerName::try_from(NAME)?, stream).await?;
        let (sender, connection) = handshake(stream).await?;
        // If it fails, so do all its clients.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            answer: Vec::new(),
        })
    }

    /// Sends a request, and returns the whole answer in the form of HTTP/1. It is valid until the next one.
    pub async fn ask(&mut self, request: &http::Request<()>) -> anyhow::Result<&[u8]> {
        std::future::poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        let (response, _) = self.sender.send_request(request.clone(), true)?;
        let (head, mut body) = response.await?.into_parts();
        self.answer.clear();
        write!(self.answer, "{:?} {}\r\n", head.version, head.status)?;
        for (name, value) in &head.headers {
            self.answer.extend_from_slice(name.as_str().as_bytes());
            self.answer.extend_from_slice(b": ");
            self.answer.extend_from_slice(value.as_bytes());
            self.answer.extend_from_slice(b"\r\n");
        }
        self.answer.extend_from_slice(b"\r\n");
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            self.answer.extend_from_slice(&piece);
        }
        Ok(&self.answer)
    }
}

/// Sends a request on its own connection.
pub fn ask_once(
    tls: &TlsConnector,
    address: SocketAddr,
    request: &http::Request<()>,
) -> anyhow::Result<Vec<u8>> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Client::open(tls, stream).await?;
        anyhow::Ok(client.ask(request).await?.to_vec())
    };
    runtime.block_on(async { timeout(PATIENCE, answer).await? })
}
