//! What waits to be sent to one client, in the order in which it was said.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::incoming::Message;
use crate::base::websocket::{MAX_CONTROL, Published};

/// One thing to be sent.
pub enum Outgoing {
    Message(Message),
    Ping(Bytes),
    /// Published, and whether it is a binary message in any case.
    Published(Arc<Published>, bool),
    /// The rest of a frame whose beginning was written.
    Rest(Bytes),
}

/// Why something was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError {
    Closed,
    Full,
    TooLarge(u64),
    TooMany(u32),
    Invalid(String),
}

/// What may wait to be sent to one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes of all together, before more is taken.
    pub max_unsent: usize,
    /// Bytes of a message.
    pub max_message: usize,
}

/// What keeping one costs beside its bytes.
const PLACE: usize = 64;

impl Outgoing {
    fn size(&self) -> usize {
        PLACE
            + match self {
                Self::Message(message) => message.size(),
                Self::Ping(bytes) | Self::Rest(bytes) => bytes.len(),
                Self::Published(message, _) => message.size(),
            }
    }
}

/// The queue of one socket.
#[derive(Default)]
pub(super) struct Queue {
    /// The first of them. Most often there is no other, and no memory for more.
    next: Option<Outgoing>,
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    /// How many of them were published.
    published: usize,
}

impl Queue {
    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.bytes += outgoing.size();
        self.published += usize::from(is_published(&outgoing));
        match self.next {
            None => self.next = Some(outgoing),
            Some(_) => self.waiting.push_back(outgoing),
        }
    }

    /// Puts the rest of a frame before all others.
    pub(super) fn put_first(&mut self, rest: Bytes) {
        let rest = Outgoing::Rest(rest);
        self.bytes += rest.size();
        if let Some(next) = self.next.replace(rest) {
            self.waiting.push_front(next);
        }
    }

    /// The first of them, where that was published.
    pub(super) fn first_published(&self) -> Option<(&Arc<Published>, bool)> {
        match &self.next {
            Some(Outgoing::Published(message, binary)) => Some((message, *binary)),
            _ => None,
        }
    }

    /// Takes what a guest sends, if there is room.
    pub(super) fn offer(&mut self, outgoing: Outgoing, room: Room) -> Result<(), SendError> {
        let (size, largest) = match &outgoing {
            Outgoing::Message(message) => (message.size(), room.max_message.max(room.max_unsent)),
            Outgoing::Ping(data) => (data.len(), MAX_CONTROL),
            // A guest has none.
            Outgoing::Rest(rest) => (rest.len(), room.max_unsent),
            Outgoing::Published(message, _) => (message.size(), room.max_unsent),
        };
        if size > largest {
            return Err(SendError::TooLarge(largest as u64));
        }
        if !self.has_room(room) {
            return Err(SendError::Full);
        }
        self.push(outgoing);
        Ok(())
    }

    pub(super) fn has_room(&self, room: Room) -> bool {
        self.bytes < room.max_unsent
    }

    /// Hands out what waits, as long as it is wanted. Returns whether there is room again that was not there before.
    pub(super) fn hand_out(
        &mut self,
        room: Room,
        mut wanted: impl FnMut(Outgoing) -> bool,
    ) -> bool {
        let was_full = !self.has_room(room);
        while let Some(outgoing) = self.pop() {
            if !wanted(outgoing) {
                break;
            }
        }
        was_full && self.has_room(room)
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let outgoing = self.next.take()?;
        self.bytes -= outgoing.size();
        self.published -= usize::from(is_published(&outgoing));
        self.next = self.waiting.pop_front();
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            // Most sockets are quiet.
            self.waiting = VecDeque::new();
        }
        Some(outgoing)
    }

    /// Drops the oldest that was published. `false`: there is none.
    pub(super) fn drop_oldest_published(&mut self) -> bool {
        if self.published == 0 {
            return false;
        }
        if self.next.as_ref().is_some_and(is_published) {
            self.pop();
            return true;
        }
        let Some(at) = self.waiting.iter().position(is_published) else {
            return false;
        };
        if let Some(dropped) = self.waiting.remove(at) {
            self.bytes -= dropped.size();
            self.published -= 1;
        }
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_none()
    }
}

fn is_published(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Published(..))
}
