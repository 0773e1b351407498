//! The last messages. Knows nothing of sockets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waterspout_sdk::escape::xhtml_escape;

/// How many messages are kept.
const CACHE_SIZE: usize = 50;

/// How many characters of a message are taken.
const MAX_LENGTH: usize = 500;

#[derive(Clone, Deserialize, Serialize)]
pub struct Said {
    /// A UUID that sorts by time.
    id: String,
    body: String,
}

impl Said {
    /// As the page has it, for those who come later.
    pub fn html(&self) -> String {
        let (id, text) = (&self.id, xhtml_escape(&self.body));
        format!(r#"<div class="message" id="m{id}">{text}</div>"#)
    }
}

thread_local! {
    static CACHE: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

pub fn add(body: &str) -> Said {
    let said = Said {
        id: Uuid::now_v7().to_string(),
        body: body.chars().take(MAX_LENGTH).collect(),
    };
    keep([said.clone()]);
    said
}

/// Keeps these as well; one that is there already stays what it is.
pub fn keep(messages: impl IntoIterator<Item = Said>) {
    CACHE.with_borrow_mut(|cache| {
        cache.extend(messages.into_iter().map(|Said { id, body }| (id, body)));
        while cache.len() > CACHE_SIZE {
            cache.pop_first();
        }
    });
}

/// What came after the message with this id; with none, all that is kept.
pub fn since(id: &str) -> Vec<Said> {
    CACHE.with_borrow(|cache| {
        let later = cache.range::<str, _>((Excluded(id), Unbounded));
        let later = later.map(|(id, body)| (id.clone(), body.clone()));
        later.map(|(id, body)| Said { id, body }).collect()
    })
}
