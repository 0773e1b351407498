//! The requests that wait for an instance, and the workers that wait for a request. Knows neither what a worker is
//! made of nor how a request ends.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::slot::Slot;
use crate::guest::resources::Exchange;

/// One shard_queue for each shard that has workers: first come, first served. What waits in a shard_queue is its own workers' work,
/// whose thread is that of its clients; workers of other shard_queues help only where none of its own comes.
pub(super) struct Queue {
    shard_queues: Box<[ShardQueue]>,
    /// By the shard where a request comes from.
    shard_queue_of: Box<[usize]>,
    /// The shard of the first shard_queue, and how many shards there are.
    first: usize,
    shards: usize,
    /// How many shard_queues are in need.
    in_need: AtomicUsize,
    closed: AtomicBool,
}

/// Apart in memory, so that cores don't disturb each other.
#[derive(Default)]
#[repr(align(128))]
struct ShardQueue {
    state: Mutex<State>,
    /// How many requests wait, for a look without the lock.
    waiting: AtomicUsize,
    /// The same of idle workers.
    idle: AtomicUsize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Arc<Exchange>>,
    /// Those among them that nobody wants any more.
    left: usize,
    /// Workers with nothing to do. The last one is called first: its instance is the warmest.
    idle: Vec<Arc<Slot>>,
    /// A worker of this shard_queue was called, or is new, and has not looked yet. It has the next one called if it leaves work
    /// behind: where requests are quickly over, one worker serves many of them and nobody else is woken in vain.
    coming: bool,
    /// Requests wait, and no worker of this shard_queue comes.
    in_need: bool,
    /// Requests that were ever put in.
    accepted: u64,
}

/// Every request is noticed: it waits only where a worker is coming, is at work and will look when it is done, or none
/// is idle anywhere. Whoever can't come for what waits says so with `pass_on`.
impl Queue {
    /// So many shard_queues, of which the first is on the shard `first` of so many.
    pub(super) fn new(shard_queues: usize, first: usize, shards: usize) -> Self {
        let shard_queues = shard_queues.clamp(1, shards);
        let from_first = |shard| (shard + shards - first) % shards;
        Self {
            shard_queues: (0..shard_queues).map(|_| ShardQueue::default()).collect(),
            shard_queue_of: (0..shards)
                .map(|shard| from_first(shard) % shard_queues)
                .collect(),
            first,
            shards,
            in_need: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn shard_queues(&self) -> usize {
        self.shard_queues.len()
    }

    /// The shard_queue for what comes from this shard.
    pub(super) fn shard_queue_of(&self, shard: usize) -> usize {
        self.shard_queue_of.get(shard).copied().unwrap_or(0)
    }

    /// The shard where a shard_queue's workers are.
    pub(super) fn shard_of(&self, shard_queue: usize) -> usize {
        (self.first + shard_queue) % self.shards
    }

    /// Queues a request and sees to it that a worker comes: tells whether one does.
    pub(super) fn push(
        &self,
        shard_queue: usize,
        exchange: Arc<Exchange>,
    ) -> Result<bool, Arc<Exchange>> {
        let mut state = self.shard_queues[shard_queue].state();
        if self.is_closed() {
            return Err(exchange);
        }
        state.accepted += 1;
        state.requests.push_back(exchange);
        // Before any worker is asked whether it is busy: one that was has yet to look whether something waits.
        self.shard_queues[shard_queue].tell(&state);
        Ok(self.fetch(shard_queue, state))
    }

    /// Sees to it that a worker comes for what waits in place of this one, which has no time: tells whether one does.
    pub(super) fn pass_on(&self, slot: &Slot) -> bool {
        let mut state = self.shard_queues[slot.shard_queue].state();
        state.arrived(slot);
        let served = match state.requests.is_empty() {
            true => {
                drop(state);
                true
            }
            false => self.fetch(slot.shard_queue, state),
        };
        served && (self.in_need.load(SeqCst) == 0 || self.call_elsewhere(slot.shard_queue))
    }

    /// Whether something waits that this slot should look at.
    pub(super) fn has_work(&self, slot: &Slot) -> bool {
        self.shard_queues[slot.shard_queue].waiting.load(SeqCst) > 0
            || self.in_need.load(SeqCst) > 0
    }

    /// Calls a worker for what waits in a shard_queue, of this shard_queue or else of another.
    fn fetch(&self, shard_queue: usize, mut state: MutexGuard<'_, State>) -> bool {
        let called = state.call();
        let coming = state.coming;
        self.set_need(shard_queue, &mut state, !coming);
        drop(state);
        if let Some(slot) = called {
            slot.waker.wake();
        }
        coming || self.call_elsewhere(shard_queue)
    }

    /// All shard_queues, from this one on.
    fn from(&self, shard_queue: usize) -> impl Iterator<Item = usize> {
        let shard_queues = self.shard_queues();
        (shard_queue..shard_queue + shard_queues).map(move |shard_queue| shard_queue % shard_queues)
    }

    fn call_elsewhere(&self, shard_queue: usize) -> bool {
        for other in self.from(shard_queue + 1) {
            if self.shard_queues[other].idle.load(SeqCst) == 0 {
                continue;
            }
            let mut state = self.shard_queues[other].state();
            let called = state.call();
            self.settle(other, &mut state);
            drop(state);
            if let Some(slot) = called {
                slot.waker.wake();
                return true;
            }
        }
        false
    }

    /// After a change in a shard_queue, says how it is now.
    fn settle(&self, shard_queue: usize, state: &mut State) {
        self.set_need(shard_queue, state, state.in_need);
    }

    /// The same, and whether none of its workers comes for what waits there, if anything does.
    fn set_need(&self, shard_queue: usize, state: &mut State, in_need: bool) {
        let in_need = in_need && !state.requests.is_empty() && !state.coming;
        match (std::mem::replace(&mut state.in_need, in_need), in_need) {
            (false, true) => drop(self.in_need.fetch_add(1, SeqCst)),
            (true, false) => drop(self.in_need.fetch_sub(1, SeqCst)),
            _ => {}
        }
        self.shard_queues[shard_queue].tell(state);
    }

    /// Makes a slot for a new worker, which is coming.
    pub(super) fn new_slot(&self, shard_queue: usize) -> Arc<Slot> {
        let mut state = self.shard_queues[shard_queue].state();
        state.coming = true;
        self.set_need(shard_queue, &mut state, false);
        Arc::new(Slot::called(shard_queue))
    }

    /// A shard_queue with work that no worker comes for.
    pub(super) fn shard_queue_in_need(&self) -> Option<usize> {
        if self.in_need.load(SeqCst) == 0 {
            return None;
        }
        (0..self.shard_queues()).find(|&shard_queue| self.shard_queues[shard_queue].state().in_need)
    }

    /// Notes that a worker looks for work now, if it was the one that was coming.
    pub(super) fn arrived(&self, slot: &Slot) {
        if slot.called.load(Relaxed) {
            self.shard_queues[slot.shard_queue].state().arrived(slot);
        }
    }

    /// The next request for this slot: of its own shard_queue, or of one in need.
    pub(super) fn take(&self, slot: &Slot) -> Option<Arc<Exchange>> {
        /// Every so often others come first, so that a shard_queue without workers is not forgotten.
        const OTHERS: u64 = 16;
        let taken = slot.taken.load(Relaxed);
        let others_first = taken % OTHERS == OTHERS - 1;
        let next = match others_first {
            true => self
                .help(slot.shard_queue)
                .or_else(|| self.take_from(slot.shard_queue)),
            false => self
                .take_from(slot.shard_queue)
                .or_else(|| self.help(slot.shard_queue)),
        }?;
        slot.taken.store(taken + 1, Relaxed);
        Some(next)
    }

    fn help(&self, shard_queue: usize) -> Option<Arc<Exchange>> {
        if self.in_need.load(SeqCst) == 0 {
            return None;
        }
        self.from(shard_queue + 1)
            .filter(|&other| self.shard_queues[other].state().in_need)
            .find_map(|other| self.take_from(other))
    }

    fn take_from(&self, shard_queue: usize) -> Option<Arc<Exchange>> {
        if self.shard_queues[shard_queue].waiting.load(SeqCst) == 0 {
            return None;
        }
        let mut state = self.shard_queues[shard_queue].state();
        let next = loop {
            match state.requests.pop_front() {
                Some(exchange) if !exchange.enter() => state.left = state.left.saturating_sub(1),
                next => break next,
            }
        };
        self.settle(shard_queue, &mut state);
        next
    }

    /// Lets a request go. `false`: it waits no more. Its place is freed at once, and what it takes up of the queue
    /// before more than `most` have gone so.
    pub(super) fn leave(&self, shard_queue: usize, exchange: &Exchange, most: usize) -> bool {
        let mut state = self.shard_queues[shard_queue].state();
        if !exchange.leave() {
            return false;
        }
        state.left += 1;
        if state.left > most {
            state.requests.retain(|exchange| !exchange.has_left());
            state.left = 0;
            self.settle(shard_queue, &mut state);
        }
        true
    }

    /// Takes no more requests, and sends every worker home that has none.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        for shard_queue in 0..self.shard_queues() {
            let mut state = self.shard_queues[shard_queue].state();
            let idle = std::mem::take(&mut state.idle);
            // All who are awake see to it that none is left behind.
            self.set_need(shard_queue, &mut state, true);
            drop(state);
            for slot in idle {
                slot.waker.wake();
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// How many requests were ever queued.
    pub(super) fn accepted(&self) -> u64 {
        self.shard_queues
            .iter()
            .map(|shard_queue| shard_queue.state().accepted)
            .sum()
    }

    /// Lists a slot among the idle ones of its shard_queue.
    pub(super) fn list(&self, slot: &Arc<Slot>) {
        let mut state = self.shard_queues[slot.shard_queue].state();
        slot.listed.store(true, SeqCst);
        state.idle.push(slot.clone());
        self.settle(slot.shard_queue, &mut state);
    }

    /// Takes a slot from among the idle. `false`: it was called just now.
    pub(super) fn retire(&self, slot: &Arc<Slot>) -> bool {
        let mut state = self.shard_queues[slot.shard_queue].state();
        let listed = slot.listed.swap(false, SeqCst);
        if listed {
            state.idle.retain(|other| !Arc::ptr_eq(other, slot));
            self.settle(slot.shard_queue, &mut state);
        }
        listed
    }
}

impl ShardQueue {
    /// Tells how much is in it to those who look without the lock. Who looks for more must not miss it: that is said
    /// before anything else is looked at.
    fn tell(&self, state: &State) {
        for (told, now) in [
            (&self.waiting, state.requests.len()),
            (&self.idle, state.idle.len()),
        ] {
            match now.cmp(&told.load(Relaxed)) {
                Less => told.store(now, Relaxed),
                Equal => {}
                Greater => told.store(now, SeqCst),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn arrived(&mut self, slot: &Slot) {
        if slot.called.swap(false, SeqCst) {
            self.coming = false;
        }
    }

    /// A worker that was idle and is to come, unless one is coming.
    fn call(&mut self) -> Option<Arc<Slot>> {
        if self.coming {
            return None;
        }
        while let Some(slot) = self.idle.pop() {
            slot.listed.store(false, SeqCst);
            if !slot.is_busy() {
                self.coming = true;
                slot.called.store(true, SeqCst);
                return Some(slot);
            }
        }
        None
    }
}
