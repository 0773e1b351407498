//! The sockets whose objects are in an instance: their events, their way to another instance when this one ends, and
//! what becomes of them when it dies. Calls no guest itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

use super::asleep::Asleep;
use super::call_context::CallContext;
use super::succession::pass_over;
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

/// When the sockets of an instance have been quiet for so long that it is freed.
#[derive(Default)]
pub(super) struct Quiet {
    since: Option<Instant>,
    timer: Timer,
}

impl Quiet {
    /// Something happens.
    pub(super) fn disturb(&mut self) {
        self.since = None;
    }

    /// Ready when nothing has happened for this long.
    pub(super) fn poll(&mut self, long: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll_until(since + long, cx)
    }
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
                        socket.close_for(code::SERVICE_RESTART);
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
                socket.close_for(code::SERVICE_RESTART);
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
        let succession = &self.blueprint.succession;
        let successor = || succession.successor(exchange.homeless()?);
        hooks.suspend && successor().is_some()
    }

    /// Whether all sockets of an instance can do without it.
    pub(super) fn may_sleep(&self, requests: &Requests, home: &Home) -> bool {
        let mut residents = home.residents().into_iter();
        residents.all(|resident| self.may_leave(requests, resident.request))
    }

    /// Drives one socket until nothing waits for it. `is_asleep`: if it leaves, nothing takes it over for now.
    pub(super) async fn lead_socket(
        self: &Arc<Self>,
        context: &CallContext<'_>,
        resident: Resident,
        is_asleep: &AtomicBool,
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
                socket.close_for(code::INTERNAL_ERROR);
                return Ok(LifeEnd::Deaf);
            }
            SocketEnd::Gone => None,
            SocketEnd::Leaves(state) => Some(state),
        };
        context.requests.remove(request);
        socket.depart();
        if let (Some(state), Some(homeless)) = (state, exchange.homeless()) {
            let succession = &self.blueprint.succession;
            if is_asleep.load(Relaxed) {
                let class = exchange.target.class.clone();
                socket.family.meter.sockets.slept.count();
                let asleep = Asleep::new(homeless, class, &state, succession);
                socket.sleep(Box::new(asleep));
            } else {
                pass_over(&**succession, homeless, state);
            }
        }
        Ok(LifeEnd::Over)
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
            visitor.socket.close_for(code::INTERNAL_ERROR);
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
                Some(state) => {
                    if let Some(homeless) = exchange.homeless() {
                        pass_over(&*self.blueprint.succession, homeless, state);
                    }
                }
                None => {
                    visitor.socket.close_for(code::INTERNAL_ERROR);
                }
            }
        }
    }
}
