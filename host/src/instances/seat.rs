//! A seat serves its pool's queue with one instance after the other, and settles what an instance leaves
//! behind when it dies. Decides who is replayed; words no response.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::instance::{Culprit, Death, End, Live};
use super::{Core, Count};
use crate::resources::{Answer, Exchange};

/// How long a seat waits before it tries again to make an instance that others serve without.
const NEXT_TRY: Duration = Duration::from_secs(1);

impl Core {
    /// Serves until there is no more to do here.
    pub(super) async fn seat(self: Arc<Self>, mut live: Option<Live>) {
        loop {
            let (mut instance, first) = match live.take() {
                Some(instance) => (instance, None),
                None => match self.furnish().await {
                    Some(furnished) => furnished,
                    None => break,
                },
            };
            let _alive = Count::one(&self.instances);
            match instance.serve(&self, first).await {
                // Its seat was taken over when it stopped taking requests.
                End::Spent => {
                    self.stop(instance).await;
                    if self.is_shared() {
                        break;
                    }
                }
                End::Whole => {
                    self.leave();
                    self.stop(instance).await;
                    return;
                }
                End::Dead(death) => {
                    drop(instance);
                    self.bury(death);
                }
            }
        }
        self.leave();
    }

    fn leave(self: &Arc<Self>) {
        self.seats.fetch_sub(1, SeqCst);
        // A request may have come while this seat still looked idle.
        self.add_seats_if_needed();
    }

    /// An instance for this seat, and the request that it begins with. A shared one is made before it takes a request,
    /// which might be served by another meanwhile. `None`: there is no more to do here.
    async fn furnish(self: &Arc<Self>) -> Option<(Live, Option<Arc<Exchange>>)> {
        loop {
            let first = match self.is_shared() && !self.waiting.is_closed() {
                true => None,
                false => Some(self.next().await?),
            };
            let reason = match self.make().await {
                Ok(instance) => return Some((instance, first)),
                Err(reason) => reason,
            };
            tracing::error!(target: "general", "{}: {reason}", self.blueprint.file);
            if let Some(first) = first {
                self.settle(&first, Answer::Unavailable(reason));
            } else if self.instances.load(SeqCst) == 0 {
                let next = self.next().await?;
                self.settle(&next, Answer::Unavailable(reason));
            } else {
                tokio::time::sleep(NEXT_TRY).await;
            }
        }
    }

    async fn make(&self) -> Result<Live, String> {
        let mut live = self
            .blueprint
            .instantiate()
            .await
            .map_err(|error| error.to_string())?;
        if self.description.start {
            self.blueprint
                .start(&mut live)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(live)
    }

    async fn stop(&self, mut instance: Live) {
        if self.description.stop
            && let Err(error) = self.blueprint.stop(&mut instance).await
        {
            tracing::error!(target: "general", "{}: {error}", self.blueprint.file);
        }
    }

    /// Tells every request of a dead instance what becomes of it.
    fn bury(self: &Arc<Self>, death: Death) {
        self.traps.fetch_add(1, SeqCst);
        let Death {
            inside,
            culprit,
            overrun,
            what,
        } = death;
        let component = &*self.blueprint.file;
        match &culprit {
            Culprit::Inside(exchange) => {
                let request = exchange.summary();
                tracing::error!(target: "app", component, "lost an instance in {request}: {what}");
            }
            Culprit::Over => {
                tracing::error!(target: "app", component, "lost an instance in what a request had left running: {what}");
            }
            Culprit::Unknown => {
                tracing::error!(target: "app", component, "lost an instance: {what}")
            }
        }
        let alone = inside.len() == 1;
        for exchange in inside {
            let guilty = match &culprit {
                Culprit::Inside(guilty) => Arc::ptr_eq(guilty, &exchange),
                Culprit::Over => false,
                // Who was alone in there is told what happened, but not cleared of it.
                Culprit::Unknown => alone,
            };
            let cleared = !guilty && !matches!(culprit, Culprit::Unknown);
            if guilty {
                let answer = match overrun {
                    true => Answer::Overran,
                    false => Answer::Trapped(what.clone()),
                };
                self.settle(&exchange, answer);
            } else if !(cleared && exchange.claim_replay()) {
                self.settle(&exchange, Answer::Lost);
            } else if let Err(exchange) = self.requeue(exchange) {
                self.settle(&exchange, Answer::Lost);
            }
        }
    }

    fn settle(&self, exchange: &Exchange, answer: Answer) {
        exchange.answer(answer);
        self.over();
    }
}
