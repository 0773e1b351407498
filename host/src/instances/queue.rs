//! The requests that wait for an instance, and the seats that wait for a request. Knows neither what a seat is
//! made of nor how a request ends.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep};

use crate::resources::Exchange;

/// How long a seat that may leave waits for its next request before it does: up to twice as long.
const IDLE: Duration = Duration::from_secs(10);

/// First come, first served.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// How many requests wait, for a look without the lock.
    waiting: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Arc<Exchange>>,
    /// Those among them that nobody wants any more.
    left: usize,
    /// Seats with nothing to do. The last one is called first: its instance is the warmest.
    idle: Vec<Arc<Post>>,
    /// A seat was called, or is new, and has not looked yet. It calls the next one if it leaves work for others:
    /// where requests are quickly over, one seat serves many of them and nobody else is woken in vain.
    coming: bool,
}

/// Where one seat waits for work.
#[derive(Default)]
pub(super) struct Post {
    waker: AtomicWaker,
    /// It could not follow a call: its task is running, its guest is in a run, or it takes no more.
    busy: AtomicBool,
    /// It is among the idle ones.
    listed: AtomicBool,
    /// It takes requests.
    open: AtomicBool,
    /// It was idle for so long that it is to leave.
    dismissed: AtomicBool,
    /// It is the one that is coming.
    called: AtomicBool,
    taken: AtomicU64,
}

impl Queue {
    /// Queues a request and sees to it that a seat is coming, if one is idle: tells whether one is.
    pub(super) fn push(&self, exchange: Arc<Exchange>) -> Result<bool, Arc<Exchange>> {
        let mut state = self.state();
        if self.is_closed() {
            return Err(exchange);
        }
        state.requests.push_back(exchange);
        self.waiting.store(state.requests.len(), SeqCst);
        let called = state.call();
        let coming = state.coming;
        drop(state);
        if let Some(post) = called {
            post.waker.wake();
        }
        Ok(coming)
    }

    /// A post for a new seat, which is coming.
    pub(super) fn new_post(&self) -> Arc<Post> {
        self.state().coming = true;
        let post = Post::default();
        post.called.store(true, SeqCst);
        Arc::new(post)
    }

    /// Notes that a seat looks for work now, if it was the one that was coming.
    fn arrived(&self, post: &Post) {
        if post.called.load(Relaxed) {
            self.state().arrived(post);
        }
    }

    /// Lets another seat come in place of this one, which has no time.
    pub(super) fn pass_on(&self, post: &Post) {
        self.arrived(post);
        let called = self.state().call();
        if let Some(other) = called {
            other.waker.wake();
        }
    }

    /// Whether there is work that no seat comes for.
    pub(super) fn lacks_a_seat(&self) -> bool {
        let state = self.state();
        !state.requests.is_empty() && !state.coming
    }

    /// The next request for this post.
    pub(super) fn take(&self, post: &Post) -> Option<Arc<Exchange>> {
        if self.is_empty() {
            return None;
        }
        let mut state = self.state();
        let next = loop {
            match state.requests.pop_front() {
                Some(exchange) if !exchange.enter() => state.left = state.left.saturating_sub(1),
                next => break next,
            }
        };
        self.waiting.store(state.requests.len(), SeqCst);
        // It may have been called since it began to look.
        state.arrived(post);
        let called = state.call();
        drop(state);
        if let Some(other) = called {
            other.waker.wake();
        }
        post.taken.fetch_add(1, Relaxed);
        next
    }

    /// Lets a request go. `false`: it waits no more. Its place is freed at once, and what it takes up of the queue
    /// before more than `most` have gone so.
    pub(super) fn leave(&self, exchange: &Exchange, most: usize) -> bool {
        let mut state = self.state();
        if !exchange.leave() {
            return false;
        }
        state.left += 1;
        if state.left > most {
            state.requests.retain(|exchange| !exchange.has_left());
            state.left = 0;
            self.waiting.store(state.requests.len(), SeqCst);
        }
        true
    }

    /// Takes no more requests, and sends every seat home that has none.
    pub(super) fn close(&self) {
        let idle = {
            let mut state = self.state();
            self.closed.store(true, SeqCst);
            std::mem::take(&mut state.idle)
        };
        for post in idle {
            post.waker.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// The next request. `None`: there will be none for this post, because the queue is closed or because it
    /// `may_leave` and had nothing to do for a while.
    pub(super) async fn next(&self, post: &Arc<Post>, may_leave: bool) -> Option<Arc<Exchange>> {
        let mut taken = None;
        let work = poll_fn(|_| {
            taken = self.take(post);
            let ended = taken.is_some() || post.is_dismissed() || self.is_closed();
            post.set_open(!ended);
            match ended {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        self.attend(post, may_leave, || false, work).await;
        taken
    }

    /// Drives `work`, which takes requests while its post is open, and has it called when there are some.
    ///
    /// A call needs an answer at once, so nobody calls a post of which `in_run` says that its guest is in a run: what
    /// takes requests does not turn then.
    pub(super) async fn attend<F: Future>(
        &self,
        post: &Arc<Post>,
        may_leave: bool,
        in_run: impl Fn() -> bool,
        work: F,
    ) -> F::Output {
        let mut work = pin!(work);
        let mut leisure = Leisure::default();
        poll_fn(|cx| {
            loop {
                post.busy.store(true, SeqCst);
                self.arrived(post);
                let polled = work.as_mut().poll(cx);
                if polled.is_ready() || !post.open.load(Relaxed) || in_run() {
                    return polled;
                }
                if may_leave && leisure.poll_too_long(post, cx).is_ready() && self.retire(post) {
                    post.dismissed.store(true, Relaxed);
                    continue;
                }
                self.park(post, cx);
                return polled;
            }
        })
        .await
    }

    fn park(&self, post: &Arc<Post>, cx: &Context<'_>) {
        post.waker.register(cx.waker());
        if !post.listed.load(SeqCst) {
            let mut state = self.state();
            post.listed.store(true, SeqCst);
            state.idle.push(post.clone());
        }
        post.busy.store(false, SeqCst);
        // Whoever queued one meanwhile may have passed this post over.
        if !self.is_empty() || self.is_closed() {
            cx.waker().wake_by_ref();
        }
    }

    /// Takes a post from among the idle. `false`: it was called just now.
    fn retire(&self, post: &Arc<Post>) -> bool {
        let mut state = self.state();
        let listed = post.listed.swap(false, SeqCst);
        if listed {
            state.idle.retain(|other| !Arc::ptr_eq(other, post));
        }
        listed
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

    /// A seat that was idle and is to come, where there is work for it and none is coming.
    fn call(&mut self) -> Option<Arc<Post>> {
        if self.coming || self.requests.is_empty() {
            return None;
        }
        while let Some(post) = self.idle.pop() {
            post.listed.store(false, SeqCst);
            if !post.busy.load(SeqCst) {
                self.coming = true;
                post.called.store(true, SeqCst);
                return Some(post);
            }
        }
        None
    }
}

impl Post {
    /// Says whether it takes requests from now on.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Relaxed)
    }
}

/// How long a post has had nothing to do, by a timer that a busy one does not touch.
#[derive(Default)]
struct Leisure {
    timer: Option<Pin<Box<Sleep>>>,
    taken: u64,
}

impl Leisure {
    /// Ready when the post took nothing for as long as `IDLE`.
    fn poll_too_long(&mut self, post: &Post, cx: &mut Context<'_>) -> Poll<()> {
        let taken = post.taken.load(Relaxed);
        let Some(timer) = &mut self.timer else {
            self.taken = taken;
            let timer = self.timer.insert(Box::pin(sleep(IDLE)));
            return timer.as_mut().poll(cx);
        };
        while timer.as_mut().poll(cx).is_ready() {
            if self.taken == taken {
                return Poll::Ready(());
            }
            self.taken = taken;
            timer.as_mut().reset(Instant::now() + IDLE);
        }
        Poll::Pending
    }
}
