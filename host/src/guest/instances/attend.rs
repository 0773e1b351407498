//! How a seat waits for work, and drives what does the work. Knows no request from another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::post::Post;
use super::queue::Queue;
use crate::guest::resources::Exchange;

/// How long a seat that may leave waits for its next request before it does: up to twice as long.
const IDLE: Duration = Duration::from_secs(10);

impl Queue {
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
        self.attend(post, || may_leave, || false, work).await;
        taken
    }

    /// Drives `work`, which takes requests while its post is open, and has it called when there are some.
    ///
    /// A call needs an answer at once, so nobody calls a post of which `in_run` says that its guest is in a run: what
    /// takes requests does not turn then.
    pub(super) async fn attend<F: Future>(
        &self,
        post: &Arc<Post>,
        may_leave: impl Fn() -> bool,
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
                if may_leave() && leisure.poll_too_long(post, cx).is_ready() && self.retire(post) {
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
            self.list(post);
        }
        post.busy.store(false, SeqCst);
        // Whoever queued one meanwhile may have passed this post over.
        if self.has_work(post) || self.is_closed() {
            cx.waker().wake_by_ref();
        }
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
