//! The handle of what serves a socket's client. Without one there is no client.

use std::ops::Deref;
use std::sync::Arc;

use super::incoming::Closed;
use super::socket::Socket;

/// A socket's client: its handshake, and then its connection. Dropping it says that the client is gone.
pub struct Handle(Arc<Socket>);

impl Handle {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self(socket)
    }

    pub fn socket(&self) -> &Arc<Socket> {
        &self.0
    }
}

impl Deref for Handle {
    type Target = Arc<Socket>;

    fn deref(&self) -> &Arc<Socket> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.ended(Closed::default());
    }
}
