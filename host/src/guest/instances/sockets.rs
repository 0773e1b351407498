//! The sockets whose objects are in an instance: their events, their way to another instance when this one ends, and
//! what becomes of them when it dies. Calls no guest itself.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::Instant;

use super::call_context::CallContext;
use super::{LifeEnd, PoolInner};
use crate::base::timer::Timer;
use crate::base::websocket::code;
use crate::guest::resources::{Exchange, Requests};
use crate::services::sockets::{Home, Resident};

/// How the events of a socket ended.
#[derive(Debug)]
pub enum SocketEnd {
    /// Nothing waits. The object stays.
    Waits,
    /// The object is freed.
    Gone,
    /// The object is freed, and another one takes the socket over with what it has left.
    Leaves(Bytes),
    /// The guest was asked to end an event and did not: the instance must be replaced.
    Deaf,
}

/// Finds the object that takes a socket over.
pub trait Succession: Send + Sync {
    /// The pool and the request for it, if there is a handler that can take the socket over.
    fn successor(&self, exchange: &Exchange) -> Option<(Arc<PoolInner>, Arc<Exchange>)>;
}

/// The end of an instance with sockets.
#[derive(Default)]
pub(super) struct Departure {
    /// Since when it is to end, and how many sockets had come in then.
    asked: Option<(Instant, u64)>,
    timer: Timer,
    is_late: bool,
}

impl Departure {
    /// Asks the sockets to leave, as far as they can. The others are closed after `drain_deadline`.
    pub(super) fn poll(
        &mut self,
        core: &PoolInner,
        requests: &Requests,
        home: &Home,
        cx: &mut Context<'_>,
    ) {
        let entered = home.entered();
        let since = match self.asked {
            Some((since, known)) if known == entered => since,
            asked => {
                let since = asked.map_or_else(Instant::now, |(since, _)| since);
                self.asked = Some((since, entered));
                for Resident { socket, request } in home.residents() {
                    if core.may_leave(requests, request) {
                        socket.ask_to_leave();
                    } else if self.is_late {
                        let _ = socket.close(Some((code::SERVICE_RESTART, String::new())));
                    }
                }
                since
            }
        };
        let Some(deadline) = core.rules().drain_deadline else {
            return;
        };
        if !self.is_late && self.timer.poll_until(since + deadline, cx).is_ready() {
            self.is_late = true;
            for Resident { socket, .. } in home.residents() {
                let _ = socket.close(Some((code::SERVICE_RESTART, String::new())));
            }
        }
    }
}

impl PoolInner {
    /// Whether there is another object for a socket.
    fn may_leave(&self, requests: &Requests, request: u64) -> bool {
        let Some(exchange) = requests.get(request) else {
            return false;
        };
        let hooks = exchange.target.class.socket.unwrap_or_default();
        hooks.suspend && self.blueprint.succession.successor(&exchange).is_some()
    }

    /// Drives one socket until nothing waits for it.
    pub(super) async fn lead_socket(
        self: &Arc<Self>,
        context: &CallContext<'_>,
        resident: Resident,
    ) -> wasmtime::Result<LifeEnd> {
        let Resident { request, socket } = resident;
        let Some(exchange) = context.requests.get(request) else {
            socket.depart();
            return Ok(LifeEnd::Over);
        };
        let end = (self.lives.socket)(context, request, exchange.clone()).await?;
        let state = match end {
            SocketEnd::Waits => return Ok(LifeEnd::Over),
            SocketEnd::Deaf => {
                let _ = socket.close(Some((code::INTERNAL_ERROR, String::new())));
                return Ok(LifeEnd::Deaf);
            }
            SocketEnd::Gone => None,
            SocketEnd::Leaves(state) => Some(state),
        };
        context.requests.remove(request);
        socket.depart();
        if let Some(state) = state {
            self.pass_over(&exchange, state);
        }
        Ok(LifeEnd::Over)
    }

    /// Gives a socket without an object to another instance.
    fn pass_over(&self, exchange: &Exchange, state: Bytes) {
        /// The one that was found may have closed since.
        const TRIES: usize = 8;
        let Some(visitor) = &exchange.socket else {
            return;
        };
        for _ in 0..TRIES {
            let found = self.blueprint.succession.successor(exchange);
            let Some((core, next)) = found else {
                break;
            };
            if let Some(visitor) = &next.socket {
                visitor.set_state(state.clone());
            }
            if core.take_over(next).is_ok() {
                return;
            }
        }
        let _ = visitor
            .socket
            .close(Some((code::SERVICE_RESTART, String::new())));
    }

    /// Accepts a socket from another instance, beyond the limit for requests: it was accepted long ago.
    fn take_over(self: &Arc<Self>, exchange: Arc<Exchange>) -> Result<(), Arc<Exchange>> {
        self.admitted.fetch_add(1, SeqCst);
        self.resuming.fetch_add(1, SeqCst);
        let taken = self.requeue(exchange);
        if taken.is_err() {
            self.resuming.fetch_sub(1, SeqCst);
            self.over();
        }
        taken
    }

    /// Notes where the object of a socket is, now that its handshake is answered or it was taken over.
    pub(super) fn settle_socket(
        &self,
        requests: &Requests,
        request: u64,
        exchange: &Exchange,
        end: LifeEnd,
        home: &Arc<Home>,
    ) {
        match (&exchange.socket, end) {
            (Some(visitor), LifeEnd::Stays) => visitor.socket.settle(home, request),
            _ => requests.remove(request),
        }
        if exchange.is_resumed() {
            self.resuming.fetch_sub(1, SeqCst);
        }
    }

    /// A socket that can't be taken over.
    pub(super) fn lose_socket(&self, exchange: &Exchange) {
        self.resuming.fetch_sub(1, SeqCst);
        if let Some(visitor) = &exchange.socket {
            let _ = visitor
                .socket
                .close(Some((code::INTERNAL_ERROR, String::new())));
        }
    }

    /// Whether there are sockets on their way to an instance of this component, which may die of one.
    pub(super) fn sockets_are_moving(&self) -> bool {
        self.blueprint.family.moving() > 0 || self.resuming.load(SeqCst) > 0
    }

    /// Frees what sockets took along, once no other object can need it.
    pub(super) fn forget_states(&self, requests: &Requests, home: &Home) {
        for Resident { request, .. } in home.residents() {
            let exchange = requests.get(request);
            let visitor = exchange
                .as_ref()
                .and_then(|exchange| exchange.socket.as_ref());
            visitor.inspect(|visitor| visitor.forget_state());
        }
    }

    /// Asks the sockets of all instances to go to the component's next version.
    pub(super) fn hand_over(&self) {
        self.is_handed_over.store(true, SeqCst);
        let homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|home| home.wake());
    }

    /// A new instance, for its sockets.
    pub(super) fn open_home(&self, home: &Arc<Home>) {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes.retain(|home| home.strong_count() > 0);
        homes.push(Arc::downgrade(home));
    }

    /// Decides for each socket of a dead instance what becomes of it: one whose object has done nothing since it took
    /// over is taken over once more.
    pub(super) fn bury_sockets(self: &Arc<Self>, residents: Vec<Arc<Exchange>>) {
        for exchange in residents {
            let Some(visitor) = &exchange.socket else {
                continue;
            };
            visitor.socket.depart();
            match visitor.state() {
                Some(state) => self.pass_over(&exchange, state),
                None => {
                    let _ = visitor
                        .socket
                        .close(Some((code::INTERNAL_ERROR, String::new())));
                }
            }
        }
    }
}

/// The next socket with something to do, if this instance has room for it.
pub(super) fn next_due(home: &Home, has_room: bool, cx: &mut Context<'_>) -> Option<Resident> {
    if !has_room {
        return None;
    }
    match home.poll_due(cx) {
        Poll::Ready(resident) => Some(resident),
        Poll::Pending => None,
    }
}
