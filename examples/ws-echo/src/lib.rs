//! The smallest useful WebSocket: each message comes back, text as text and bytes as bytes.

use waterspout_sdk::prelude::*;
use waterspout_sdk::websocket::CompressionOptions;

#[derive(Default)]
struct Echo;

#[handler]
impl WebSocketHandler for Echo {
    fn get_compression_options(&mut self, _: &Context) -> Option<CompressionOptions> {
        Some(CompressionOptions::default())
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

export!(Echo, websocket);
