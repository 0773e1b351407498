use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Echo;

#[handler]
impl WebSocketHandler for Echo {
    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

#[derive(Default)]
struct Loud {
    base: Echo,
}

#[handler(base = Echo)]
impl WebSocketHandler for Loud {}

export!(Echo, Loud, websocket);

fn main() {}
