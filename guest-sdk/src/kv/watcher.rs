//! The changes of some keys as they come.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::kv::entry::Entry;
use crate::runtime::bindings::waterspout::kv::kv as host;
use crate::runtime::kept::{Kept, Wait};

/// A change that a [`Watcher`] has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: String,
    /// What it has since; `None`: it was deleted, or has expired.
    pub entry: Option<Entry>,
    /// How many changes were dropped between the last one and this: the oldest go first.
    pub dropped: u64,
}

/// The changes of some keys, from when it was made: a [`Stream`] without end. It ends when it is dropped.
pub struct Watcher {
    wait: Kept,
    watcher: Rc<host::Watcher>,
}

impl Watcher {
    pub(super) fn new(watcher: host::Watcher) -> Self {
        Self {
            wait: Kept::default(),
            watcher: Rc::new(watcher),
        }
    }

    /// The next change, once there is one. Nothing is lost where this future is dropped before it is ready.
    pub async fn next(&mut self) -> Change {
        poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Change> {
        let watcher = &self.watcher;
        let begin = || -> Wait {
            let watcher = watcher.clone();
            Box::pin(async move { watcher.ready().await })
        };
        let taken = self.wait.poll_taken(task, begin, || watcher.take());
        taken.map(|change| Change {
            key: change.key,
            entry: change.entry.map(Entry::from),
            dropped: change.dropped,
        })
    }
}

impl Stream for Watcher {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll(task).map(Some)
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}
