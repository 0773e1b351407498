//! The one timer of a connection. It never knows what it times.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Phase;

/// Measures how long a connection has been in a phase.
///
/// The timer is armed for the earliest deadline seen and re-armed only when it fires or must fire
/// sooner: the quick turns of a busy connection cost a look at the clock.
#[derive(Debug)]
pub(super) struct Watchdog {
    phase: Phase,
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    pub(super) fn new(phase: Phase) -> Self {
        Self {
            phase,
            since: Instant::now(),
            timer: None,
        }
    }

    /// Ready when the connection has been in `phase` for `limit`; else woken when that may be.
    pub(super) fn poll_expired(
        &mut self,
        phase: Phase,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if phase != self.phase {
            self.phase = phase;
            self.since = Instant::now();
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let due = self.since + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
