//! A chat by long polling, after Tornado's demo `chat`: a client that asks for news waits until there is some.

mod messages;

use serde::Serialize;
use waterspout_sdk::prelude::*;

use messages::{Message, NEWS};

/// What `/a/message/updates` answers.
#[derive(Serialize)]
struct Updates {
    messages: Vec<Message>,
}

#[derive(Default)]
struct Page;

#[handler]
#[route("/chat")]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        let all = messages::since(None);
        let inbox: String = all.iter().map(|message| &*message.html).collect();
        cx.write(include_str!("chat.html").replace("<!-- messages -->", &inbox))
    }
}

#[derive(Default)]
struct New;

#[handler]
#[route("/a/message/new")]
impl RequestHandler for New {
    async fn post(&mut self, cx: &Context) -> Result {
        let message = messages::add(&cx.get_body_argument("body").await?);
        // A browser without script comes by a form, and wants to see the page again.
        match &*cx.get_body_argument_or("next", "").await? {
            "" => cx.write_json(&message),
            _ => cx.redirect("/chat"),
        }
    }
}

#[derive(Default)]
struct Poll;

#[handler]
#[route("/a/message/updates")]
impl RequestHandler for Poll {
    async fn post(&mut self, cx: &Context) -> Result {
        let cursor = cx.get_body_argument_or("cursor", "").await?;
        let cursor = (!cursor.is_empty()).then_some(&*cursor);
        let mut updates = messages::since(cursor);
        while updates.is_empty() && !messages::is_ending() {
            // A client that leaves ends the wait here: the handler is cancelled, and its place among the waiters is
            // free. Tornado's demo cancels the wait itself, in `on_connection_close`.
            NEWS.wait().await;
            updates = messages::since(cursor);
        }
        cx.write_json(&Updates { messages: updates })
    }

    /// For the log alone.
    async fn on_connection_close(&mut self, _: &Context) -> Result {
        log::info!("somebody left the chat");
        Ok(())
    }
}

/// Whoever waits for a version that is replaced would wait for ever: all are sent away, and come back to the new one.
async fn start() -> Result {
    spawn(async {
        draining().await;
        messages::end();
        Ok(())
    })
}

/// What was said stays, whatever becomes of this version.
async fn save() -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&messages::since(None))?)
}

async fn restore(state: Vec<u8>) -> Result {
    messages::keep(serde_json::from_slice(&state)?);
    Ok(())
}

// What was said is in the memory of one instance, so there must be no other.
export!(
    Page,
    New,
    Poll,
    single,
    start = start,
    save = save,
    restore = restore
);
