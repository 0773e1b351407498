//! A queue of any order: what its items are and what they wait for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::bail;
use tokio::sync::Semaphore as Permits;

use crate::locks::event::Event;
use crate::queues::error::{QueueEmpty, QueueFull};
use crate::result::Result;

/// A queue of any order.
pub struct Core<S> {
    shelf: Mutex<S>,
    pub(super) maxsize: usize,
    /// One for each item that was promised to no request.
    pub(super) items: Permits,
    /// One for each free place that was promised to no request.
    pub(super) places: Permits,
    unfinished: AtomicUsize,
    pub(super) finished: Event,
}

impl<S> Core<S> {
    pub const fn new(shelf: S, maxsize: usize) -> Self {
        let places = match maxsize {
            0 => Permits::MAX_PERMITS,
            _ if maxsize > Permits::MAX_PERMITS => Permits::MAX_PERMITS,
            _ => maxsize,
        };
        Self {
            shelf: Mutex::new(shelf),
            maxsize,
            items: Permits::const_new(0),
            places: Permits::const_new(places),
            unfinished: AtomicUsize::new(0),
            finished: Event::already_set(),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, S> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Shelf> Core<S> {
    pub async fn put(&self, item: S::Item) {
        take(&self.places).await;
        self.shelve(item);
    }

    pub fn put_nowait(&self, item: S::Item) -> Result<(), QueueFull<S::Item>> {
        match self.places.try_acquire() {
            Ok(place) => place.forget(),
            Err(_) => return Err(QueueFull(item)),
        }
        self.shelve(item);
        Ok(())
    }

    pub async fn get(&self) -> S::Item {
        take(&self.items).await;
        self.unshelve()
    }

    pub fn get_nowait(&self) -> Result<S::Item, QueueEmpty> {
        self.items.try_acquire().map_err(|_| QueueEmpty)?.forget();
        Ok(self.unshelve())
    }

    pub fn task_done(&self) -> Result {
        match self.unfinished.load(Relaxed) {
            0 => bail!("task_done() called too many times"),
            1 => {
                self.unfinished.store(0, Relaxed);
                self.finished.set();
            }
            unfinished => self.unfinished.store(unfinished - 1, Relaxed),
        }
        Ok(())
    }

    /// Puts an item in, after a place was taken.
    fn shelve(&self, item: S::Item) {
        self.unfinished.fetch_add(1, Relaxed);
        self.finished.clear();
        self.shelf().put(item);
        self.items.add_permits(1);
    }

    /// Takes an item out, after one was promised.
    fn unshelve(&self) -> S::Item {
        let item = self.shelf().take();
        self.places.add_permits(1);
        item.unwrap_or_else(|| unreachable!("there is an item for each permit"))
    }
}

async fn take(permits: &Permits) {
    let permit = permits.acquire().await;
    permit
        .unwrap_or_else(|_| unreachable!("a semaphore is never closed"))
        .forget();
}

/// Where items lie, and in which order they are taken.
pub trait Shelf {
    type Item;

    fn put(&mut self, item: Self::Item);
    fn take(&mut self) -> Option<Self::Item>;
}

impl<T> Shelf for VecDeque<T> {
    type Item = T;

    fn put(&mut self, item: T) {
        self.push_back(item);
    }

    fn take(&mut self) -> Option<T> {
        self.pop_front()
    }
}

impl<T: Ord> Shelf for BinaryHeap<Reverse<T>> {
    type Item = T;

    fn put(&mut self, item: T) {
        self.push(Reverse(item));
    }

    fn take(&mut self) -> Option<T> {
        self.pop().map(|Reverse(item)| item)
    }
}

impl<T> Shelf for Vec<T> {
    type Item = T;

    fn put(&mut self, item: T) {
        self.push(item);
    }

    fn take(&mut self) -> Option<T> {
        self.pop()
    }
}
