//! What guests share. Knows nothing of WebAssembly.

pub mod http_client;
pub mod kv;
pub mod pubsub;
