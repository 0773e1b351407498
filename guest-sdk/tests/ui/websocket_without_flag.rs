use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Page;

#[handler]
impl RequestHandler for Page {}

#[derive(Default)]
struct Echo;

#[handler]
impl WebSocketHandler for Echo {
    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

export!(Page, Echo, single);

fn main() {}
