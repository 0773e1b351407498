//! A chat over WebSockets, after Tornado's demo `websocket`: the sockets of all who are here are in one set, and what
//! one says is written to each. A new version takes the sockets and the last messages over, and nobody notices.

mod messages;

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterspout_sdk::gen_::join_all;
use waterspout_sdk::prelude::*;
use waterspout_sdk::websocket::CompressionOptions;

use messages::Said;

thread_local! {
    static SOCKETS: RefCell<HashSet<Socket>> = RefCell::default();
}

#[derive(Default)]
struct Page;

#[handler]
#[route("/websocket-chat")]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        let inbox: String = messages::since("").iter().map(Said::html).collect();
        cx.write(include_str!("page.html").replace("<!-- messages -->", &inbox))
    }
}

/// What a page sends.
#[derive(Deserialize)]
struct New {
    body: String,
}

/// What one version tells the next.
#[derive(Deserialize, Serialize)]
struct State {
    sockets: Vec<u64>,
    messages: Vec<Said>,
}

#[derive(Default)]
struct Chat;

#[handler]
#[route("/websocket-chat/socket")]
impl WebSocketHandler for Chat {
    fn get_compression_options(&mut self, _: &Context) -> Option<CompressionOptions> {
        Some(CompressionOptions::default())
    }

    /// Sends what was said since the message that the page has seen last.
    async fn open(&mut self, cx: &Context) -> Result {
        SOCKETS.with_borrow_mut(|sockets| sockets.insert(cx.socket()));
        let seen = cx.get_query_argument_or("after", "")?;
        for said in messages::since(&seen) {
            cx.socket().write_message(Message::of_json(&said)?).await?;
        }
        Ok(())
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        let Ok(new) = message.json::<New>() else {
            // 1007: RFC 6455, section 7.4.1.
            return Ok(cx.socket().close(Some(1007), Some("not a message"))?);
        };
        if !new.body.trim().is_empty() {
            write_to_all(Message::of_json(&messages::add(&new.body))?).await;
        }
        Ok(())
    }

    async fn on_close(&mut self, cx: &Context) -> Result {
        SOCKETS.with_borrow_mut(|sockets| sockets.remove(&cx.socket()));
        Ok(())
    }

    /// All that the next version has to know is in its state.
    async fn suspend(&mut self, _: &Context) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    async fn resume(&mut self, _: &Context, _: Vec<u8>) -> Result {
        Ok(())
    }
}

async fn save() -> Result<Vec<u8>> {
    let sockets = SOCKETS.with_borrow(|sockets| sockets.iter().map(Socket::id).collect());
    let messages = messages::since("");
    Ok(serde_json::to_vec(&State { sockets, messages })?)
}

async fn restore(state: Vec<u8>) -> Result {
    let State { sockets, messages } = serde_json::from_slice(&state)?;
    SOCKETS.set(sockets.into_iter().map(Socket::with_id).collect());
    messages::keep(messages);
    Ok(())
}

/// Nobody waits long for a client that does not read: it is sent away, and its page comes back for what it has missed.
async fn write_to_all(message: Message) {
    let sockets = SOCKETS.with_borrow(HashSet::clone);
    let writes = sockets.into_iter().map(|socket| {
        let message = message.clone();
        async move {
            let written = socket.write_message(message);
            if !matches!(
                with_timeout(Duration::from_secs(1), written).await,
                Ok(Ok(()))
            ) {
                let _ = socket.close(Some(1013), Some("too slow"));
                SOCKETS.with_borrow_mut(|sockets| sockets.remove(&socket));
            }
        }
    });
    join_all(writes).await;
}

// The set is in the memory of one instance, so there must be no other.
export!(
    Page,
    Chat,
    single,
    websocket,
    save = save,
    restore = restore
);
