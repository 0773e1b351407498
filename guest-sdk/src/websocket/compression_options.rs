//! How the messages of a socket are compressed, as a handler or a client asks for it. Compresses nothing: the host does.

/// How messages are compressed (RFC 7692), where the other side can: what
/// [`get_compression_options`](crate::websocket::WebSocketHandler::get_compression_options) returns, and what
/// [`with_compression_options`](crate::websocket::WebSocketRequest::with_compression_options) offers. By default as
/// Tornado does it.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::websocket::CompressionOptions;
/// # #[derive(Default)] struct Echo;
/// #[handler]
/// impl WebSocketHandler for Echo {
///     fn get_compression_options(&mut self, _: &Context) -> Option<CompressionOptions> {
///         Some(CompressionOptions::default().with_compression_level(9))
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionOptions {
    pub(crate) level: Option<u8>,
}

impl CompressionOptions {
    /// From 0, which compresses nothing, to 9, which takes longest. Without it: 6.
    pub fn with_compression_level(mut self, level: u8) -> Self {
        self.level = Some(level);
        self
    }
}
