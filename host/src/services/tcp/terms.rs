//! What holds for a stream beside its bytes: its limits, and what is counted of it.

use std::any::Any;
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
    /// Whether what the other side says until it knows that we have closed is heard out.
    pub lingers: bool,
    /// Which counters of the component are theirs.
    pub side: fn(&ComponentMeter) -> &StreamMeter,
}

/// What is to be done once a stream is closed. What it returns is kept until the other side knows, for a moment at most.
pub type Farewell = Box<dyn FnOnce(Traffic) -> Kept + Send>;

/// Dropped when nothing is left of a stream.
pub type Kept = Box<dyn Any + Send>;

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
