//! The background tasks of an instance: each is driven from its beginning to its end, inside the instance's event
//! loop. A loop waits until it has its lock. Knows nothing of requests.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;
use wasmtime::component::GuestTaskId;

use super::call_context::CallContext;
use super::{LifeEnd, PoolInner};
use crate::guest::resources::{Background, Ctx, LET_GO, Task};

/// The tasks of one instance that are under way.
#[derive(Default)]
pub(super) struct Tasks<'a> {
    all: Option<FuturesUnordered<BoxFuture<'a, wasmtime::Result<LifeEnd>>>>,
    /// The waker of the instance, for tasks that arrive.
    waker: Option<Waker>,
}

impl<'a> Tasks<'a> {
    /// Whether there is nothing to drive. A new task then wakes this waker.
    pub(super) fn is_idle(&self, background: &Background, waker: &Waker) -> bool {
        let is_known = self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker));
        is_known && background.is_empty()
    }

    /// Polls all tasks. Returns whether one does not react to cancellation.
    pub(super) fn poll(
        &mut self,
        core: &'a PoolInner,
        context: &'a CallContext<'a>,
        background: &'a Arc<Background>,
        cx: &mut Context<'_>,
    ) -> wasmtime::Result<bool> {
        background.arrival.register(cx.waker());
        self.waker = Some(cx.waker().clone());
        let arrivals = background.arrivals();
        if self.all.is_none() && arrivals.is_empty() {
            return Ok(false);
        }
        let all = self.all.get_or_insert_default();
        all.extend(arrivals.into_iter().map(|task| -> BoxFuture<'a, _> {
            Box::pin(async move {
                let end = core.lead_task(context, background, &task).await?;
                background.leave(&task);
                Ok(end)
            })
        }));
        let mut deaf = false;
        while let Poll::Ready(Some(ended)) = all.poll_next_unpin(cx) {
            deaf |= ended? == LifeEnd::Deaf;
        }
        if all.is_empty() {
            self.all = None;
        }
        Ok(deaf)
    }
}

impl PoolInner {
    async fn lead_task(
        &self,
        context: &CallContext<'_>,
        background: &Background,
        task: &Task,
    ) -> wasmtime::Result<LifeEnd> {
        let Some(work) = &context.guest.work else {
            return Ok(LifeEnd::Over);
        };
        let component = &*self.blueprint.file;
        let name = &*task.name;
        let ready = async {
            let file = &self.blueprint.file;
            let begun = background.window().begun().await;
            match task.is_loop() && begun {
                true => (
                    begun,
                    Some(self.blueprint.services.loops.own(file, name).await),
                ),
                false => (begun, None),
            }
        };
        let budget = self.rules().spawn_budget;
        let owner = tokio::select! {
            biased;
            () = background.time_is_up(task, budget) => {
                if !task.is_loop() && background.window().has_begun() {
                    tracing::warn!(
                        target: "general", component,
                        "the background task `{name}` was given up before it began: its instance is to end"
                    );
                }
                return Ok(LifeEnd::Over);
            }
            (begun, owner) = ready => match begun {
                true => owner,
                false => return Ok(LifeEnd::Over),
            },
        };
        let began = tokio::time::Instant::now();
        if task.is_loop() {
            tracing::debug!(target: "general", component, "the loop `{name}` begins in this instance");
        }
        let mut ended = pin!(context.start(&work.run, (task.number,), of(task))?);
        tokio::select! {
            biased;
            ended = &mut ended => {
                if let (Err(error),) = ended? {
                    tracing::error!(target: "app", component, "uncaught error in the background task `{name}`: {error}");
                } else if task.is_loop() {
                    tracing::info!(target: "general", component, "the loop `{name}` has come to its end");
                }
                return Ok(LifeEnd::Over);
            }
            () = background.time_is_up(task, budget) => {}
        }
        let cancel = context.start(&work.cancel, (task.number,), of(task))?;
        let both = async { tokio::try_join!(ended, cancel) };
        let let_go = timeout(LET_GO, both).await;
        let ran = began.elapsed().as_secs_f64();
        match let_go {
            Ok(both) => {
                // A task that was cancelled may fail because of it.
                let _ = both?;
                if task.is_loop() {
                    tracing::info!(
                        target: "general", component,
                        "the loop `{name}` leaves this instance, which is to end, after {ran:.1} s"
                    );
                } else {
                    tracing::warn!(
                        target: "general", component,
                        "the background task `{name}` was cancelled after {ran:.1} s: its instance is to end"
                    );
                }
                Ok(LifeEnd::Over)
            }
            Err(_) => {
                tracing::error!(
                    target: "general", component,
                    "the background task `{name}` was told to end after {ran:.1} s and did not: its instance is given up"
                );
                // It may run as long as its instance exists, and no other instance may run the loop meanwhile.
                background.hold(owner);
                Ok(LifeEnd::Deaf)
            }
        }
    }
}

/// Notes which task a call belongs to.
fn of(task: &Task) -> impl FnOnce(&mut Ctx, GuestTaskId) {
    |ctx, call| {
        ctx.tasks.remove(&call);
        ctx.jobs.insert(call, task.name.clone());
    }
}
