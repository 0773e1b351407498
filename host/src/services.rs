//! What guests share, without a word of WebAssembly.

pub mod http_client;
pub mod kv;
pub mod pubsub;
