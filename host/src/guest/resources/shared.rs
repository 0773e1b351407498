//! The state that all instances of an app share. Decides nothing.

use std::sync::Arc;

use bytes::Bytes;

use crate::services::kv::Kv;
use crate::services::pubsub::Topics;

/// The messages and the state of an app. It exists as long as the server, whatever is swapped.
pub struct SharedState {
    pub topics: Arc<Topics<Bytes>>,
    pub kv: Kv,
}

impl SharedState {
    /// Makes it with this store and without subscriptions.
    pub fn new(kv: Kv) -> Arc<Self> {
        Arc::new(Self {
            topics: Topics::new(),
            kv,
        })
    }
}
