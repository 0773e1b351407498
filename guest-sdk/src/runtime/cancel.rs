//! How `cancel` ends a call or a task: the waits, and their wakers. Does not know what they do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, Waker};

use crate::runtime::kept::{Function, Work};

/// A call that waits.
struct Waiting {
    cancelled: bool,
    waker: Waker,
}

thread_local! {
    /// The calls that wait. A call that never waits is never in here, and can't be cancelled. An ordered
    /// map: a hash map would ask the host for random numbers.
    static CALLS: RefCell<BTreeMap<Work, Waiting>> = const { RefCell::new(BTreeMap::new()) };
}

/// Ends a call at its next await, if it waits.
pub fn cancel(work: Work) {
    let waker = CALLS.with_borrow_mut(|calls| {
        let waiting = calls.get_mut(&work)?;
        waiting.cancelled = true;
        Some(waiting.waker.clone())
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// How many calls wait.
#[cfg(test)]
pub fn waiting() -> usize {
    CALLS.with_borrow(BTreeMap::len)
}

/// Runs `future` until it is ready or the call is cancelled.
///
/// The future is moved in here, so it should not be large: each request that waits would have the memory for it twice.
pub fn cancellable<T>(
    work: Work,
    mut future: impl Future<Output = T> + Unpin,
) -> impl Future<Output = Option<T>> {
    let mut entry = None;
    let function = Function::begin(work);
    poll_fn(move |task| {
        if entry.is_some() && CALLS.with_borrow(|calls| calls[&work].cancelled) {
            return Poll::Ready(None);
        }
        let polled = function.poll(|| Pin::new(&mut future).poll(task));
        if polled.is_pending() && entry.is_none() {
            entry = Some(Entry::new(work, task.waker().clone()));
        }
        polled.map(Some)
    })
}

/// A place in `CALLS`, until it is dropped.
struct Entry(Work);

impl Entry {
    /// The waker of a component's task always stays the same.
    fn new(work: Work, waker: Waker) -> Self {
        CALLS.with_borrow_mut(|calls| {
            calls.insert(
                work,
                Waiting {
                    cancelled: false,
                    waker,
                },
            )
        });
        Self(work)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        CALLS.with_borrow_mut(|calls| calls.remove(&self.0));
    }
}
