//! The requests that wait for an instance, and the seats that wait for a request. Knows neither what a seat is
//! made of nor how a request ends.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::post::Post;
use crate::guest::resources::Exchange;

/// One lane for each shard that has seats: first come, first served. What waits in a lane is its own seats' work,
/// whose thread is that of its clients; seats of other lanes help only where none of its own comes.
pub(super) struct Queue {
    lanes: Box<[Lane]>,
    /// By the shard where a request comes from.
    lane_of: Box<[usize]>,
    /// The shard of the first lane, and how many shards there are.
    first: usize,
    shards: usize,
    /// How many lanes are in need.
    in_need: AtomicUsize,
    closed: AtomicBool,
}

/// Apart in memory, so that cores don't disturb each other.
#[derive(Default)]
#[repr(align(128))]
struct Lane {
    state: Mutex<State>,
    /// How many requests wait, for a look without the lock.
    waiting: AtomicUsize,
    /// The same of idle seats.
    idle: AtomicUsize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Arc<Exchange>>,
    /// Those among them that nobody wants any more.
    left: usize,
    /// Seats with nothing to do. The last one is called first: its instance is the warmest.
    idle: Vec<Arc<Post>>,
    /// A seat of this lane was called, or is new, and has not looked yet. It has the next one called if it leaves work
    /// behind: where requests are quickly over, one seat serves many of them and nobody else is woken in vain.
    coming: bool,
    /// Requests wait, and no seat of this lane comes.
    in_need: bool,
    /// Requests that were ever put in.
    accepted: u64,
}

/// Every request is noticed: it waits only where a seat is coming, is at work and will look when it is done, or none
/// is idle anywhere. Whoever can't come for what waits says so with `pass_on`.
impl Queue {
    /// So many lanes, of which the first is on the shard `first` of so many.
    pub(super) fn new(lanes: usize, first: usize, shards: usize) -> Self {
        let lanes = lanes.clamp(1, shards);
        let from_first = |shard| (shard + shards - first) % shards;
        Self {
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            lane_of: (0..shards).map(|shard| from_first(shard) % lanes).collect(),
            first,
            shards,
            in_need: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The lane for what comes from this shard.
    pub(super) fn lane_of(&self, shard: usize) -> usize {
        self.lane_of.get(shard).copied().unwrap_or(0)
    }

    /// The shard where a lane's seats are.
    pub(super) fn shard_of(&self, lane: usize) -> usize {
        (self.first + lane) % self.shards
    }

    /// Queues a request and sees to it that a seat comes: tells whether one does.
    pub(super) fn push(&self, lane: usize, exchange: Arc<Exchange>) -> Result<bool, Arc<Exchange>> {
        let mut state = self.lanes[lane].state();
        if self.is_closed() {
            return Err(exchange);
        }
        state.accepted += 1;
        state.requests.push_back(exchange);
        // Before any seat is asked whether it is busy: one that was has yet to look whether something waits.
        self.lanes[lane].tell(&state);
        Ok(self.fetch(lane, state))
    }

    /// Sees to it that a seat comes for what waits in place of this one, which has no time: tells whether one does.
    pub(super) fn pass_on(&self, post: &Post) -> bool {
        let mut state = self.lanes[post.lane].state();
        state.arrived(post);
        let served = match state.requests.is_empty() {
            true => {
                drop(state);
                true
            }
            false => self.fetch(post.lane, state),
        };
        served && (self.in_need.load(SeqCst) == 0 || self.call_elsewhere(post.lane))
    }

    /// Whether something waits that this post should look at.
    pub(super) fn has_work(&self, post: &Post) -> bool {
        self.lanes[post.lane].waiting.load(SeqCst) > 0 || self.in_need.load(SeqCst) > 0
    }

    /// Calls a seat for what waits in a lane, of this lane or else of another.
    fn fetch(&self, lane: usize, mut state: MutexGuard<'_, State>) -> bool {
        let called = state.call();
        let coming = state.coming;
        self.set_need(lane, &mut state, !coming);
        drop(state);
        if let Some(post) = called {
            post.waker.wake();
        }
        coming || self.call_elsewhere(lane)
    }

    /// All lanes, from this one on.
    fn from(&self, lane: usize) -> impl Iterator<Item = usize> {
        let lanes = self.lanes();
        (lane..lane + lanes).map(move |lane| lane % lanes)
    }

    fn call_elsewhere(&self, lane: usize) -> bool {
        for other in self.from(lane + 1) {
            if self.lanes[other].idle.load(SeqCst) == 0 {
                continue;
            }
            let mut state = self.lanes[other].state();
            let called = state.call();
            self.settle(other, &mut state);
            drop(state);
            if let Some(post) = called {
                post.waker.wake();
                return true;
            }
        }
        false
    }

    /// After a change in a lane, says how it is now.
    fn settle(&self, lane: usize, state: &mut State) {
        self.set_need(lane, state, state.in_need);
    }

    /// The same, and whether none of its seats comes for what waits there, if anything does.
    fn set_need(&self, lane: usize, state: &mut State, in_need: bool) {
        let in_need = in_need && !state.requests.is_empty() && !state.coming;
        match (std::mem::replace(&mut state.in_need, in_need), in_need) {
            (false, true) => drop(self.in_need.fetch_add(1, SeqCst)),
            (true, false) => drop(self.in_need.fetch_sub(1, SeqCst)),
            _ => {}
        }
        self.lanes[lane].tell(state);
    }

    /// Makes a post for a new seat, which is coming.
    pub(super) fn new_post(&self, lane: usize) -> Arc<Post> {
        let mut state = self.lanes[lane].state();
        state.coming = true;
        self.set_need(lane, &mut state, false);
        Arc::new(Post::called(lane))
    }

    /// A lane with work that no seat comes for.
    pub(super) fn lane_in_need(&self) -> Option<usize> {
        if self.in_need.load(SeqCst) == 0 {
            return None;
        }
        (0..self.lanes()).find(|&lane| self.lanes[lane].state().in_need)
    }

    /// Notes that a seat looks for work now, if it was the one that was coming.
    pub(super) fn arrived(&self, post: &Post) {
        if post.called.load(Relaxed) {
            self.lanes[post.lane].state().arrived(post);
        }
    }

    /// The next request for this post: of its own lane, or of one in need.
    pub(super) fn take(&self, post: &Post) -> Option<Arc<Exchange>> {
        /// Every so often others come first, so that a lane without seats is not forgotten.
        const OTHERS: u64 = 16;
        let taken = post.taken.load(Relaxed);
        let others_first = taken % OTHERS == OTHERS - 1;
        let next = match others_first {
            true => self.help(post.lane).or_else(|| self.take_from(post.lane)),
            false => self.take_from(post.lane).or_else(|| self.help(post.lane)),
        }?;
        post.taken.store(taken + 1, Relaxed);
        Some(next)
    }

    fn help(&self, lane: usize) -> Option<Arc<Exchange>> {
        if self.in_need.load(SeqCst) == 0 {
            return None;
        }
        self.from(lane + 1)
            .filter(|&other| self.lanes[other].state().in_need)
            .find_map(|other| self.take_from(other))
    }

    fn take_from(&self, lane: usize) -> Option<Arc<Exchange>> {
        if self.lanes[lane].waiting.load(SeqCst) == 0 {
            return None;
        }
        let mut state = self.lanes[lane].state();
        let next = loop {
            match state.requests.pop_front() {
                Some(exchange) if !exchange.enter() => state.left = state.left.saturating_sub(1),
                next => break next,
            }
        };
        self.settle(lane, &mut state);
        next
    }

    /// Lets a request go. `false`: it waits no more. Its place is freed at once, and what it takes up of the queue
    /// before more than `most` have gone so.
    pub(super) fn leave(&self, lane: usize, exchange: &Exchange, most: usize) -> bool {
        let mut state = self.lanes[lane].state();
        if !exchange.leave() {
            return false;
        }
        state.left += 1;
        if state.left > most {
            state.requests.retain(|exchange| !exchange.has_left());
            state.left = 0;
            self.settle(lane, &mut state);
        }
        true
    }

    /// Takes no more requests, and sends every seat home that has none.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        for lane in 0..self.lanes() {
            let mut state = self.lanes[lane].state();
            let idle = std::mem::take(&mut state.idle);
            // All who are awake see to it that none is left behind.
            self.set_need(lane, &mut state, true);
            drop(state);
            for post in idle {
                post.waker.wake();
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// How many requests were ever queued.
    pub(super) fn accepted(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.state().accepted).sum()
    }

    /// Lists a post among the idle ones of its lane.
    pub(super) fn list(&self, post: &Arc<Post>) {
        let mut state = self.lanes[post.lane].state();
        post.listed.store(true, SeqCst);
        state.idle.push(post.clone());
        self.settle(post.lane, &mut state);
    }

    /// Takes a post from among the idle. `false`: it was called just now.
    pub(super) fn retire(&self, post: &Arc<Post>) -> bool {
        let mut state = self.lanes[post.lane].state();
        let listed = post.listed.swap(false, SeqCst);
        if listed {
            state.idle.retain(|other| !Arc::ptr_eq(other, post));
            self.settle(post.lane, &mut state);
        }
        listed
    }
}

impl Lane {
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
    fn arrived(&mut self, post: &Post) {
        if post.called.swap(false, SeqCst) {
            self.coming = false;
        }
    }

    /// A seat that was idle and is to come, unless one is coming.
    fn call(&mut self) -> Option<Arc<Post>> {
        if self.coming {
            return None;
        }
        while let Some(post) = self.idle.pop() {
            post.listed.store(false, SeqCst);
            if !post.is_busy() {
                self.coming = true;
                post.called.store(true, SeqCst);
                return Some(post);
            }
        }
        None
    }
}
