//! One listener at work: a task that accepts, and that owns what it accepted. Does not decide when to stop.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use super::Place;
use super::attendant::Attendant;
use super::slots::{Slot, Slots};
use crate::base::shards::Shards;
use crate::config::Listen;
use crate::edge::listener::{Accepted, Listener, set_mode};

/// The handle on a listener's task. Dropping it closes the listener and lets the connections drain.
#[derive(Debug)]
pub(super) struct Door {
    wanted: Place,
    address: Listen,
    order: watch::Sender<Order>,
    closed: oneshot::Receiver<()>,
    task: JoinHandle<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Accept,
    Drain,
    Abort,
}

impl Door {
    pub(super) fn open<A: Attendant>(
        wanted: Place,
        listener: Listener,
        mut connections: Connections<A>,
    ) -> Self {
        let address = listener.address().clone();
        let (order, mut orders) = watch::channel(Order::Accept);
        let (closing, closed) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut waiting = VecDeque::new();
            waiting.extend(accept(&listener, &mut connections, &mut orders).await);
            waiting.extend(listener.close().await);
            drop(closing);
            connections.drain(waiting, &mut orders).await
        });
        Self {
            wanted,
            address,
            order,
            closed,
            task,
        }
    }

    /// The place that was asked for.
    pub(super) fn wanted(&self) -> &Place {
        &self.wanted
    }

    /// Sets another mode for the same address. Sockets of systemd and the like have none.
    pub(super) fn change_mode(&mut self, wanted: &Listen) {
        if let Listen::Unix {
            path,
            mode: Some(mode),
        } = wanted
            && self.wanted.listen != *wanted
            && let Err(error) = set_mode(path, *mode)
        {
            warn!(target: "general", listener = %wanted, "{error}");
        }
        self.wanted.listen.clone_from(wanted);
    }

    /// The address where it listens.
    pub(super) fn address(&self) -> &Listen {
        &self.address
    }

    /// Every connection has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops accepting.
    pub(super) fn close(&self) {
        self.order.send_replace(Order::Drain);
    }

    /// Waits until it has stopped accepting. When this returns, the address is free.
    pub(super) async fn closed(&mut self) {
        let _ = (&mut self.closed).await;
    }

    /// Waits for the connections until `deadline`, ends the others, and returns their number.
    pub(super) async fn end(mut self, deadline: Instant) -> usize {
        let drained = timeout_at(deadline, &mut self.task).await;
        let ended = match drained {
            Ok(ended) => ended,
            Err(_late) => {
                self.order.send_replace(Order::Abort);
                self.task.await
            }
        };
        ended.unwrap_or(0)
    }
}

/// Accepts until it is told to stop. Returns what was accepted and has no slot yet.
async fn accept<A: Attendant>(
    listener: &Listener,
    connections: &mut Connections<A>,
    orders: &mut watch::Receiver<Order>,
) -> Option<Accepted> {
    // At the limit, one more is taken from the system's queue and waits here. If its slot were taken first, idle
    // listeners would keep slots from busy ones.
    let mut waiting = None;
    let slots = connections.slots.clone();
    let mut next = pin!(listener.accept());
    loop {
        tokio::select! {
            biased;
            _ = ordered(orders, Order::Drain) => return waiting,
            () = connections.reap() => {}
            accepted = &mut next, if waiting.is_none() => {
                waiting = Some(accepted);
                next.set(listener.accept());
            }
            slot = slots.take(), if waiting.is_some() => {
                if let Some(accepted) = waiting.take() {
                    connections.add(accepted, slot);
                }
            }
        }
    }
}

/// Ready once `order`, or one beyond it, was given. `None`: no more orders can come.
async fn ordered(orders: &mut watch::Receiver<Order>, order: Order) -> Option<()> {
    orders
        .wait_for(|given| *given >= order)
        .await
        .ok()
        .map(drop)
}

/// The connections of one listener, each with a sender that tells it to stop when dropped.
#[derive(Debug)]
pub(super) struct Connections<A> {
    shards: Arc<Shards>,
    slots: Slots,
    attendant: A,
    place: Arc<Place>,
    tasks: JoinSet<()>,
    stops: HashMap<Id, oneshot::Sender<()>>,
    /// Whether a connection is told to stop before it begins: it answers one request, and says so.
    is_draining: bool,
}

impl<A: Attendant> Connections<A> {
    pub(super) fn new(shards: Arc<Shards>, slots: Slots, attendant: A, place: Place) -> Self {
        Self {
            shards,
            slots,
            attendant,
            place: Arc::new(place),
            tasks: JoinSet::new(),
            stops: HashMap::new(),
            is_draining: false,
        }
    }

    /// Serves a connection on the shard that has the fewest.
    fn add(&mut self, accepted: Accepted, slot: Slot) {
        let (stop, stopped) = oneshot::channel();
        let stop = (!self.is_draining).then_some(stop);
        let (attendant, place) = (self.attendant.clone(), self.place.clone());
        let on_shard = self.shards.place();
        let runtime = on_shard.runtime().clone();
        let connection = async move {
            // Kept here until the connection has ended; moved to a variable, it would be in the future twice.
            let _on_shard = &on_shard;
            let stopped = stopped.map(drop);
            attendant.attend(accepted, place, slot, stopped).await;
        };
        let task = self.tasks.spawn_on(connection, &runtime);
        self.stops.extend(stop.map(|stop| (task.id(), stop)));
    }

    /// Removes one connection that has ended. Never ready while there is none.
    async fn reap(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(failure)) => {
                error!(target: "general", %failure, "a connection's task failed");
                failure.id()
            }
            None => std::future::pending().await,
        };
        self.stops.remove(&id);
    }

    /// Tells all to stop, and serves those that still wait for a slot in the same way. Waits until all have ended or
    /// are to be aborted, and returns the number of the latter.
    async fn drain(
        mut self,
        mut waiting: VecDeque<Accepted>,
        orders: &mut watch::Receiver<Order>,
    ) -> usize {
        let slots = self.slots.clone();
        self.is_draining = true;
        self.stops.clear();
        while !(self.tasks.is_empty() && waiting.is_empty()) {
            tokio::select! {
                biased;
                () = self.reap() => {}
                Some(()) = ordered(orders, Order::Abort) => break,
                slot = slots.take(), if !waiting.is_empty() => {
                    if let Some(accepted) = waiting.pop_front() {
                        self.add(accepted, slot);
                    }
                }
            }
        }
        self.tasks.abort_all();
        self.tasks.len() + waiting.len()
    }
}
