//! The way of a socket from one object to another: who takes it over, and that it is accepted there. Calls no guest.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;

use super::PoolInner;
use crate::base::websocket::code;
use crate::guest::resources::{Exchange, Homeless};

/// Finds the object that takes a socket over.
pub trait Succession: Send + Sync {
    /// The pool and the request for it, if there is a handler that can take the socket over.
    fn successor(&self, homeless: Homeless<'_>) -> Option<(Arc<PoolInner>, Arc<Exchange>)>;
}

/// Gives a socket without an object to an instance.
pub(super) fn pass_over(succession: &dyn Succession, homeless: Homeless<'_>, state: Bytes) {
    /// The one that was found may have closed since.
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        let Some((core, next)) = succession.successor(homeless) else {
            break;
        };
        if let Some(visitor) = &next.socket {
            visitor.set_state(state.clone());
        }
        if core.take_over(next).is_ok() {
            return;
        }
    }
    homeless.socket.close_for(code::SERVICE_RESTART);
}

impl PoolInner {
    /// Accepts a socket from another instance, beyond the limit for requests: it was accepted long ago.
    fn take_over(self: &Arc<Self>, exchange: Arc<Exchange>) -> Result<(), Arc<Exchange>> {
        self.admitted.fetch_add(1, SeqCst);
        self.resuming.fetch_add(1, SeqCst);
        let taken = self.requeue(exchange);
        if taken.is_err() {
            self.resuming.fetch_sub(1, SeqCst);
            self.over();
        }
        taken
    }
}
