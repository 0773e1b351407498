//! Something that has happened, or will.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::locks::condition::Condition;

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
    /// Odd where it is set. The count tells which waits began before it was set and cleared again.
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

    /// It has happened: all requests that wait continue, and later ones do not wait.
    pub fn set(&self) {
        if !self.is_set() {
            self.turns.fetch_add(1, Relaxed);
            self.turned.notify_all();
        }
    }

    /// It has not happened: later requests wait. Those that waited before [`set`](Self::set) continue nevertheless.
    pub fn clear(&self) {
        if self.is_set() {
            self.turns.fetch_add(1, Relaxed);
        }
    }

    /// Waits until it has happened.
    pub async fn wait(&self) {
        let before = self.turns.load(Relaxed);
        // A dropped wait gives its notification to the next, which may have begun after it.
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::{gone, waiters};

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
}
