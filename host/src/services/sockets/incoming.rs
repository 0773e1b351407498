//! What has come from a client and waits for its guest, one after the other.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::websocket::Utf8;

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Text(Utf8),
    Binary(Bytes),
}

impl Message {
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What a guest is told of.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Open,
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// Nothing comes after it.
    Close(Closed),
}

/// How a socket was closed: what its client said, if it said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Whether it has said that it closes, with a code or without one.
    pub is_said: bool,
    pub code: Option<u16>,
    pub reason: Option<String>,
}

/// What keeping an event costs beside its bytes.
const PLACE: usize = 64;

/// How many bytes of events may wait, whatever the limit of their number, before the client is not read.
const MAX_WAITING: usize = 256 * 1024;

/// The events of one socket.
#[derive(Default)]
pub(super) struct Incoming {
    events: VecDeque<Event>,
    bytes: usize,
}

impl Incoming {
    pub(super) fn push(&mut self, event: Event) {
        self.bytes += size(&event);
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= size(&event);
        if self.events.is_empty() {
            // Most sockets are quiet.
            self.events = VecDeque::new();
        }
        Some(event)
    }

    /// Forgets all but the end.
    pub(super) fn keep_the_end(&mut self) {
        self.events.retain(|event| matches!(event, Event::Close(_)));
        self.bytes = self.events.iter().map(size).sum();
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether there may be more.
    pub(super) fn has_room(&self, max_events: usize) -> bool {
        self.events.len() < max_events && self.bytes < MAX_WAITING
    }
}

fn size(event: &Event) -> usize {
    PLACE
        + match event {
            Event::Message(message) => message.size(),
            Event::Ping(bytes) | Event::Pong(bytes) => bytes.len(),
            Event::Open | Event::Close(_) => 0,
        }
}
