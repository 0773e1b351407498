//! A worker: it serves its pool's queue with one instance after the other. When an instance dies, it decides which
//! requests are replayed. Words no response.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::birth::Purpose;
use super::death::{Culprit, Death};
use super::instance::{End, Instance};
use super::slot::Slot;
use super::{Count, PoolInner};
use crate::base::error::Error;
use crate::guest::resources::{Answer, Exchange, ShownId};

/// How long a worker waits before it tries again to make an instance, where other instances serve meanwhile.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// How long a request waits, at most, for a place under the cap on instances.
const FOR_A_PLACE: Duration = Duration::from_secs(10);

impl PoolInner {
    /// Serves until there is nothing more to do here.
    pub(super) async fn worker(self: Arc<Self>, slot: Arc<Slot>, mut live: Option<Instance>) {
        // Its sockets do without an instance until something comes.
        let mut is_asleep = false;
        loop {
            let (mut instance, first) = match live.take() {
                Some(instance) => (instance, None),
                None => match self.furnish(&slot, std::mem::take(&mut is_asleep)).await {
                    Some(furnished) => furnished,
                    None => break,
                },
            };
            let _alive = Count::one(&self.instances);
            if let Err(error) = self.inherit(&mut instance).await {
                // It serves with the copy from before the swap.
                tracing::error!(target: "general", "{}: {error}", self.blueprint.file);
            }
            match instance.serve(&self, &slot, first).await {
                End::Asleep => {
                    self.keep_state(&mut instance).await;
                    self.stop(instance).await;
                    is_asleep = true;
                }
                // Another worker took its place when it stopped taking requests.
                End::Spent => {
                    self.stop(instance).await;
                    if self.is_shared() {
                        break;
                    }
                }
                End::Whole => {
                    self.leave(&slot);
                    self.stop(instance).await;
                    return;
                }
                End::Dead(death) => {
                    let replaced = death.replaced;
                    drop(instance);
                    self.bury(death);
                    if replaced && self.is_shared() {
                        break;
                    }
                }
            }
        }
        self.leave(&slot);
    }

    fn leave(self: &Arc<Self>, slot: &Slot) {
        self.workers.fetch_sub(1, SeqCst);
        self.release_heir();
        // A request may wait that found no idle worker, and no place for a new one.
        self.pass_on(slot);
        self.add_worker_if_needed();
    }

    /// An instance for this worker, and its first request. A shared instance is made before a request is taken,
    /// because another worker might serve the request meanwhile, unless it `is_asleep`. `None`: there is nothing more to do
    /// here.
    async fn furnish(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        is_asleep: bool,
    ) -> Option<(Instance, Option<Arc<Exchange>>)> {
        loop {
            let is_early = self.is_shared() && !self.queue.is_closed() && !is_asleep;
            let first = match is_early {
                true => {
                    self.pass_on(slot);
                    None
                }
                false => Some(self.next(slot).await?),
            };
            let answer = match self.make().await {
                Ok(instance) => return Some((instance, first)),
                Err(answer) => answer,
            };
            if let Some(first) = first {
                self.settle(&first, answer);
            } else if self.instances.load(SeqCst) == 0 {
                let next = self.next(slot).await?;
                self.settle(&next, answer);
            } else {
                tokio::time::sleep(NEXT_TRY).await;
            }
        }
    }

    async fn next(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<Arc<Exchange>> {
        self.queue.next(slot, self.workers_leave()).await
    }

    /// Makes an instance. The error is the answer for the request that waits for it.
    async fn make(&self) -> Result<Instance, Answer> {
        let Some(place) = self.blueprint.place(self.patience()).await else {
            return Err(Answer::Busy);
        };
        let made = async {
            let mut live = self.blueprint.instantiate(place, Purpose::Serve).await?;
            if self.description.lifecycle.start {
                self.blueprint.start(&mut live).await?;
            }
            Ok(live)
        };
        made.await.map_err(|error: Error| {
            let reason = error.to_string();
            tracing::error!(target: "general", "{}: {reason}", self.blueprint.file);
            Answer::Unavailable(reason)
        })
    }

    /// How long a request may wait for a place under the cap on instances. It must be answered before its deadline.
    fn patience(&self) -> Duration {
        let deadline = self.rules().deadline.unwrap_or(Duration::MAX);
        (deadline / 4 * 3).min(FOR_A_PLACE)
    }

    pub(super) async fn stop(&self, mut instance: Instance) {
        if self.description.lifecycle.stop
            && let Err(error) = self.blueprint.stop(&mut instance).await
        {
            tracing::error!(target: "general", "{}: {error}", self.blueprint.file);
        }
    }

    /// Decides for every request of a dead instance what becomes of it.
    fn bury(self: &Arc<Self>, death: Death) {
        self.traps.fetch_add(1, SeqCst);
        self.blueprint.meter.traps.count();
        let Death {
            inside,
            residents,
            culprit,
            overrun,
            what,
            tasks,
            ..
        } = death;
        let component = &*self.blueprint.file;
        match &culprit {
            Culprit::Inside(exchange) => {
                let request = exchange.summary();
                let request_id = tracing::field::display(ShownId(exchange));
                tracing::error!(target: "app", component, request_id, "lost an instance in {request}: {what}");
            }
            Culprit::Task(name) => {
                self.window().lost_one();
                tracing::error!(target: "app", component, "lost an instance in the background task `{name}`: {what}");
            }
            Culprit::Over => {
                tracing::error!(target: "app", component, "lost an instance in what a request had left running: {what}");
            }
            Culprit::Unknown => {
                tracing::error!(target: "app", component, "lost an instance: {what}")
            }
        }
        for task in tasks {
            let (name, ran) = (&task.name, task.began.elapsed().as_secs_f64());
            if !matches!(&culprit, Culprit::Task(guilty) if guilty == name) {
                tracing::warn!(
                    target: "general", component,
                    "the background task `{name}` is lost with its instance after {ran:.1} s"
                );
            }
        }
        if self.is_handed_over.load(SeqCst) {
            // A new instance has another state.
            self.release_heir();
        }
        self.bury_sockets(residents);
        let alone = inside.len() == 1;
        for exchange in inside {
            let guilty = match &culprit {
                Culprit::Inside(guilty) => Arc::ptr_eq(guilty, &exchange),
                Culprit::Over | Culprit::Task(_) => false,
                // A request that was alone in there gets the trap as its answer, though its guilt is not proven.
                Culprit::Unknown => alone,
            };
            let cleared = !guilty && !matches!(culprit, Culprit::Unknown);
            if guilty {
                let answer = match overrun {
                    true => Answer::Overran,
                    false => Answer::Trapped(what.clone()),
                };
                self.settle(&exchange, answer);
            } else if !(cleared && (exchange.is_resumed() || exchange.claim_replay())) {
                self.settle(&exchange, Answer::Lost);
            } else if let Err(exchange) = self.requeue(exchange) {
                self.settle(&exchange, Answer::Lost);
            }
        }
    }

    fn settle(&self, exchange: &Exchange, answer: Answer) {
        if exchange.is_resumed() {
            self.lose_socket(exchange);
        }
        exchange.answer(answer);
        match exchange.connection() {
            Some(connection) => connection.close("its instance is lost"),
            None => self.over(),
        }
    }
}
