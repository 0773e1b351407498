//! Where a worker waits for work: what it does at the moment, for those that have work for it. Drives nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use futures_util::task::AtomicWaker;

/// Where one worker waits for work.
pub(super) struct Slot {
    /// The shard_queue of the queue that its worker belongs to.
    pub(super) shard_queue: usize,
    pub(super) waker: AtomicWaker,
    /// It could not follow a call: its task is running, its guest is in a run, or it takes no more.
    pub(super) busy: AtomicBool,
    /// It is among the idle ones.
    pub(super) listed: AtomicBool,
    /// It takes requests.
    pub(super) open: AtomicBool,
    /// It was idle for so long that it is to leave.
    pub(super) dismissed: AtomicBool,
    /// It is the one that is coming.
    pub(super) called: AtomicBool,
    /// Requests that it took.
    pub(super) taken: AtomicU64,
}

impl Slot {
    /// That of a new worker, which comes for work at once.
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

    /// Says whether it takes requests from now on.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Relaxed)
    }
}
