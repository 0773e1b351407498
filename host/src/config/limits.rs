//! The limits of `[server]` for a connection, and those of a component for a stream. Never reads a configuration.

use std::time::Duration;

use crate::base::backlog::Backlog;

/// What a client may use, in time and in bytes. `None` means "off".
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's line and headers together. There may be 100 headers, hyper's limit: a higher one would
    /// cost every request an allocation of that size.
    pub max_header_size: usize,
    /// Bytes of a request's body, however it is framed.
    pub max_body_size: u64,
    /// From a request's first byte until its head is complete. Single bytes do not extend it.
    pub header_timeout: Option<Duration>,
    /// Without a request in flight and without a byte of the next.
    pub idle_connection_timeout: Option<Duration>,
    /// From the first read of a body until its last byte.
    pub body_timeout: Option<Duration>,
    /// While bytes wait to be written and the client takes none of them, or too few.
    pub write_timeout: Option<Duration>,
    /// Bytes of responses that one connection may have in memory before its next request waits.
    pub max_unsent: u64,
    /// What all connections have in memory together.
    pub unsent: Backlog,
    /// What of the messages of WebSockets has come and waits, for all connections together.
    pub unread: Backlog,
    /// Requests that one HTTP/2 connection may have at once.
    pub max_concurrent_streams: u32,
    /// Whether HTTP/2 is understood where nothing is encrypted.
    pub h2c: bool,
    /// Concurrent connections, over all listeners. Others wait to be accepted.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_size: 65_536,
            max_body_size: 10_485_760,
            header_timeout: Some(Duration::from_secs(10)),
            idle_connection_timeout: Some(Duration::from_secs(75)),
            body_timeout: Some(Duration::from_secs(60)),
            write_timeout: Some(Duration::from_secs(30)),
            max_unsent: 4 << 20,
            unsent: Backlog::unsent(24 << 20),
            unread: Backlog::unread(64 << 20),
            max_concurrent_streams: 100,
            h2c: false,
            max_connections: 10_000,
        }
    }
}

/// The limits of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes that are read before the guest takes them.
    pub read_ahead: usize,
    /// How long nothing may come and nothing go.
    pub idle_timeout: Option<Duration>,
    /// How long the other side may take nothing, while the guest waits for that.
    pub write_timeout: Option<Duration>,
}
