//! The socket of a WebSocket handler, as its events tell of it. What can be done with it is in `websocket`.

use crate::web::context::Context;

/// A socket whose handshake is over.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    pub id: u64,
    pub close_code: Option<u16>,
    pub close_reason: Option<String>,
}

impl Context {
    /// From the first event of a socket on. The handshake was the response: nothing can be added to it.
    pub(crate) fn open(&mut self, id: u64) -> &mut OpenSocket {
        let response = &self.response;
        self.socket.get_or_insert_with(|| {
            response.borrow_mut().switch_protocols();
            Box::new(OpenSocket {
                id,
                close_code: None,
                close_reason: None,
            })
        })
    }
}
