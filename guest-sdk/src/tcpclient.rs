//! Streams to other servers by TCP. Tornado's [`tornado.tcpclient`](https://www.tornadoweb.org/en/stable/tcpclient.html).

use std::time::Duration;

use crate::iostream::error::StreamError;
use crate::iostream::stream::{IoStream, MAX_BUFFER_SIZE};
use crate::runtime::bindings::waterspout::tcp::tcpclient as host;
use crate::runtime::durations::nanoseconds;

/// Opens streams to other servers. Tornado's
/// [`TCPClient`](https://www.tornadoweb.org/en/stable/tcpclient.html#tornado.tcpclient.TCPClient). The component's
/// `allow.tcp` has to grant each server by host and port: `allow = { tcp = ["db.internal:5432"] }`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// use std::time::Duration;
///
/// use waterspout_sdk::tcpclient::TcpClient;
///
/// # async fn get(cx: &Context) -> Result {
/// let client = TcpClient::new().with_timeout(Duration::from_secs(2));
/// let stream = client.connect("redis.internal", 6379).await?;
/// stream.write(b"PING\r\n").await?;
/// ensure!(stream.read_until(b"\r\n").await? == b"+PONG\r\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TcpClient {
    timeout: Option<Duration>,
    is_encrypted: bool,
    max_buffer_size: usize,
}

impl Default for TcpClient {
    fn default() -> Self {
        Self {
            timeout: None,
            is_encrypted: false,
            max_buffer_size: MAX_BUFFER_SIZE,
        }
    }
}

impl TcpClient {
    /// A client whose streams are not encrypted.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long connecting may take: a turn under `max_clients`, the connection, and TLS. 20 seconds unless this says
    /// otherwise.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Encrypts from the beginning. The server's certificate has to be for the host that is connected to, by one of the
    /// authorities that the system trusts. Tornado's `ssl_options`.
    pub fn with_tls(mut self) -> Self {
        self.is_encrypted = true;
        self
    }

    /// How many bytes that were not read yet a stream may have in the instance's memory. 10 MiB unless this says otherwise;
    /// Tornado's default is 100.
    pub fn with_max_buffer_size(mut self, bytes: usize) -> Self {
        self.max_buffer_size = bytes.max(1);
        self
    }

    /// Opens a stream to a server, by its name or its address. Of several addresses the one that answers first is taken.
    pub async fn connect(&self, host: &str, port: u16) -> Result<IoStream, StreamError> {
        let stream = host::connect(host::Destination {
            host: host.to_owned(),
            port,
            tls: self.is_encrypted,
            timeout: self.timeout.map(nanoseconds),
        });
        Ok(IoStream::connected(
            stream.await?,
            self.is_encrypted,
            self.max_buffer_size,
        ))
    }
}
