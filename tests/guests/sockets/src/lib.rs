//! WebSocket handlers of every kind: the tests of `sockets` talk to them.

mod events;
mod others;

use waterspout_sdk::prelude::*;
use waterspout_sdk::websocket::CompressionOptions;

use events::{Events, Log};
use others::{Everyone, One, Publish, Topic};

/// Sends each message back; `?deflate=1` compresses.
#[derive(Default)]
struct Echo;

#[handler]
#[route("/echo")]
impl WebSocketHandler for Echo {
    fn get_compression_options(&mut self, cx: &Context) -> Option<CompressionOptions> {
        let deflate = cx.get_query_argument_or("deflate", "").ok()?;
        (deflate == "1").then(CompressionOptions::default)
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        cx.socket().write_message(message).await?;
        Ok(())
    }
}

/// For pages of `https://friend.example` and of its own origin.
#[derive(Default)]
struct Guarded {
    asked: Option<String>,
}

#[handler]
#[route("/guarded")]
impl WebSocketHandler for Guarded {
    fn check_origin(&mut self, _: &Context, origin: &str) -> bool {
        self.asked = Some(origin.to_owned());
        origin == "https://friend.example"
    }

    async fn open(&mut self, cx: &Context) -> Result {
        let asked = self.asked.as_deref().unwrap_or("nothing");
        cx.socket()
            .write_message(format!("asked about {asked}"))
            .await?;
        Ok(())
    }
}

/// Refuses a client without the cookie `user`, for all that have it as their base.
#[derive(Default)]
struct Users {
    user: String,
}

#[handler]
impl RequestHandler for Users {
    async fn prepare(&mut self, cx: &Context) -> Result {
        let user = cx.get_cookie("user").ok_or(HttpError::new(401))?;
        self.user = user.to_owned();
        Ok(())
    }
}

/// Says who has come. A `GET` that is no handshake gets a page.
#[derive(Default)]
struct Member {
    base: Users,
}

#[handler(base = Users)]
#[route("/member")]
impl WebSocketHandler for Member {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(format!("a page for {}", self.base.user))
    }

    async fn open(&mut self, cx: &Context) -> Result {
        let hello = format!("Hello, {}", self.base.user);
        Ok(cx.socket().write_message(hello).await?)
    }
}

export!(
    Echo, Guarded, Member, Events, Log, Topic, Publish, Everyone, One, websocket
);
