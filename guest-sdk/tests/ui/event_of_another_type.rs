use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Echo;

#[handler]
impl WebSocketHandler for Echo {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(7)
    }

    async fn on_message(&mut self, cx: &Context, message: String) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

export!(Echo, websocket);

fn main() {}
