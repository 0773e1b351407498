//! One raw stream: handed over as it was accepted. Never reads it and never writes to it.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use tokio::net::{TcpStream, UnixStream};
use tracing::warn;

use crate::edge::listener::Accepted;
use crate::edge::server::{Attendant, Place, Slot};
use crate::services::tcp::Socket;

/// A stream that a client has opened.
pub struct Opened {
    /// The connection.
    pub socket: Socket,
    /// The client; `None` on a unix socket.
    pub peer: Option<SocketAddr>,
    /// Where it was accepted.
    pub place: Arc<Place>,
    /// It counts as a connection as long as this exists.
    pub slot: Slot,
}

/// Serves streams.
pub trait StreamService: Clone + Send + Sync + 'static {
    /// Serves a stream to its end. The future should be small: there are as many as streams.
    fn serve(&self, opened: Opened) -> impl Future<Output = ()> + Send + 'static;
}

/// What serves the connections of a server as streams.
#[derive(Clone, Debug)]
pub struct Streams<S>(pub S);

impl<S: StreamService> Attendant for Streams<S> {
    /// A listener that closes ends no stream: the service hears by itself that the server ends.
    fn attend(
        &self,
        accepted: Accepted,
        place: Arc<Place>,
        slot: Slot,
        _: impl Future<Output = ()> + Unpin + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        let (socket, peer) = match accepted {
            Accepted::Tcp(io, peer) => (TcpStream::from_std(io).map(Socket::Tcp), Some(peer)),
            Accepted::Unix(io) => (UnixStream::from_std(io).map(Socket::Unix), None),
        };
        let served = match socket {
            Ok(socket) => Some(self.0.serve(Opened {
                socket,
                peer,
                place,
                slot,
            })),
            Err(error) => {
                warn!(target: "general", %error, "cannot serve a connection");
                None
            }
        };
        OptionFuture::from(served).map(drop)
    }
}
