//! One timer for all successive waits of a task, armed as seldom as possible. Does not know what is waited for.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    static TIMER: RefCell<Timer>;
}

/// A timer that is armed for the earliest deadline so far. It is armed again only when it fires or must fire sooner: a
/// later deadline costs only a comparison.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The waker that it will wake. The same waker need not be set again.
    waker: Option<Waker>,
}

impl Timer {
    /// Ready when the deadline has passed; else woken when that may be.
    pub fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        let knows = |waker: &Waker| waker.will_wake(cx.waker());
        if self.waker.as_ref().is_some_and(knows) && sleep.deadline() <= deadline {
            if !sleep.is_elapsed() {
                return Poll::Pending;
            }
        } else if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        self.waker = None;
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Gives `task` a timer, which [`until`] uses.
pub fn with_timer<F: Future>(task: F) -> impl Future<Output = F::Output> {
    TIMER.scope(RefCell::default(), task)
}

/// Waits for `work`, but not past the deadline: then `None`. In a task without a timer it makes its own.
pub async fn until<F: Future>(deadline: Instant, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut own = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let late = TIMER.try_with(|timer| timer.borrow_mut().poll_until(deadline, cx));
        let late = late.unwrap_or_else(|_| {
            let own = own.get_or_insert_with(Timer::default);
            own.poll_until(deadline, cx)
        });
        late.map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_of_several_waits_has_its_own_deadline() {
        let began = Instant::now();
        with_timer(async {
            let long = until(began + 5 * SECOND, async { 1 }).await;
            assert_eq!(long, Some(1));
            for deadline in [SECOND, 3 * SECOND, 2 * SECOND] {
                let deadline = Instant::now() + deadline;
                let late = until(deadline, std::future::pending::<()>()).await;
                assert_eq!((late, Instant::now()), (None, deadline));
            }
        })
        .await;
        assert_eq!(began.elapsed(), 6 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_without_a_timer_waits_as_well() {
        let deadline = Instant::now() + SECOND;
        let late = until(deadline, std::future::pending::<()>()).await;
        assert_eq!((late, Instant::now()), (None, deadline));
    }
}
