//! A stream that a client has opened, on its way to its handler. Reads nothing.

use std::fmt;
use std::sync::Mutex;

use http::request::Parts;
use http::{Method, Request, Uri};

use super::lock;
use crate::services::tcp::{Stream, Watched};

/// A stream of a client.
pub struct Connection {
    /// Until its handler has it.
    stream: Mutex<Option<Stream>>,
    watched: Watched,
    /// The client, such as `192.0.2.1:50000`; empty on a unix socket.
    pub address: String,
    /// Whether it is encrypted.
    pub tls: bool,
}

impl Connection {
    pub fn new(stream: Stream, address: String, tls: bool) -> Self {
        Self {
            watched: stream.watched(),
            stream: Mutex::new(Some(stream)),
            address,
            tls,
        }
    }

    /// The stream, for its handler, which owns it from now on.
    pub fn take(&self) -> Option<Stream> {
        lock(&self.stream).take()
    }

    /// Its handler reads no more than what has come.
    pub fn end_reading(&self) {
        self.watched.end_reading();
    }

    /// Closes it, whoever has it.
    pub fn close(&self, why: &str) {
        self.watched.close(why.to_owned());
    }

    /// What stands for the head of a request, which a stream does not have: `TCP 127.0.0.1:7000`, or `TCP /run/app.sock`.
    pub fn head(listen: &str) -> Parts {
        let listen = listen.strip_prefix("unix:").unwrap_or(listen);
        let mut head = Request::new(()).into_parts().0;
        head.method = Method::from_bytes(b"TCP").unwrap_or_default();
        head.uri = Uri::try_from(listen).unwrap_or_default();
        head
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut connection = f.debug_struct("Connection");
        connection
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
