//! Where a seat waits for work: what it does at the moment, for those that have work for it. Drives nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use futures_util::task::AtomicWaker;

/// Where one seat waits for work.
pub(super) struct Post {
    /// The lane of the queue that its seat belongs to.
    pub(super) lane: usize,
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

impl Post {
    /// That of a new seat, which comes for work at once.
    pub(super) fn called(lane: usize) -> Self {
        Self {
            lane,
            waker: AtomicWaker::new(),
            busy: AtomicBool::new(true),
            listed: AtomicBool::new(false),
            open: AtomicBool::new(false),
            dismissed: AtomicBool::new(false),
            called: AtomicBool::new(true),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether its seat does something else than wait for work.
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
