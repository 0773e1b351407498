//! What all instances of an app have in common. Decides nothing.

use std::sync::Arc;

use bytes::Bytes;

use crate::services::kv::Kv;
use crate::services::pubsub::Topics;

/// The messages and the state of an app. It lives as long as the server, whatever is swapped.
pub struct SharedState {
    pub topics: Arc<Topics<Bytes>>,
    pub kv: Kv,
}

impl SharedState {
    /// With this store, and nobody subscribed to anything.
    pub fn new(kv: Kv) -> Arc<Self> {
        Arc::new(Self {
            topics: Topics::new(),
            kv,
        })
    }
}
