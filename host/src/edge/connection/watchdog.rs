//! The one timer of a connection. Does not know what it times.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::timer::Timer;

/// Measures how long a connection has been in a phase.
///
/// A quick change of phases only reads the clock.
#[derive(Debug)]
pub(super) struct Watchdog<P> {
    phase: P,
    /// Since when, once that was asked.
    since: Option<Instant>,
    timer: Timer,
}

impl<P: Copy + PartialEq> Watchdog<P> {
    /// `since`: when the phase began, where that was before now.
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
