//! Whose turn it is to read a body: a body tells one waker what has come, so one waits for it, and the others for that
//! one. Reads nothing.

use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Who reads a body, and who waits for that. Those who wait all look again when it ends, and when the body is gone.
#[derive(Default)]
pub struct Readers {
    is_read: bool,
    /// The one that the body wakes.
    waiting: Option<Waker>,
    /// Made where there are any.
    others: Option<Arc<Notify>>,
}

impl Readers {
    /// Begins a read. Where one is under way: its end, after which this is to be asked again.
    pub fn begin(&mut self) -> Option<OwnedNotified> {
        if self.is_read {
            let others = self.others.get_or_insert_default();
            return Some(others.clone().notified_owned());
        }
        self.is_read = true;
        None
    }

    /// Whether a read is under way.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// Ends the read.
    pub fn end(&mut self) {
        self.is_read = false;
        self.waiting = None;
        if let Some(others) = self.others.take() {
            others.notify_waiters();
        }
    }

    /// Says who waits for the body.
    pub(super) fn waits(&mut self, waker: &Waker) {
        match &mut self.waiting {
            Some(waiting) => waiting.clone_from(waker),
            None => self.waiting = Some(waker.clone()),
        }
    }

    /// Has who waits for the body look at it again.
    pub(super) fn wake(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.wake();
        self.end();
    }
}
