//! The order of reads of a body. A body wakes only one task, so one read waits for the body, and the others wait for
//! that read. Reads nothing.

use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// The reader of a body, and those that wait for it. All that wait look again when the read ends, and when the body is
/// gone.
#[derive(Default)]
pub struct Readers {
    is_read: bool,
    /// The waker that the body wakes.
    waiting: Option<Waker>,
    /// Made where there are any.
    others: Option<Arc<Notify>>,
}

impl Readers {
    /// Begins a read. Where one is under way: its end, after which this must be called again.
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

    /// Sets the waker of the read.
    pub(super) fn waits(&mut self, waker: &Waker) {
        match &mut self.waiting {
            Some(waiting) => waiting.clone_from(waker),
            None => self.waiting = Some(waker.clone()),
        }
    }

    /// Wakes the read that is under way, so that it looks at the body again.
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
