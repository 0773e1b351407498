//! The streams of clients in an instance that is to end. Calls no guest itself.

use std::task::Context;

use tokio::time::Instant;

use super::PoolInner;
use crate::base::timer::Timer;
use crate::guest::resources::{Cancel, Exchange, LET_GO, OpenStreams, Requests};

/// The end of the streams in an instance: they may go on until `drain_deadline`, then they read their ends, and then
/// their handlers are cancelled.
#[derive(Default)]
pub(super) struct Farewell {
    since: Option<Instant>,
    said: Said,
    timer: Timer,
    /// Since when there are no streams left, and still a call that serves them.
    idle: Option<Instant>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    EndOfReading,
    Cancel,
}

impl Farewell {
    /// A stream has come. It is told what the others were told.
    pub(super) fn greet(&self, exchange: &Exchange) {
        if self.said != Said::Nothing {
            exchange.connection().inspect(|one| one.end_reading());
        }
        if self.said == Said::Cancel {
            exchange.cancel(Cancel::Deadline);
        }
    }

    /// To be polled while there are streams, or a call that serves them, and the instance is to end.
    pub(super) fn poll(
        &mut self,
        core: &PoolInner,
        requests: &Requests,
        streams: &OpenStreams,
        cx: &mut Context<'_>,
    ) {
        if streams.is_empty() {
            let idle = *self.idle.get_or_insert_with(Instant::now);
            if self.timer.poll_until(idle + LET_GO, cx).is_ready() {
                streams.forsake();
            }
            return;
        }
        self.idle = None;
        let since = *self.since.get_or_insert_with(Instant::now);
        let Some(deadline) = core.rules().drain_deadline else {
            return;
        };
        let until = since + deadline;
        if self.said == Said::Nothing && self.timer.poll_until(until, cx).is_ready() {
            self.said = Said::EndOfReading;
            for exchange in requests.connections() {
                exchange.connection().inspect(|one| one.end_reading());
            }
        }
        let until = until + LET_GO;
        if self.said == Said::EndOfReading && self.timer.poll_until(until, cx).is_ready() {
            self.said = Said::Cancel;
            for exchange in requests.connections() {
                exchange.cancel(Cancel::Deadline);
            }
        }
    }
}
