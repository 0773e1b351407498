//! The sockets whose objects are in one instance, and those among them that have something for their guest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use rustc_hash::FxHashMap;

use super::lock;

/// An instance, as its sockets see it.
pub struct Home<S> {
    /// Sockets with an event, the first one first.
    due: Mutex<VecDeque<Resident<S>>>,
    due_count: AtomicUsize,
    /// By the number that the guest has for each.
    residents: Mutex<FxHashMap<u64, Arc<S>>>,
    resident_count: AtomicUsize,
    /// How many have ever come.
    entered: AtomicU64,
    /// The instance was woken since it has last looked.
    has_news: AtomicBool,
    waker: Mutex<Option<Waker>>,
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
            resident_count: AtomicUsize::new(0),
            entered: AtomicU64::new(0),
            has_news: AtomicBool::new(false),
            waker: Mutex::default(),
        }
    }
}

impl<S> Home<S> {
    /// Whether something has changed since the last look. The task is woken when something does. `known`: its waker.
    pub fn poll_news(&self, known: &mut Option<Waker>, cx: &Context<'_>) -> bool {
        let is_known = known
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()));
        if !is_known {
            *lock(&self.waker) = Some(cx.waker().clone());
            *known = Some(cx.waker().clone());
        }
        let has_news = self.has_news.load(SeqCst) && self.has_news.swap(false, SeqCst);
        !is_known || has_news
    }

    /// The next socket with an event.
    pub fn next_due(&self) -> Option<Resident<S>> {
        if self.due_count.load(SeqCst) == 0 {
            return None;
        }
        let due = lock(&self.due).pop_front()?;
        self.due_count.fetch_sub(1, SeqCst);
        Some(due)
    }

    /// A socket's object is here from now on. Called before the socket knows.
    pub(super) fn enter(&self, request: u64, socket: &Arc<S>) {
        if lock(&self.residents)
            .insert(request, socket.clone())
            .is_none()
        {
            self.resident_count.fetch_add(1, SeqCst);
        }
        self.entered.fetch_add(1, SeqCst);
    }

    /// How many have ever come.
    pub fn entered(&self) -> u64 {
        self.entered.load(SeqCst)
    }

    /// Has the instance look at what has changed.
    pub fn wake(&self) {
        self.has_news.store(true, SeqCst);
        // It stays: a waker that a wake takes away would have to be set again, and until then wakes would be lost.
        if let Some(waker) = &*lock(&self.waker) {
            waker.wake_by_ref();
        }
    }

    pub(super) fn leave(&self, request: u64) {
        if lock(&self.residents).remove(&request).is_some() {
            self.resident_count.fetch_sub(1, SeqCst);
        }
        self.wake();
    }

    pub(super) fn call(&self, due: Resident<S>) {
        lock(&self.due).push_back(due);
        self.due_count.fetch_add(1, SeqCst);
        self.wake();
    }

    /// Whether no socket has its object here.
    pub fn is_empty(&self) -> bool {
        self.resident_count.load(SeqCst) == 0
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
