//! How `cancel` ends a call or a task: the waits, and their wakers. Does not know what they do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::runtime::kept::{Function, Work};

/// A call that waits.
struct Waiting {
    is_cancelled: Rc<Cell<bool>>,
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
        waiting.is_cancelled.set(true);
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
        if entry.as_ref().is_some_and(Entry::is_cancelled) {
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
struct Entry {
    work: Work,
    is_cancelled: Rc<Cell<bool>>,
}

impl Entry {
    /// The waker of a component's task always stays the same.
    fn new(work: Work, waker: Waker) -> Self {
        let is_cancelled = Rc::<Cell<bool>>::default();
        let waiting = Waiting {
            is_cancelled: is_cancelled.clone(),
            waker,
        };
        CALLS.with_borrow_mut(|calls| calls.insert(work, waiting));
        Self { work, is_cancelled }
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        CALLS.with_borrow_mut(|calls| calls.remove(&self.work));
    }
}
