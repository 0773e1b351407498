//! The sockets whose objects are in one instance, and those among them that have something for their guest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use rustc_hash::FxHashMap;

use super::lock;

/// An instance, as its sockets see it.
pub struct Home<S> {
    /// Sockets with an event, the first one first.
    due: Mutex<VecDeque<Resident<S>>>,
    due_count: AtomicUsize,
    /// By the number that the guest has for each.
    residents: Mutex<FxHashMap<u64, Arc<S>>>,
    /// How many have ever come.
    entered: AtomicU64,
    waker: AtomicWaker,
}

/// A socket in an instance, with the number that the guest has for it.
pub struct Resident<S> {
    pub request: u64,
    pub socket: Arc<S>,
}

impl<S> Default for Home<S> {
    fn default() -> Self {
        Self {
            due: Mutex::default(),
            due_count: AtomicUsize::new(0),
            residents: Mutex::default(),
            entered: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        }
    }
}

impl<S> Home<S> {
    /// The next socket with an event. The task is woken when there is one.
    pub fn poll_due(&self, cx: &mut Context<'_>) -> Poll<Resident<S>> {
        if let Some(due) = self.take() {
            return Poll::Ready(due);
        }
        self.waker.register(cx.waker());
        match self.take() {
            Some(due) => Poll::Ready(due),
            None => Poll::Pending,
        }
    }

    fn take(&self) -> Option<Resident<S>> {
        if self.due_count.load(SeqCst) == 0 {
            return None;
        }
        let due = lock(&self.due).pop_front()?;
        self.due_count.fetch_sub(1, SeqCst);
        Some(due)
    }

    /// A socket's object is here from now on. Called before the socket knows.
    pub(super) fn enter(&self, request: u64, socket: &Arc<S>) {
        lock(&self.residents).insert(request, socket.clone());
        self.entered.fetch_add(1, SeqCst);
    }

    /// How many have ever come.
    pub fn entered(&self) -> u64 {
        self.entered.load(SeqCst)
    }

    /// Has the instance look at what has changed.
    pub fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn leave(&self, request: u64) {
        lock(&self.residents).remove(&request);
        self.waker.wake();
    }

    pub(super) fn call(&self, due: Resident<S>) {
        lock(&self.due).push_back(due);
        self.due_count.fetch_add(1, SeqCst);
        self.waker.wake();
    }

    /// Whether no socket has its object here.
    pub fn is_empty(&self) -> bool {
        lock(&self.residents).is_empty()
    }

    /// All of them.
    pub fn residents(&self) -> Vec<Resident<S>> {
        let residents = lock(&self.residents);
        let resident = |(&request, socket): (&u64, &Arc<S>)| Resident {
            request,
            socket: socket.clone(),
        };
        residents.iter().map(resident).collect()
    }
}
