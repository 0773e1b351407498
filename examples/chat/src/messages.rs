//! The last messages, and the requests that wait for more. Knows nothing of HTTP.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waterspout_sdk::locks::Condition;

/// How many messages are kept.
const CACHE_SIZE: usize = 200;

#[derive(Clone, Deserialize, Serialize)]
pub struct Message {
    id: String,
    body: String,
    pub html: String,
}

/// Told whenever there is a new message.
pub static NEWS: Condition = Condition::new();

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
    static CACHE: RefCell<VecDeque<Message>> = const { RefCell::new(VecDeque::new()) };
}

/// Keeps a message, and tells all who wait.
pub fn add(body: &str) -> Message {
    let id = Uuid::new_v4().to_string();
    let text = html_escape::encode_text(body);
    let html = format!(r#"<div class="message" id="m{id}">{text}</div>"#);
    let body = body.to_owned();
    let message = Message { id, body, html };
    CACHE.with_borrow_mut(|cache| {
        cache.push_back(message.clone());
        if cache.len() > CACHE_SIZE {
            cache.pop_front();
        }
    });
    NEWS.notify_all();
    message
}

/// What came after the message of this id; all that is kept where there is none, or where it is forgotten.
pub fn since(cursor: Option<&str>) -> Vec<Message> {
    CACHE.with_borrow(|cache| {
        let seen = cursor.and_then(|id| cache.iter().position(|message| message.id == id));
        let unseen = cache.iter().skip(seen.map_or(0, |seen| seen + 1));
        unseen.cloned().collect()
    })
}

/// Keeps these, in place of what is kept.
pub fn keep(messages: Vec<Message>) {
    CACHE.set(messages.into());
    NEWS.notify_all();
}

/// Ends all waits: nobody says anything here any more.
pub fn end() {
    ENDING.set(true);
    NEWS.notify_all();
}

pub fn is_ending() -> bool {
    ENDING.get()
}
