//! The requests that wait for an instance, and the workers that wait for a request. Does not know what a worker is
//! made of, nor how a request ends.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::slot::Slot;
use crate::guest::resources::Exchange;

/// One shard queue for each shard that has workers. Each is first in, first out. Requests in a shard queue are served
/// by its own workers, which run on the thread of the clients. Workers of other shard queues help only where none of
/// its own comes.
pub(super) struct Queue {
    shard_queues: Box<[ShardQueue]>,
    /// The index of the shard queue, by the shard where a request comes from.
    shard_queue_of: Box<[usize]>,
    /// The shard of the first shard queue, and the number of shards.
    first: usize,
    shards: usize,
    /// How many shard queues are in need.
    in_need: AtomicUsize,
    closed: AtomicBool,
}

/// Aligned, so that two shards do not share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct ShardQueue {
    state: Mutex<State>,
    /// How many requests wait, to be read without the lock.
    waiting: AtomicUsize,
    /// How many workers are idle, to be read without the lock.
    idle: AtomicUsize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Arc<Exchange>>,
    /// How many of them nobody wants any more.
    left: usize,
    /// Idle workers. The last one is called first: its instance is the warmest.
    idle: Vec<Arc<Slot>>,
    /// A worker of this shard queue was called, or is new, and has not looked yet. If it leaves work behind, it has
    /// the next one called. Where requests are short, one worker serves many of them, and no other is woken in vain.
    coming: bool,
    /// Requests wait, and no worker of this shard queue comes.
    in_need: bool,
    /// Requests that were ever queued.
    accepted: u64,
}

/// No request is forgotten. It waits only where a worker is coming, where one is busy and will look when it is done,
/// or where no worker is idle. A worker that can't come for what waits calls `pass_on`.
impl Queue {
    /// Makes this number of shard queues. The first is on the shard `first`; `shards` is the number of all shards.
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

    /// The index of the shard queue for requests of this shard.
    pub(super) fn shard_queue_of(&self, shard: usize) -> usize {
        self.shard_queue_of.get(shard).copied().unwrap_or(0)
    }

    /// The shard of this shard queue's workers.
    pub(super) fn shard_of(&self, shard_queue: usize) -> usize {
        (self.first + shard_queue) % self.shards
    }

    /// Queues a request and calls a worker for it. Returns whether one comes.
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
        // Before any worker is asked whether it is busy: a busy one has yet to look whether something waits.
        self.shard_queues[shard_queue].tell(&state);
        Ok(self.fetch(shard_queue, state))
    }

    /// Calls a worker for what waits, in place of this one, which has no time. Returns whether one comes.
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

    /// Whether something waits that the worker of this slot should look at.
    pub(super) fn has_work(&self, slot: &Slot) -> bool {
        self.shard_queues[slot.shard_queue].waiting.load(SeqCst) > 0
            || self.in_need.load(SeqCst) > 0
    }

    /// Calls a worker for what waits in a shard queue: one of its own, or else of another.
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

    /// The indices of all shard queues, from this one on.
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

    /// Publishes the state of a shard queue after a change.
    fn settle(&self, shard_queue: usize, state: &mut State) {
        self.set_need(shard_queue, state, state.in_need);
    }

    /// Does the same, and notes whether requests wait there and none of its workers comes.
    fn set_need(&self, shard_queue: usize, state: &mut State, in_need: bool) {
        let in_need = in_need && !state.requests.is_empty() && !state.coming;
        match (std::mem::replace(&mut state.in_need, in_need), in_need) {
            (false, true) => drop(self.in_need.fetch_add(1, SeqCst)),
            (true, false) => drop(self.in_need.fetch_sub(1, SeqCst)),
            _ => {}
        }
        self.shard_queues[shard_queue].tell(state);
    }

    /// Makes a slot for a new worker, which counts as coming.
    pub(super) fn new_slot(&self, shard_queue: usize) -> Arc<Slot> {
        let mut state = self.shard_queues[shard_queue].state();
        state.coming = true;
        self.set_need(shard_queue, &mut state, false);
        Arc::new(Slot::called(shard_queue))
    }

    /// A shard queue with requests that no worker comes for.
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

    /// The next request for this slot: from its own shard queue, or from one in need.
    pub(super) fn take(&self, slot: &Slot) -> Option<Arc<Exchange>> {
        /// Each time after this number of requests, other shard queues come first, so that one without workers is not
        /// forgotten.
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

    /// Marks a request as one that nobody waits for. `false`: an instance has it already. The request's place is free
    /// immediately. The queue is cleaned once more than `most` requests were marked.
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

    /// Takes no more requests, and wakes all idle workers, so that they end.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        for shard_queue in 0..self.shard_queues() {
            let mut state = self.shard_queues[shard_queue].state();
            let idle = std::mem::take(&mut state.idle);
            // Those that are awake see to it that no request is left behind.
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

    /// Adds a slot to the idle ones of its shard queue.
    pub(super) fn list(&self, slot: &Arc<Slot>) {
        let mut state = self.shard_queues[slot.shard_queue].state();
        slot.listed.store(true, SeqCst);
        state.idle.push(slot.clone());
        self.settle(slot.shard_queue, &mut state);
    }

    /// Removes a slot from the idle ones. `false`: it was called just now.
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
    /// Publishes the numbers that are read without the lock. A larger number is stored in sequence with what follows,
    /// so that a reader does not miss it.
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

    /// Takes an idle worker and notes that it is coming, unless one is coming already.
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
