//! What holds for a stream beside its bytes: its limits, and what is counted of it.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::base::metrics::{ComponentMeter, StreamMeter};
use crate::config::StreamLimits;

/// What holds for the streams of one component, to its servers or at one of its listeners.
pub struct Terms {
    pub limits: StreamLimits,
    /// The certificates for clients.
    pub certificates: Option<Arc<ServerConfig>>,
    pub meter: Arc<ComponentMeter>,
    /// Which counters of the component are theirs.
    pub side: fn(&ComponentMeter) -> &StreamMeter,
}

/// What went through a stream, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

impl Terms {
    /// The counters of these streams.
    pub fn counters(&self) -> &StreamMeter {
        (self.side)(&self.meter)
    }
}
