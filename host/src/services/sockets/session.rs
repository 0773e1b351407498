//! What a connection needs to know of a socket that it carries, and the way there.

use std::sync::{Arc, Mutex};

use super::carrier::Pings;
use super::handle::Handle;
use super::incoming::Closed;
use super::lock;
use crate::base::websocket::Deflate;

/// A socket whose handshake is answered.
pub struct Session {
    pub handle: Handle,
    pub deflate: Option<Deflate>,
    pub pings: Pings,
    /// Called at its end.
    pub tell: Box<dyn FnOnce(&Closed) + Send>,
}

/// In the extensions of a response: its connection becomes a socket.
#[derive(Clone)]
pub struct Upgrade(Arc<Mutex<Option<Session>>>);

impl Upgrade {
    pub fn new(session: Session) -> Self {
        Self(Arc::new(Mutex::new(Some(session))))
    }

    /// The session, once.
    pub fn take(&self) -> Option<Session> {
        lock(&self.0).take()
    }
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upgrade")
    }
}
