use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Echo;

#[handler]
impl WebSocketHandler for Echo {
    async fn prepare(&mut self, _: &Context) -> Result {
        Ok(())
    }

    async fn on_mesage(&mut self, cx: &Context, message: Message) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

export!(Echo, websocket);

fn main() {}
