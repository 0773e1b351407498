//! The state of a `single` component on its way to the next version: a copy before that serves, and what there is then
//! when it does. Decides about no request.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::call_context::CallContext;
use super::{LifeEnd, PoolInner};
use crate::base::error::Error;
use crate::base::timer::Timer;

/// How long requests that are under way may hold the state back, once the next version serves.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the next version, once it is to serve, waits for the state at most: past it something is wrong, and it serves
/// with the copy.
const AT_MOST: Duration = Duration::from_secs(30);

/// A pool's part in the state of its component.
#[derive(Default)]
pub(super) struct Handover {
    /// Those who wait for a copy.
    wanted: Mutex<Vec<oneshot::Sender<Result<Bytes, String>>>>,
    /// The next version, which waits for the state.
    heir: OnceLock<Arc<PoolInner>>,
    /// For the state of the version before.
    legacy: Mutex<Option<oneshot::Sender<Bytes>>>,
    waits: Mutex<Option<oneshot::Receiver<Bytes>>>,
    /// The state, while there is no instance.
    kept: Mutex<Option<Bytes>>,
}

impl Handover {
    /// This version waits for the state of the one before.
    pub(super) fn expect(&self) {
        let (legacy, waits) = oneshot::channel();
        *lock(&self.legacy) = Some(legacy);
        *lock(&self.waits) = Some(waits);
    }

    fn expects(&self) -> bool {
        lock(&self.legacy).is_some()
    }

    /// Hands this version its state, or nothing: then the copy stays. Only the first time counts.
    pub(super) fn bequeath(&self, state: Option<Bytes>) {
        let legacy = lock(&self.legacy).take();
        if let (Some(legacy), Some(state)) = (legacy, state) {
            // Nobody waits where the version is gone already.
            let _ = legacy.send(state);
        }
    }

    /// Waits for the state. `None`: this version expects none, or gets none.
    pub(super) async fn legacy(&self) -> Option<Bytes> {
        let waits = lock(&self.waits).take()?;
        waits.await.ok()
    }

    pub(super) fn keep(&self, state: Bytes) {
        *lock(&self.kept) = Some(state);
    }

    pub(super) fn take_kept(&self) -> Option<Bytes> {
        lock(&self.kept).take()
    }
}

/// When an instance gives its state to the next version.
#[derive(Default)]
pub(super) struct Bequest {
    since: Option<Instant>,
    timer: Timer,
    is_made: bool,
}

impl Bequest {
    /// Whether it is time, once. `is_over`: no request is under way, and none can come.
    pub(super) fn is_due(&mut self, core: &PoolInner, is_over: bool, cx: &mut Context<'_>) -> bool {
        if self.is_made || core.handover.heir.get().is_none() {
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if !is_over && self.timer.poll_until(since + PATIENCE, cx).is_pending() {
            return false;
        }
        if !is_over {
            let component = &*core.blueprint.file;
            tracing::warn!(
                target: "general", component,
                "requests of the version before are still under way after 1 s: what they change is not handed over"
            );
        }
        self.is_made = true;
        true
    }
}

impl PoolInner {
    /// A copy of the state as it is now.
    pub(super) async fn copy_of_state(&self) -> Result<Bytes, Error> {
        if let Some(kept) = &*lock(&self.handover.kept) {
            return Ok(kept.clone());
        }
        let (wanted, copy) = oneshot::channel();
        lock(&self.handover.wanted).push(wanted);
        self.wake_homes();
        let within = self.rules().deadline.unwrap_or(AT_MOST);
        let copy = match timeout(within, copy).await {
            Ok(Ok(copy)) => copy,
            Ok(Err(_)) | Err(_) => Err("it did not end".to_owned()),
        };
        copy.map_err(|why| {
            Error::component(format!(
                "the version that serves can't `save` its state: {why}"
            ))
        })
    }

    /// Those who wait for a copy.
    pub(super) fn take_wanted(&self) -> Vec<oneshot::Sender<Result<Bytes, String>>> {
        match self.blueprint.linked.exports.has_state() {
            true => std::mem::take(&mut *lock(&self.handover.wanted)),
            false => Vec::new(),
        }
    }

    /// Gives the state to this version when there is no request left, or nothing where there is no instance to ask.
    fn set_heir(&self, heir: &Arc<PoolInner>) {
        if self.handover.heir.set(heir.clone()).is_err() {
            return;
        }
        if let Some(kept) = self.handover.take_kept() {
            return heir.handover.bequeath(Some(kept));
        }
        let heir = Arc::downgrade(heir);
        tokio::spawn(async move {
            tokio::time::sleep(AT_MOST).await;
            if let Some(heir) = heir.upgrade() {
                heir.handover.bequeath(None);
            }
        });
    }

    /// Nothing is left to be given.
    pub(super) fn release_heir(&self) {
        if let Some(heir) = self.handover.heir.get() {
            heir.handover.bequeath(None);
        }
    }

    /// Saves the state for one who waits for a copy, or else for the next version.
    pub(super) async fn save(
        &self,
        context: &CallContext<'_>,
        copy: Option<oneshot::Sender<Result<Bytes, String>>>,
    ) -> wasmtime::Result<LifeEnd> {
        let Some(state) = &context.guest.state else {
            return Ok(LifeEnd::Over);
        };
        let saved = context.start(&state.save, (), |_, _| {})?.await?.0;
        let saved = saved.map(Bytes::from);
        match (copy, self.handover.heir.get()) {
            (Some(copy), _) => {
                // Who has waited may be gone.
                let _ = copy.send(saved);
            }
            (None, Some(heir)) => {
                if let Err(error) = &saved {
                    let component = &*self.blueprint.file;
                    tracing::error!(
                        target: "app", component,
                        "uncaught error in `save`, the next version has the copy from before the swap: {error}"
                    );
                }
                heir.handover.bequeath(saved.ok());
            }
            (None, None) => {}
        }
        Ok(LifeEnd::Over)
    }

    fn wake_homes(&self) {
        let homes = lock(&self.homes);
        homes
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .for_each(|home| home.wake());
    }

    /// Asks the sockets of all instances to go to the component's next version, and these to give it their state.
    pub(super) fn hand_over(&self, heir: Option<&Arc<PoolInner>>) {
        if let Some(heir) = heir.filter(|heir| heir.handover.expects()) {
            self.set_heir(heir);
        }
        self.is_handed_over.store(true, SeqCst);
        self.wake_homes();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
