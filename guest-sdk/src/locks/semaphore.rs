//! A lock for one request at a time, and semaphores for several.

use tokio::sync::{Semaphore as Permits, SemaphorePermit};

use crate::result::Result;

/// A lock for one request at a time. Tornado's [`Lock`](https://www.tornadoweb.org/en/stable/locks.html#lock).
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

/// A semaphore for several requests at a time. Tornado's
/// [`Semaphore`](https://www.tornadoweb.org/en/stable/locks.html#semaphore).
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
    /// A semaphore that `value` can have at a time, 536,870,911 at most: a panic beyond.
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
    /// A semaphore that `value` can have at a time, and never more.
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

    /// Gives back a permit that was [kept](Permit::keep). An error where no permit is missing.
    pub fn release(&self) -> Result {
        if self.semaphore.0.available_permits() >= self.value {
            anyhow::bail!("Semaphore released too many times");
        }
        self.semaphore.release();
        Ok(())
    }
}

/// An acquired permit. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "what was acquired is free again when this is dropped"]
pub struct Permit<'a>(SemaphorePermit<'a>);

impl Permit<'_> {
    /// Keeps it beyond this object, for a `release` somewhere else.
    pub fn keep(self) {
        self.0.forget();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::{goes, look, waiters};

    #[test]
    fn a_lock_goes_to_the_one_that_waits_longest() {
        static LOCK: Lock = Lock::new();
        let held = LOCK.acquire().now_or_never().expect("free");
        let mut waiters = waiters(3, || Box::pin(LOCK.acquire()));
        drop(held);
        // Promised: neither the second nor one that comes now may have it.
        assert!(LOCK.acquire().now_or_never().is_none());
        assert!(look(&mut waiters[1]).is_pending());
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
        assert!(look(&mut waiters[1]).is_pending());
        second.keep();
        assert!(look(&mut waiters[1]).is_pending());
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
}
