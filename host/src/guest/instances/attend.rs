//! How a worker waits for work, and drives its instance. Does not tell one request from another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::queue::Queue;
use super::slot::Slot;
use crate::guest::resources::Exchange;

/// How long an idle worker waits before it ends, if it may. The real time is up to twice as long.
const IDLE: Duration = Duration::from_secs(10);

impl Queue {
    /// The next request. `None`: there will be none for this slot, because the queue is closed, or because the worker
    /// `may_leave` and was idle for a while.
    pub(super) async fn next(&self, slot: &Arc<Slot>, may_leave: bool) -> Option<Arc<Exchange>> {
        let mut taken = None;
        let work = poll_fn(|_| {
            taken = self.take(slot);
            let ended = taken.is_some() || slot.is_dismissed() || self.is_closed();
            slot.set_open(!ended);
            match ended {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        self.attend(slot, || may_leave, || false, work).await;
        taken
    }

    /// Drives `work`, which takes requests while its slot is open, and wakes it when requests wait.
    ///
    /// A call must be answered soon. So no slot is called while `in_run` says that its guest is in a run: nothing
    /// takes requests then.
    pub(super) async fn attend<F: Future>(
        &self,
        slot: &Arc<Slot>,
        may_leave: impl Fn() -> bool,
        in_run: impl Fn() -> bool,
        work: F,
    ) -> F::Output {
        let mut work = pin!(work);
        let mut leisure = Leisure::default();
        poll_fn(|cx| {
            loop {
                slot.busy.store(true, SeqCst);
                self.arrived(slot);
                let polled = work.as_mut().poll(cx);
                if polled.is_ready() || !slot.open.load(Relaxed) || in_run() {
                    return polled;
                }
                if may_leave() && leisure.poll_too_long(slot, cx).is_ready() && self.retire(slot) {
                    slot.dismissed.store(true, Relaxed);
                    continue;
                }
                self.park(slot, cx);
                return polled;
            }
        })
        .await
    }

    fn park(&self, slot: &Arc<Slot>, cx: &Context<'_>) {
        slot.waker.register(cx.waker());
        if !slot.listed.load(SeqCst) {
            self.list(slot);
        }
        slot.busy.store(false, SeqCst);
        // A request that was queued meanwhile may have passed this slot over.
        if self.has_work(slot) || self.is_closed() {
            cx.waker().wake_by_ref();
        }
    }
}

/// How long a slot was idle. A busy slot does not touch the timer.
#[derive(Default)]
struct Leisure {
    timer: Option<Pin<Box<Sleep>>>,
    taken: u64,
}

impl Leisure {
    /// Ready when the slot took no request for `IDLE`.
    fn poll_too_long(&mut self, slot: &Slot, cx: &mut Context<'_>) -> Poll<()> {
        let taken = slot.taken.load(Relaxed);
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
