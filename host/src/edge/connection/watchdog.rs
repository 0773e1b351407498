//! The one timer of a connection. It never knows what it times.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::timer::Timer;

/// Measures how long a connection has been in a phase.
///
/// The quick turns of a busy connection cost a look at the clock.
#[derive(Debug)]
pub(super) struct Watchdog<P> {
    phase: P,
    /// Since when, once somebody asked.
    since: Option<Instant>,
    timer: Timer,
}

impl<P: Copy + PartialEq> Watchdog<P> {
    /// `since`: when the phase began, where that was before this.
    pub(super) fn new(phase: P, since: Option<Instant>) -> Self {
        Self {
            phase,
            since,
            timer: Timer::default(),
        }
    }

    /// Ready when the connection has been in `phase` for `limit`; else woken when that may be.
    pub(super) fn poll_expired(
        &mut self,
        phase: P,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if phase != self.phase {
            self.phase = phase;
            self.since = None;
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll_until(since + limit, cx)
    }
}
