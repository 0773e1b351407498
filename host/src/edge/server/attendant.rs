//! What serves the connections of a server: HTTP, or something else.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tracing::warn;

use super::Place;
use super::slots::Slot;
use crate::config::Listen;
use crate::edge::connection::{Service, Socket, serve_connection};
use crate::edge::listener::Accepted;

/// Serves connections.
pub trait Attendant: Clone + Send + Sync + 'static {
    /// Serves a connection that was accepted at this place until it ends. When `stop` is ready, it is to end soon.
    fn attend(
        &self,
        accepted: Accepted,
        place: Arc<Place>,
        slot: Slot,
        stop: impl Future<Output = ()> + Unpin + Send + 'static,
    ) -> impl Future<Output = ()> + Send;
}

impl<S: Service> Attendant for S {
    async fn attend(
        &self,
        accepted: Accepted,
        place: Arc<Place>,
        slot: Slot,
        stop: impl Future<Output = ()> + Unpin + Send + 'static,
    ) {
        // In boxes, of which a WebSocket keeps none.
        match accepted {
            Accepted::Tcp(io, peer) => {
                let encrypted = matches!(place.listen, Listen::Tcp(_) | Listen::Systemd(_));
                let io = TcpStream::from_std(io);
                let served = serve(self, io, Some(peer.ip()), encrypted, slot, stop);
                Box::pin(served).await
            }
            Accepted::Unix(io) => {
                let io = UnixStream::from_std(io);
                Box::pin(serve(self, io, None, false, slot, stop)).await
            }
        }
    }
}

async fn serve<I: Socket + Send + 'static>(
    service: &impl Service,
    io: io::Result<I>,
    remote_ip: Option<IpAddr>,
    encrypted: bool,
    slot: Slot,
    stop: impl Future<Output = ()> + Unpin,
) {
    let tls = slot.tls().filter(|_| encrypted);
    match io {
        Ok(io) => {
            let served = serve_connection(io, remote_ip, tls, slot.limits(), service, stop);
            // In a box, which a WebSocket does not keep.
            if let Some(carried) = Box::pin(served).await {
                carried.await;
            }
        }
        Err(error) => warn!(target: "general", %error, "cannot serve a connection"),
    }
}
