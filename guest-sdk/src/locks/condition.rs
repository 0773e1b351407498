//! A condition: requests wait until they are notified.

use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::Semaphore as Permits;

/// Where requests wait until they are told to go on. Tornado's
/// [`Condition`](https://www.tornadoweb.org/en/stable/locks.html#condition): it keeps nothing, so a notification that
/// nobody waits for is lost.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// use std::cell::RefCell;
/// use waterspout_sdk::locks::Condition;
///
/// static NEWS: Condition = Condition::new();
///
/// thread_local! {
///     static MESSAGES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
/// }
///
/// # async fn post(cx: &Context) -> Result {
/// let message = cx.get_body_argument("message").await?;
/// MESSAGES.with_borrow_mut(|messages| messages.push(message));
/// NEWS.notify_all();
/// # Ok(())
/// # }
/// # async fn get(cx: &Context) -> Result {
/// // Long polling: an answer when there is news, and after fifty seconds in any case.
/// let _ = with_timeout(Duration::from_secs(50), NEWS.wait()).await;
/// MESSAGES.with_borrow(|messages| cx.write_json(messages))
/// # }
/// ```
#[derive(Debug)]
pub struct Condition {
    /// None is ever free: as many are added as there are waiters to take them.
    turns: Permits,
    /// Those that wait and were not notified.
    waiting: AtomicUsize,
}

impl Condition {
    /// A condition that no request waits for.
    pub const fn new() -> Self {
        Self {
            turns: Permits::const_new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a notification. If a wait is dropped after it was notified and before it has run, the next wait is
    /// notified.
    pub async fn wait(&self) {
        self.waiting.fetch_add(1, Relaxed);
        let place = Place(self);
        let turn = self.turns.acquire().await;
        mem::forget(place);
        turn.unwrap_or_else(|_| unreachable!("a semaphore is never closed"))
            .forget();
    }

    /// Notifies `n` of the requests that wait, or all if they are fewer. The first come first.
    pub fn notify(&self, n: usize) {
        let n = n.min(self.waiting.load(Relaxed));
        self.waiting.fetch_sub(n, Relaxed);
        self.turns.add_permits(n);
    }

    /// Notifies all requests that wait.
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of one wait. It is dropped after the wait for its turn.
struct Place<'a>(&'a Condition);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Its turn belongs to the next wait now, which was notified by that. Without another wait, the turn is free
        // and must be removed.
        if self.0.turns.forget_permits(1) == 0 {
            self.0.waiting.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::{gone, waiters};

    #[test]
    fn a_condition_lets_as_many_go_as_it_is_told() {
        let condition = Condition::new();
        condition.notify(2);
        let mut waiters = waiters(5, || Box::pin(condition.wait()));
        condition.notify(2);
        let mut rest = waiters.split_off(2);
        assert_eq!(gone(&mut waiters), [true; 2]);
        assert_eq!(gone(&mut rest), [false; 3]);
        condition.notify_all();
        assert_eq!(gone(&mut rest), [true; 3]);
        condition.notify_all();
        assert!(condition.wait().now_or_never().is_none());
        assert_eq!(condition.waiting.load(Relaxed), 0);
    }

    #[test]
    fn a_notification_is_handed_on_by_one_that_leaves() {
        let condition = Condition::new();
        let mut waiters = waiters(4, || Box::pin(condition.wait()));
        // Leaves without one.
        drop(waiters.remove(1));
        assert_eq!(condition.waiting.load(Relaxed), 3);
        condition.notify(1);
        // Leaves with one.
        drop(waiters.remove(0));
        assert_eq!(gone(&mut waiters), [true, false]);
        assert_eq!(condition.waiting.load(Relaxed), 1);
        condition.notify(1);
        waiters.clear();
        // There was no other wait to notify.
        assert_eq!(condition.waiting.load(Relaxed), 0);
        assert!(condition.wait().now_or_never().is_none());
    }
}
