//! The limit on connections, over all listeners, and the limits of each. Never ends a connection.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Limits;
use crate::tls::Tls;

/// Counts connections and hands the limits to each.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<watch::Sender<State>>);

#[derive(Debug)]
struct State {
    taken: usize,
    limits: Arc<Limits>,
    tls: Option<Tls>,
}

/// The right to be served. Dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    limits: Arc<Limits>,
    tls: Option<Tls>,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        Self(Arc::new(watch::Sender::new(State {
            taken: 0,
            limits,
            tls: None,
        })))
    }

    pub(super) fn set_limits(&self, mut limits: Limits) {
        self.0.send_modify(|state| {
            // The count of unsent bytes goes on, for present connections and for future ones.
            let before = &state.limits;
            for (kept, new) in [
                (&before.unsent, &mut limits.unsent),
                (&before.unread, &mut limits.unread),
            ] {
                kept.set_most(new.most());
                *new = kept.clone();
            }
            state.limits = Arc::new(limits);
        });
    }

    pub(super) fn set_tls(&self, tls: Option<Tls>) {
        self.0.send_modify(|state| state.tls = tls);
    }

    pub(super) fn taken(&self) -> usize {
        self.0.borrow().taken
    }

    /// A slot, as soon as one is free.
    pub(super) async fn take(&self) -> Slot {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(slot) = self.try_take() {
                return slot;
            }
            // It can't fail: this has the sender.
            let _ = changes.changed().await;
        }
    }

    fn try_take(&self) -> Option<Slot> {
        let mut slot = None;
        self.0.send_if_modified(|state| {
            if state.taken < state.limits.max_connections {
                state.taken += 1;
                slot = Some(Slot {
                    slots: self.clone(),
                    limits: state.limits.clone(),
                    tls: state.tls.clone(),
                });
            }
            // One free slot less is of no interest to a connection that waits.
            false
        });
        slot
    }
}

impl Slot {
    /// What its client may use.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The certificates for the connection, where its listener encrypts.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.0.send_modify(|state| state.taken -= 1);
    }
}
