//! The counters of one component's streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{ComponentMeter, Counter};

/// The counters of one component's streams, of clients or to servers.
#[derive(Default)]
pub struct StreamMeter {
    open: AtomicUsize,
    pub opened: Counter,
    pub closed: Counter,
    /// Streams of clients for which there was no room.
    pub refused: Counter,
    /// What guests have read.
    pub received_bytes: Counter,
    /// What guests have written, and the system has taken.
    pub sent_bytes: Counter,
}

/// The counts of one component's streams, as the counters of [`StreamMeter`].
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamTally {
    pub opened: u64,
    pub closed: u64,
    pub refused: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

impl StreamMeter {
    /// How many streams of clients there are.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    pub(super) fn tally(&self) -> StreamTally {
        StreamTally {
            opened: self.opened.sum(),
            closed: self.closed.sum(),
            refused: self.refused.sum(),
            received_bytes: self.received_bytes.sum(),
            sent_bytes: self.sent_bytes.sum(),
        }
    }
}

impl StreamTally {
    pub(super) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.refused += other.refused;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
    }
}

/// The right of a client's stream to be there. Dropping it gives it back.
pub struct StreamPermit(Arc<ComponentMeter>);

impl StreamPermit {
    /// `None`: the component has as many streams as it may.
    pub fn take(meter: &Arc<ComponentMeter>, most: usize) -> Option<Self> {
        let one_more = |open| (open < most).then_some(open + 1);
        let taken = meter.streams.open.fetch_update(Relaxed, Relaxed, one_more);
        match taken {
            Ok(_) => Some(Self(meter.clone())),
            Err(_) => {
                meter.streams.refused.count();
                None
            }
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.streams.open.fetch_sub(1, Relaxed);
    }
}
