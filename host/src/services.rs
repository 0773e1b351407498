//! What guests share. Knows nothing of WebAssembly.

pub mod http_client;
pub mod kv;
pub mod loops;
pub mod network;
pub mod pubsub;
pub mod python;
pub mod signing;
pub mod sockets;
pub mod static_files;
pub mod tcp;
pub mod websocket_client;

use std::sync::Arc;

use bytes::Bytes;

use crate::base::metrics::Metrics;
use http_client::HttpClients;
use kv::Kv;
use loops::Loops;
use network::SystemRoots;
use pubsub::Topics;
use sockets::Sockets;
use tcp::TcpClients;

/// What the components of an app share, and what is counted of them. It exists as long as the server, whatever is
/// swapped.
pub struct Services {
    pub kv: Kv,
    pub topics: Arc<Topics<Bytes>>,
    pub sockets: Arc<Sockets>,
    /// The clients that send the requests of guests.
    pub http: Arc<HttpClients>,
    /// What opens the streams of guests to other servers.
    pub tcp: Arc<TcpClients>,
    /// The locks of loops.
    pub loops: Loops,
    pub metrics: Metrics,
}

impl Services {
    /// Makes them with this store, for this number of shards.
    pub fn new(kv: Kv, shards: usize) -> Arc<Self> {
        let topics = Topics::new();
        let roots = Arc::<SystemRoots>::default();
        Arc::new(Self {
            kv,
            sockets: Sockets::new(&topics),
            topics,
            http: HttpClients::new(shards, roots.clone()),
            tcp: TcpClients::new(roots),
            loops: Loops::default(),
            metrics: Metrics::default(),
        })
    }
}
