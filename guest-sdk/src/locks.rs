//! Who goes first, among the requests of one instance: `tornado.locks`. Owns no data but counts, and never looks at the
//! clock: what is to be waited for only so long stands in a [`with_timeout`](crate::gen_::with_timeout).
//!
//! All of these can be a `static`, which is then one for each instance. Whoever waits longest is next. A wait that is
//! dropped, because its time is over or its client is gone, leaves its place to the next; what it was holding is free.

use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{Semaphore as Permits, SemaphorePermit};

use crate::result::Result;

/// For one at a time. Tornado's [`Lock`](https://www.tornadoweb.org/en/stable/locks.html#lock).
///
/// Between two awaits nothing else runs in an instance: what needs no `await` needs no lock. The others are at work
/// beside it, in instances of their own, unless the component is `single`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// use waterspout_sdk::locks::Lock;
///
/// static ORDERS: Lock = Lock::new();
///
/// # async fn read() -> Result<u32> { Ok(1) }
/// # async fn store(_: u32) -> Result { Ok(()) }
/// # async fn post(cx: &Context) -> Result {
/// let _held = ORDERS.acquire().await; // until the end of the block
/// let orders = read().await?;
/// store(orders + 1).await?;
/// cx.write("stored")
/// # }
/// ```
///
/// A request that acquires it twice waits for itself, to the end of its deadline.
#[derive(Debug)]
pub struct Lock(Semaphore);

impl Lock {
    /// A lock that is free.
    pub const fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits until it is free, and takes it until the [`Permit`] is dropped.
    pub async fn acquire(&self) -> Permit<'_> {
        self.0.acquire().await
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self::new()
    }
}

/// For so many at a time. Tornado's [`Semaphore`](https://www.tornadoweb.org/en/stable/locks.html#semaphore).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// use waterspout_sdk::locks::Semaphore;
///
/// static RENDERING: Semaphore = Semaphore::new(2);
///
/// # async fn render() -> Result<String> { Ok(String::new()) }
/// # async fn get(cx: &Context) -> Result {
/// let _permit = RENDERING.acquire().await;
/// cx.write(render().await?)
/// # }
/// ```
#[derive(Debug)]
pub struct Semaphore(Permits);

impl Semaphore {
    /// A semaphore that `value` can have at once, 536,870,911 at most: a panic beyond.
    pub const fn new(value: usize) -> Self {
        Self(Permits::const_new(value))
    }

    /// Waits for a permit, and holds it until the [`Permit`] is dropped.
    pub async fn acquire(&self) -> Permit<'_> {
        let permit = self.0.acquire().await;
        Permit(permit.unwrap_or_else(|_| unreachable!("a semaphore is never closed")))
    }

    /// Gives one permit more: one that was [kept](Permit::keep), or a new one.
    pub fn release(&self) {
        self.0.add_permits(1);
    }
}

/// A [`Semaphore`] that is never released more often than it was acquired. Tornado's
/// [`BoundedSemaphore`](https://www.tornadoweb.org/en/stable/locks.html#boundedsemaphore).
///
/// A [`Permit`] can't be given back twice, so there is a difference only where permits are [kept](Permit::keep).
///
/// ```
/// use waterspout_sdk::locks::BoundedSemaphore;
///
/// let semaphore = BoundedSemaphore::new(2);
/// assert!(semaphore.release().is_err());
/// ```
#[derive(Debug)]
pub struct BoundedSemaphore {
    semaphore: Semaphore,
    value: usize,
}

impl BoundedSemaphore {
    /// A semaphore that `value` can have at once, and never more.
    pub const fn new(value: usize) -> Self {
        Self {
            semaphore: Semaphore::new(value),
            value,
        }
    }

    /// Waits for a permit, and holds it until the [`Permit`] is dropped.
    pub async fn acquire(&self) -> Permit<'_> {
        self.semaphore.acquire().await
    }

    /// Gives back a permit that was [kept](Permit::keep). An error where all are there.
    pub fn release(&self) -> Result {
        if self.semaphore.0.available_permits() >= self.value {
            anyhow::bail!("Semaphore released too many times");
        }
        self.semaphore.release();
        Ok(())
    }
}

/// What was acquired. Dropped, it is free again.
#[derive(Debug)]
#[must_use = "what was acquired is free again when this is dropped"]
pub struct Permit<'a>(SemaphorePermit<'a>);

impl Permit<'_> {
    /// Keeps it beyond this object, for a `release` somewhere else.
    pub fn keep(self) {
        self.0.forget();
    }
}

/// Something that has happened, or will. Tornado's [`Event`](https://www.tornadoweb.org/en/stable/locks.html#event).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// use waterspout_sdk::locks::Event;
///
/// static OPEN: Event = Event::new();
///
/// # async fn get(cx: &Context) -> Result {
/// OPEN.wait().await; // until another request says `OPEN.set()`
/// cx.write("open")
/// # }
/// ```
#[derive(Debug)]
pub struct Event {
    /// Odd where it is set. The count tells who waited when it was set and cleared at once.
    turns: AtomicUsize,
    turned: Condition,
}

impl Event {
    /// An event that has not happened.
    pub const fn new() -> Self {
        Self {
            turns: AtomicUsize::new(0),
            turned: Condition::new(),
        }
    }

    pub(crate) const fn already_set() -> Self {
        Self {
            turns: AtomicUsize::new(1),
            turned: Condition::new(),
        }
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.turns.load(Relaxed) % 2 == 1
    }

    /// It has happened: all who wait go on, and who comes later need not wait.
    pub fn set(&self) {
        if !self.is_set() {
            self.turns.fetch_add(1, Relaxed);
            self.turned.notify_all();
        }
    }

    /// It has not happened: who comes later waits. Who waited before [`set`](Self::set) goes on all the same.
    pub fn clear(&self) {
        if self.is_set() {
            self.turns.fetch_add(1, Relaxed);
        }
    }

    /// Waits until it has happened.
    pub async fn wait(&self) {
        let before = self.turns.load(Relaxed);
        // A waiter that leaves hands its notification on, to one that may have come after it.
        while !self.is_set() && self.turns.load(Relaxed) == before {
            self.turned.wait().await;
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

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
    /// A condition that nobody waits for.
    pub const fn new() -> Self {
        Self {
            turns: Permits::const_new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a notification. One that is dropped when it was notified, and has not run since, hands it on.
    pub async fn wait(&self) {
        self.waiting.fetch_add(1, Relaxed);
        let place = Place(self);
        let turn = self.turns.acquire().await;
        mem::forget(place);
        turn.unwrap_or_else(|_| unreachable!("a semaphore is never closed"))
            .forget();
    }

    /// Has `n` of those that wait go on, or all where they are fewer: the first who came.
    pub fn notify(&self, n: usize) {
        let n = n.min(self.waiting.load(Relaxed));
        self.waiting.fetch_sub(n, Relaxed);
        self.turns.add_permits(n);
    }

    /// Has all who wait go on.
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of one that waits, dropped where the wait is: after the wait for its turn.
struct Place<'a>(&'a Condition);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // A turn that it had is with the next one now, which thereby was notified. Where there is none, it is free,
        // and has to go.
        if self.0.turns.forget_permits(1) == 0 {
            self.0.waiting.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::FutureExt;
    use futures_util::future::LocalBoxFuture;
    use futures_util::task::noop_waker_ref;

    use super::*;

    type Waits<'a, T = ()> = LocalBoxFuture<'a, T>;

    fn poll<T>(future: &mut Waits<T>) -> Poll<T> {
        Pin::new(future).poll(&mut Context::from_waker(noop_waker_ref()))
    }

    fn goes<T>(future: &mut Waits<T>) -> T {
        match poll(future) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    /// So many, which wait one after the other.
    fn waiters<'a, T>(count: usize, wait: impl Fn() -> Waits<'a, T>) -> Vec<Waits<'a, T>> {
        let mut all: Vec<_> = (0..count).map(|_| wait()).collect();
        all.iter_mut()
            .for_each(|one| assert!(poll(one).is_pending()));
        all
    }

    /// Who of them goes on.
    fn gone(waiters: &mut [Waits]) -> Vec<bool> {
        waiters.iter_mut().map(|one| poll(one).is_ready()).collect()
    }

    #[test]
    fn a_lock_goes_to_whoever_waits_longest() {
        static LOCK: Lock = Lock::new();
        let held = LOCK.acquire().now_or_never().expect("free");
        let mut waiters = waiters(3, || Box::pin(LOCK.acquire()));
        drop(held);
        // Promised: neither the second nor one that comes now may have it.
        assert!(LOCK.acquire().now_or_never().is_none());
        assert!(poll(&mut waiters[1]).is_pending());
        drop(goes(&mut waiters[0]));
        drop(goes(&mut waiters[1]));
        drop(goes(&mut waiters[2]));
    }

    #[test]
    fn a_lock_survives_those_that_leave() {
        let lock = Lock::new();
        let held = lock.acquire().now_or_never().expect("free");
        let mut waiters = waiters(3, || Box::pin(lock.acquire()));
        drop(waiters.remove(0));
        drop(held);
        // The lock is its own already when it leaves.
        drop(waiters.remove(0));
        drop(goes(&mut waiters[0]));
        assert!(lock.acquire().now_or_never().is_some());
    }

    #[test]
    fn a_semaphore_has_as_many_as_it_says() {
        let semaphore = Semaphore::new(2);
        let first = semaphore.acquire().now_or_never().expect("free");
        let second = semaphore.acquire().now_or_never().expect("free");
        let mut waiters = waiters(2, || Box::pin(semaphore.acquire()));
        drop(first);
        let third = goes(&mut waiters[0]);
        assert!(poll(&mut waiters[1]).is_pending());
        second.keep();
        assert!(poll(&mut waiters[1]).is_pending());
        semaphore.release();
        let fourth = goes(&mut waiters[1]);
        drop((third, fourth));
        semaphore.release();
        assert_eq!(semaphore.0.available_permits(), 3);
    }

    #[test]
    fn a_bounded_semaphore_is_not_released_too_often() {
        let semaphore = BoundedSemaphore::new(1);
        let refused = semaphore.release().unwrap_err();
        assert_eq!(refused.to_string(), "Semaphore released too many times");
        semaphore.acquire().now_or_never().expect("free").keep();
        assert!(semaphore.acquire().now_or_never().is_none());
        semaphore.release().unwrap();
        assert!(semaphore.release().is_err());
    }

    #[test]
    fn an_event_lets_all_go_that_wait_for_it() {
        static EVENT: Event = Event::new();
        let mut waiters = waiters(100, || Box::pin(EVENT.wait()));
        EVENT.set();
        EVENT.set();
        assert!(EVENT.is_set());
        assert!(EVENT.wait().now_or_never().is_some());
        EVENT.clear();
        // They waited when it was set.
        assert_eq!(gone(&mut waiters), [true; 100]);
        assert!(EVENT.wait().now_or_never().is_none());
    }

    #[test]
    fn nobody_goes_because_another_left() {
        let event = Event::new();
        let mut first = waiters(1, || Box::pin(event.wait()));
        event.set();
        event.clear();
        let mut second = waiters(1, || Box::pin(event.wait()));
        first.clear();
        assert_eq!(gone(&mut second), [false]);
        event.set();
        assert_eq!(gone(&mut second), [true]);
    }

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
        // There was nobody to hand it on to.
        assert_eq!(condition.waiting.load(Relaxed), 0);
        assert!(condition.wait().now_or_never().is_none());
    }
}
