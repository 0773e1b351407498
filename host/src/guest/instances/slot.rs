//! The slot where a worker waits for work: its waker and its state, as the queue sees it. Drives nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use futures_util::task::AtomicWaker;

/// The state of one worker, shared between the worker and the queue.
pub(super) struct Slot {
    /// The index of its worker's shard queue.
    pub(super) shard_queue: usize,
    pub(super) waker: AtomicWaker,
    /// The worker could not answer a call: its task is running, its guest is in a run, or it takes no more requests.
    pub(super) busy: AtomicBool,
    /// It is among the idle ones.
    pub(super) listed: AtomicBool,
    /// The worker takes requests.
    pub(super) open: AtomicBool,
    /// The worker was idle for too long and must end.
    pub(super) dismissed: AtomicBool,
    /// The worker was called and has not looked for work yet.
    pub(super) called: AtomicBool,
    /// How many requests the worker took.
    pub(super) taken: AtomicU64,
}

impl Slot {
    /// The slot of a new worker, which counts as called.
    pub(super) fn called(shard_queue: usize) -> Self {
        Self {
            shard_queue,
            waker: AtomicWaker::new(),
            busy: AtomicBool::new(true),
            listed: AtomicBool::new(false),
            open: AtomicBool::new(false),
            dismissed: AtomicBool::new(false),
            called: AtomicBool::new(true),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether its worker does something else than wait for work.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(SeqCst)
    }

    /// Sets whether the worker takes requests from now on.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Relaxed)
    }
}
