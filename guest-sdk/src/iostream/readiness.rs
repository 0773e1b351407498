//! What tells a handler that the stream which its client has opened can be read. It takes no call of the host for each
//! wait, and so counts only in the task that serves streams: what waits there is told there.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

thread_local! {
    /// Whether it is the task that serves streams which is polled.
    static IS_SERVING: Cell<bool> = const { Cell::new(false) };
}

/// Polls in the task that serves streams.
pub(crate) fn serving<T>(poll: impl FnOnce() -> T) -> T {
    let before = IS_SERVING.replace(true);
    let polled = poll();
    IS_SERVING.set(before);
    polled
}

/// Whether one stream can be read.
pub struct Readiness {
    /// Whether something may be there to be read.
    is_ready: Cell<bool>,
    waiting: Cell<Option<Waker>>,
    /// Whether it has woken the handler, which reads first.
    has_woken: Cell<bool>,
    /// Its handler has ended, and the host tells nothing more.
    is_over: Cell<bool>,
}

impl Default for Readiness {
    /// Who has a stream reads it without being told.
    fn default() -> Self {
        Self {
            is_ready: Cell::new(true),
            waiting: Cell::default(),
            has_woken: Cell::default(),
            is_over: Cell::default(),
        }
    }
}

impl Readiness {
    /// The host tells that something may be there to be read.
    pub(crate) fn set(&self) {
        self.is_ready.set(true);
        if let Some(waiting) = self.waiting.take() {
            self.has_woken.set(true);
            waiting.wake();
        }
    }

    /// The handler of the stream has ended. Who waits here is woken, and waits in another way.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Whether who polls now is told.
    pub(super) fn is_told(&self) -> bool {
        IS_SERVING.get() && !self.is_over.get()
    }

    /// Whether it has woken the handler since this was asked last.
    pub(crate) fn has_woken(&self) -> bool {
        self.has_woken.take()
    }

    /// Nothing is there, and the host tells when that changes.
    pub(super) fn clear(&self) {
        self.is_ready.set(false);
    }

    /// Ready when something may be there.
    pub(super) fn poll_ready(&self, task: &Context<'_>) -> Poll<()> {
        if self.is_ready.get() {
            return Poll::Ready(());
        }
        self.waiting.set(Some(task.waker().clone()));
        Poll::Pending
    }
}
