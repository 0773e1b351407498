//! A seat serves its pool's queue with one instance after the other, and settles what an instance leaves
//! behind when it dies. Decides who is replayed; words no response.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::instance::{Culprit, Death, End, Live};
use super::{Core, Count};
use crate::resources::{Answer, Exchange};

impl Core {
    /// Serves until there is no more to do here.
    pub(super) async fn seat(self: Arc<Self>, mut live: Option<Live>) {
        loop {
            let (mut instance, first) = match live.take() {
                Some(instance) => (instance, None),
                None => {
                    let Some(first) = self.next().await else {
                        break;
                    };
                    match self.make().await {
                        Ok(instance) => (instance, Some(first)),
                        Err(reason) => {
                            tracing::error!(target: "general", "{}: {reason}", self.blueprint.file);
                            self.settle(&first, Answer::Unavailable(reason));
                            continue;
                        }
                    }
                }
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
                    self.stop(instance).await;
                    break;
                }
                End::Dead(death) => {
                    drop(instance);
                    self.bury(death);
                }
            }
        }
        self.seats.fetch_sub(1, SeqCst);
        // A request may have come while this seat still looked idle.
        self.add_seats_if_needed();
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

    fn is_shared(&self) -> bool {
        self.rules().isolation == super::Isolation::Shared
    }
}
