//! A socket as the request that stands for it in an instance has it, and what its handshake was answered with.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::lock;
use crate::guest::bindings::websocket;
use crate::services::sockets::Socket;

/// The answer to a handshake.
pub type Accepted = websocket::Accepted;

/// The socket of a request.
pub struct Visitor {
    pub socket: Arc<Socket>,
    /// What `suspend` has returned, as long as another object may need it.
    state: Mutex<Option<Bytes>>,
}

impl Visitor {
    pub fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            state: Mutex::default(),
        }
    }

    /// It comes from another object, with what that one has left.
    pub fn set_state(&self, state: Bytes) {
        *lock(&self.state) = Some(state);
    }

    /// What the object before has left, if nothing has happened since.
    pub fn state(&self) -> Option<Bytes> {
        lock(&self.state).clone()
    }

    /// The object is another than the one that the state makes.
    pub fn forget_state(&self) {
        *lock(&self.state) = None;
    }
}
