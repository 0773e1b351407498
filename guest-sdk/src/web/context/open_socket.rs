//! The socket of a WebSocket handler, as its events tell of it. What can be done with it is in `websocket`.

/// A socket whose handshake is over.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    pub id: u64,
    pub close_code: Option<u16>,
    pub close_reason: Option<String>,
}
